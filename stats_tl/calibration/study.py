"""A calibration study: a TOML plan of designs → error rates of every procedure, as a table.

A *design* is a population, a learner and a shape of study (patients, folds). Its data sets
are drawn once with the most repeats; fewer repeats are the first of them. Each design has its
own seed, from the plan's seed and its own description, so that its row does not depend on
which designs stand beside it or on the number of workers.
"""

from __future__ import annotations

__all__ = ["Block", "CalibrationPlan", "Design", "load_calibration_plan", "run_design"]

import hashlib
import itertools
import json
import math
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy import stats as sps

from ..errors import UserError
from ..schema import explain
from ..toml import read_toml
from .learners import LEARNERS
from .populations import GaussianPopulation, Population, load_features
from .procedures import COMMON, OFFERED, SLOW, Conclusion, conclude
from .simulate import cross_validate, separation_for_auc

LEVEL = 0.05
#: Data sets on which the procedures outside of the test's own are tried: their errors are gross.
MOST_COSTLY = 100


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Block(_Table):
    """``[[blocks]]``: a product of designs, or a random share of it."""

    role: str = Field(description="What its designs are for, such as 'confirmation'.")
    population: Literal["gaussian", "features", "feature copies"] = "gaussian"
    files: tuple[tuple[str, ...], ...] = Field(
        ((),), description="features: one file, or candidate's and reference's, a design."
    )
    patients: tuple[int, ...]
    folds: tuple[int, ...] = (5,)
    auc: tuple[float | None, ...] = Field((None,), description="gaussian: AUC of the reference.")
    prevalence: tuple[float | None, ...] = (None,)
    images: tuple[int, ...] = Field((1,), description="gaussian: most images of a patient.")
    learners: tuple[Literal["ridge", "random-relu", "parzen", "network"], ...] = ("ridge",)
    features: tuple[int, ...] = (20,)
    shared: tuple[float, ...] = (0.5,)
    mixture: tuple[bool, ...] = (False,)
    advantage: tuple[float, ...] = Field((1.0,), description="gaussian: 1 is the null.")
    share: float = Field(1.0, gt=0, le=1, description="Random share of the product that is run.")
    datasets: int | None = None
    repeats: tuple[int, ...] | None = None
    slow: bool = Field(False, description="Also the procedures that resample.")


class CalibrationPlan(_Table):
    """A whole plan."""

    name: str
    seed: int
    datasets: int = 1000
    repeats: tuple[int, ...] = (1, 5, 10, 20)
    half_repeats: int = 5
    blocks: tuple[Block, ...]

    def designs(self) -> list[Design]:
        """All designs, in the order of the plan."""
        found = []
        for number, block in enumerate(self.blocks):
            axes = ("files", "patients", "folds", "auc", "prevalence", "images", "learners",
                    "features", "shared", "mixture", "advantage")  # fmt: skip
            rows = list(itertools.product(*(getattr(block, axis) for axis in axes)))
            rng = np.random.default_rng([self.seed, number])
            kept = np.sort(
                rng.choice(len(rows), max(1, round(block.share * len(rows))), replace=False)
            )
            for index in kept:
                key = dict(zip(axes, rows[index], strict=True))
                found.append(
                    Design(
                        role=block.role,
                        population=block.population,
                        learner=key.pop("learners"),
                        datasets=block.datasets or self.datasets,
                        repeats=block.repeats or self.repeats,
                        half_repeats=self.half_repeats,
                        slow=block.slow,
                        **key,
                    )
                )
        return found


class Design(_Table):
    """One row of the study; fields as in :class:`Block`."""

    role: str
    population: str
    files: tuple[str, ...]
    patients: int
    folds: int
    auc: float | None
    prevalence: float | None
    images: int
    learner: str
    features: int
    shared: float
    mixture: bool
    advantage: float
    datasets: int
    repeats: tuple[int, ...]
    half_repeats: int
    slow: bool

    def digest(self, seed: int) -> str:
        """Identifier: hash of the design and the study's seed."""
        text = json.dumps([seed, self.model_dump(mode="json")], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def make_population(self, base: Path) -> Population:
        """The population, with the separation that gives the wanted AUC."""
        if self.population != "gaussian":
            return load_features(
                [base / name for name in self.files],
                n_components=self.features,
                prevalence=self.prevalence,
                copies=self.population == "feature copies",
            )
        if self.auc is None or self.prevalence is None:
            raise UserError("a gaussian population needs `auc` and `prevalence`")
        plain = GaussianPopulation(
            prevalence=self.prevalence,
            images=self.images,
            n_features=self.features,
            shared=self.shared,
            mixture=self.mixture,
        )
        separation = separation_for_auc(
            plain, LEARNERS[self.learner], self.patients, self.folds, self.auc
        )
        return GaussianPopulation(**{**vars(plain), "separation": separation,
                                     "advantage": self.advantage})  # fmt: skip


def load_calibration_plan(path: str | Path) -> CalibrationPlan:
    """Read and check a plan.

    Raises
    ------
    UserError
        If the file cannot be read or is not such a plan; every problem is named.
    """
    raw, _ = read_toml(Path(path), "the plan")
    try:
        return CalibrationPlan.model_validate(raw)
    except ValidationError as error:
        lines = [f"  - {problem}" for problem in explain(error, raw, CalibrationPlan)]
        raise UserError(f"{path}:\n" + "\n".join(lines)) from None


def run_design(design: Design, seed: int, base: Path = Path()) -> pd.DataFrame:
    """Error rates of every procedure in one design.

    Parameters
    ----------
    design : Design
    seed : int
        Of the study.
    base : Path, optional
        Folder that the files of a feature population start from.

    Returns
    -------
    DataFrame
        One row per procedure and number of repeats: the design, ``n_repeats, procedure,
        datasets, auc_a, auc_b, difference`` (the truth: 0 under the null, else the mean
        estimate), ``standard_error`` (standard deviation of the estimates), ``rejected``
        (share with P < .05), ``oracle`` (the same for a test that knows the standard error),
        ``covered`` (share of 95 % intervals that hold the truth), ``width`` (median width)
        and ``warned`` (share of results with a warning).
    """
    population = design.make_population(base)
    rng = np.random.default_rng(int(design.digest(seed), 16))
    costly = (*COMMON, *(SLOW if design.slow else ()))
    estimates: dict[int, list[float]] = {m: [] for m in design.repeats}
    found: dict[tuple[int, str], list[Conclusion]] = {}
    aucs = []
    for number in range(design.datasets):
        names = (*OFFERED, *costly) if number < MOST_COSTLY else OFFERED
        study = cross_validate(
            population.draw(design.patients, rng),
            LEARNERS[design.learner],
            n_folds=design.folds,
            n_repeats=max(design.repeats),
            n_half_repeats=design.half_repeats,
            halves=population.halves,
            rng=rng,
        )
        for m in design.repeats:
            parts, conclusions = conclude(study.first(m), names, rng=rng)
            estimates[m].append(parts.estimate)
            for name, conclusion in conclusions.items():
                found.setdefault((m, name), []).append(conclusion)
        aucs.append(parts.aucs)
    null = len(design.files) == 1 or (design.population == "gaussian" and design.advantage == 1)
    truth = 0.0 if null else float(np.mean(estimates[max(design.repeats)]))
    mean_a, mean_b = np.mean(aucs, axis=0)
    shared = {
        **design.model_dump(mode="json", exclude={"repeats", "half_repeats", "slow", "datasets"}),
        "files": " ".join(design.files),
        "auc_a": mean_a,
        "auc_b": mean_b,
        "difference": truth,
    }
    rows = []
    for (m, name), outcomes in found.items():
        values = np.array(estimates[m])
        error = math.sqrt(float(np.mean((values - truth) ** 2)))
        p, low, high, warned = (
            np.array(column, dtype=float) for column in zip(*outcomes, strict=True)
        )
        rows.append(
            {
                **shared,
                "n_repeats": m,
                "procedure": name,
                "datasets": len(outcomes),
                "standard_error": error,
                "rejected": np.mean(p < LEVEL),
                "oracle": np.mean(2 * sps.norm.sf(np.abs(values) / error) < LEVEL),
                "covered": np.nan
                if np.isnan(low).all()
                else np.mean((low <= truth) & (truth <= high)),
                "width": np.nan if np.isnan(low).all() else float(np.median(high - low)),
                "warned": np.mean(warned),
            }
        )
    return pd.DataFrame(rows)
