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
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from scipy import stats as sps

from ..errors import UserError
from ..schema import explain
from ..toml import read_toml
from .learners import LEARNERS, mirrored
from .populations import (
    ExclusiveOrPopulation,
    GaussianPopulation,
    PhantomPopulation,
    Population,
    WeakFeaturesPopulation,
    load_features,
)
from .procedures import COMMON, HALVED, OFFERED, SLOW, Conclusion, conclude
from .simulate import Partition, cross_validate, separation_for_auc

LEVEL = 0.05
#: Data sets on which the procedures outside of the test's own are tried: their errors are gross.
MOST_COSTLY = 100

Source = Literal[
    "gaussian", "features", "feature copies", "exclusive or", "weak features", "phantoms"
]
Tails = Literal["normal", "skewed", "heavy"]


def _known(name: str) -> str:
    if name not in LEARNERS:
        raise ValueError(f"unknown learner {name!r}; known: {', '.join(LEARNERS)}")
    return name


LearnerName = Annotated[str, AfterValidator(_known)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Block(_Table):
    """``[[blocks]]``: a product of designs, or a random share of it."""

    role: str = Field(description="What its designs are for, such as 'confirmation'.")
    population: Source = "gaussian"
    files: tuple[tuple[str, ...], ...] = Field(
        ((),), description="features: one file, or candidate's and reference's, a design."
    )
    patients: tuple[int, ...]
    folds: tuple[int, ...] = (5,)
    auc: tuple[float | None, ...] = Field((None,), description="gaussian: AUC of the reference.")
    separation: tuple[float | None, ...] = Field(
        (None,), description="Distance of the class means, in place of `auc`."
    )
    prevalence: tuple[float | None, ...] = (None,)
    images: tuple[int, ...] = Field((1,), description="gaussian: most images of a patient.")
    learners: tuple[LearnerName, ...] = ("ridge",)
    features: tuple[int, ...] = (20,)
    shared: tuple[float, ...] = (0.5,)
    mixture: tuple[bool, ...] = (False,)
    advantage: tuple[float, ...] = Field((1.0,), description="gaussian: 1 is the null.")
    informative: tuple[int | None, ...] = Field(
        (None,), description="gaussian: features that tell of the label; by default all."
    )
    tails: tuple[Tails, ...] = Field(("normal",), description="gaussian: of the features.")
    against: tuple[LearnerName | None, ...] = Field(
        (None,), description="Learner of the reference, if another; the truth is the mean estimate."
    )
    partition: tuple[Partition, ...] = Field(
        ("new",), description="Folds of the repeats: new, one for all, or one of unequal folds."
    )
    mirrored: tuple[bool, ...] = (False,)
    share: float = Field(1.0, gt=0, le=1, description="Random share of the product that is run.")
    datasets: int | None = None
    repeats: tuple[int, ...] | None = None
    half_repeats: int | None = None
    halvings: int | None = Field(None, ge=5, description="Also the test with halvings.")
    slow: bool = Field(False, description="Also the procedures that resample.")


class CalibrationPlan(_Table):
    """A whole plan."""

    name: str
    seed: int
    datasets: int = 1000
    repeats: tuple[int, ...] = (1, 5, 10, 20)
    half_repeats: int = 5
    halvings: int | None = Field(None, ge=5)
    blocks: tuple[Block, ...]

    def designs(self) -> list[Design]:
        """All designs, in the order of the plan."""
        found = []
        for number, block in enumerate(self.blocks):
            axes = ("files", "patients", "folds", "auc", "prevalence", "images", "learners",
                    "features", "shared", "mixture", "advantage", "separation", "informative",
                    "tails", "against", "partition", "mirrored")  # fmt: skip
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
                        half_repeats=(
                            self.half_repeats if block.half_repeats is None else block.half_repeats
                        ),
                        halvings=block.halvings or self.halvings or 0,
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
    separation: float | None = None
    informative: int | None = None
    tails: Tails = "normal"
    against: LearnerName | None = None
    partition: Partition = "new"
    mirrored: bool = False
    halvings: int = 0

    def digest(self, seed: int) -> str:
        """Identifier: hash of the design and the study's seed."""
        # Fields that came later count where they are used: other designs keep their data sets.
        text = json.dumps(
            [seed, self.model_dump(mode="json", exclude_defaults=True)], sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def null(self) -> bool:
        """Whether the arms are exchangeable, so that the difference is 0."""
        if self.against is not None or self.population == "weak features":
            return False
        if self.population in ("features", "feature copies"):
            return len(self.files) == 1
        return self.population != "gaussian" or self.advantage == 1

    def make_population(self, base: Path) -> Population:
        """The population, with the separation that gives the wanted AUC."""
        if self.population in ("features", "feature copies"):
            return load_features(
                [base / name for name in self.files],
                n_components=self.features,
                prevalence=self.prevalence,
                copies=self.population == "feature copies",
            )
        if self.prevalence is None:
            raise UserError(f"the population {self.population!r} needs `prevalence`")
        shared: dict[str, Any] = {"prevalence": self.prevalence}
        if self.separation is not None:
            shared["separation"] = self.separation
        if self.population == "weak features":
            return WeakFeaturesPopulation(n_features=self.features, **shared)
        if self.population == "phantoms":
            return PhantomPopulation(size=self.features, shared=self.shared, **shared)
        if self.population == "exclusive or":
            return ExclusiveOrPopulation(prevalence=self.prevalence, shared=self.shared)
        population = GaussianPopulation(
            images=self.images,
            n_features=self.features,
            shared=self.shared,
            mixture=self.mixture,
            informative=self.informative,
            tails=self.tails,
            **shared,
        )
        if self.separation is None:
            if self.auc is None:
                raise UserError("a gaussian population needs `auc`, or `separation`")
            population = population.with_separation(
                separation_for_auc(
                    population, LEARNERS[self.learner], self.patients, self.folds, self.auc
                )
            )
        return replace(population, advantage=self.advantage)


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
        ``covered`` (share of 95 % intervals that hold the truth), ``width`` (median width),
        ``variance_ratio`` (mean estimated variance over the variance of the estimates)
        and ``warned`` (share of results with a warning).
    """
    population = design.make_population(base)
    rng = np.random.default_rng(int(design.digest(seed), 16))
    learner, against = (
        None if name is None else mirrored(LEARNERS[name]) if design.mirrored else LEARNERS[name]
        for name in (design.learner, design.against)
    )
    assert learner is not None
    costly = (*COMMON, *(SLOW if design.slow else ()))
    estimates: dict[int, list[float]] = {m: [] for m in design.repeats}
    found: dict[tuple[int, str], list[Conclusion]] = {}
    aucs = []
    for number in range(design.datasets):
        names = (*OFFERED, HALVED, *(costly if number < MOST_COSTLY else ()))
        study = cross_validate(
            population.draw(design.patients, rng),
            learner,
            against=against,
            n_folds=design.folds,
            n_repeats=max(design.repeats),
            n_half_repeats=design.half_repeats,
            n_halvings=design.halvings,
            partition=design.partition,
            halves=population.halves,
            rng=rng,
        )
        for m in design.repeats:
            parts, conclusions = conclude(study.first(m), names, rng=rng)
            estimates[m].append(parts.estimate)
            for name, conclusion in conclusions.items():
                found.setdefault((m, name), []).append(conclusion)
        aucs.append(parts.aucs)
    truth = 0.0 if design.null else float(np.mean(estimates[max(design.repeats)]))
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
        p, low, high, errors, warned = (
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
                "variance_ratio": np.mean(errors**2) / error**2,
                "warned": np.mean(warned),
            }
        )
    return pd.DataFrame(rows)
