"""Where the variance of an AUC comes from: a mixed model of the folds' AUCs.

One row per cell, y the AUC of its test fold:

    y = arms x backbones (+ classifiers, + tasks) + repeat + fold of repeat + seed + e

with the terms that the design allows. With three tasks or more the task is random, and
so is the arm's effect between tasks (a random slope of the arm; for more than two arms
with one variance for all); with two it is fixed. Likewise the backbone from six on, and
classifiers (head and unfreezing depth) from twelve on. Fewer of them, and two tasks, are
coded as deviations from their mean, so that an arm's coefficient is its difference from
the reference *averaged* over them.

It describes; it is not the primary test. Folds of one repeat share most of their training
data and repeats share their cases, which no term of the model knows: in simulation
``(1 | repeat:fold)`` rejected true nulls in 66 % of data sets at nominal 5 %.
"""

from __future__ import annotations

__all__ = ["MixedReport", "mixed_report", "no_mixed_model"]

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
import pandas as pd

from ...stats import fit_mixed_model
from ..evidence.alignment import unfreeze_order
from ..rendering.labels import Labels, join_words, plural, varies
from .mixed_means import Layout, arm_means, interaction_tests

#: Rows up to which the Kenward-Roger rule is used: its cost grows with their square.
KENWARD_ROGER_ROWS = 2000
_MIN_RANDOM_TASKS = 3
#: From so many on they are taken as a sample of backbones.
MIN_RANDOM_BACKBONES = 6
#: The same for combinations of head and depth.
MIN_RANDOM_CLASSIFIERS = 12
_RANDOM_PHRASES = {
    "task": "task",
    "task_arm": "arm within task",
    "backbone": "backbone",
    "backbone_arm": "arm within backbone",
    "classifier": "head and depth of training",
    "classifier_arm": "arm within head and depth",
    "repeat": "repeat",
    "fold": "fold within repeat",
    "seed": "seed within fold",
}
_IN = {"task": "in", "backbone": "with"}
PLURALS = {"task": "tasks", "backbone": "backbones", "classifier": "heads and depths of training"}


@dataclass(frozen=True)
class MixedReport:
    """A mixed model of the folds' AUCs, with readable names.

    Attributes
    ----------
    coefficients : DataFrame
        Columns ``effect, term, estimate, standard_error, df, statistic, pvalue, ci_low,
        ci_high``; `effect` is for readers, `term` as in `formula`.
    variance_components : DataFrame
        Columns ``source, variance, sd, share``; the last row is the residual.
    tests : DataFrame
        Joint F tests of interactions: ``effect, statistic, df_numerator, df_denominator,
        pvalue``.
    means : DataFrame
        Marginal means of the arms, over all and within each level of the factors they
        interact with: ``factor, level, arm, estimate, standard_error, df, ci_low, ci_high``.
    formula : str
        What was fitted, with the names of the columns ``term``.
    described : str
        The same with the names of the factors.
    fixed, random : tuple of str
        Fixed effects and random intercepts, as a sentence lists them.
    ddf : str
        Rule of the degrees of freedom.
    confidence_level : float
    n_rows : int
    singular : bool
        Whether a variance was estimated as zero.
    remarks : tuple of str
        What the reader must know.
    reason : str
        Why there is no model; empty where there is one.
    """

    coefficients: pd.DataFrame
    variance_components: pd.DataFrame
    tests: pd.DataFrame = field(default_factory=pd.DataFrame)
    means: pd.DataFrame = field(default_factory=pd.DataFrame)
    formula: str = ""
    described: str = ""
    fixed: tuple[str, ...] = ()
    random: tuple[str, ...] = ()
    ddf: str = ""
    confidence_level: float = 0.95
    n_rows: int = 0
    singular: bool = False
    remarks: tuple[str, ...] = ()
    reason: str = ""


def mixed_report(
    aucs: pd.DataFrame,
    reference: str,
    *,
    confidence_level: float = 0.95,
    labels: Labels | None = None,
) -> MixedReport:
    """Fit the mixed model that the design allows.

    Parameters
    ----------
    aucs : DataFrame
        One row per cell: ``task, backbone, head, unfreeze, arm, repeat, fold, seed, auc``,
        as from :func:`~stats_tl.reporting.fold_aucs`.
    reference : str
        The arm that the others are compared with.
    confidence_level : float, optional
    labels : Labels, optional
        What effects are called; levels and arms of the means keep their names.

    Returns
    -------
    MixedReport
        With `reason` set and empty tables where the design allows no model: one arm, one
        fold, or a fit that did not converge.

    Notes
    -----
    Do not read its p values as a test between the arms: :func:`.compare_arms` has that.
    """
    data = aucs.dropna(subset="auc").reset_index(drop=True)
    undefined = len(aucs) - len(data)
    design = _Design(data, reference, labels or Labels())
    if design.reason:
        return no_mixed_model(design.reason)
    ddf = "kenward-roger" if len(data) <= KENWARD_ROGER_ROWS else "satterthwaite"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kept in fit.warnings, and given below
        try:
            fit = fit_mixed_model(
                design.formula, design.frame, ddf=ddf, confidence_level=confidence_level
            )
        except (ValueError, np.linalg.LinAlgError) as error:
            return no_mixed_model(f"the model {design.formula} cannot be fitted: {error}")
    if not fit.converged:
        return no_mixed_model(f"the model {design.formula} did not converge")

    coefficients = fit.coefficients.reset_index(names="term")
    coefficients.insert(0, "effect", [design.labels.get(t, t) for t in coefficients["term"]])
    components = fit.variance_components
    total = components["variance"].sum()
    components = pd.DataFrame(
        {
            "source": [design.sources.get(g, g) for g in components["group"]],
            "variance": components["variance"],
            "sd": components["sd"],
            "share": components["variance"] / total if total > 0 else math.nan,
        }
    )
    order = {source: number for number, source in enumerate(design.sources.values())}
    components = components.sort_values("source", key=lambda s: s.map(order), ignore_index=True)
    remarks = []
    if undefined:
        one = undefined == 1
        remarks.append(
            f"{plural(undefined, 'test fold')} with cases of one class only "
            f"{'has' if one else 'have'} no AUC and {'was' if one else 'were'} left out."
        )
    if fit.singular:
        remarks.append(
            "The fit is singular: at least one variance was estimated as zero, which is common "
            "with few repeats or tasks."
        )
    if fit.dropped_terms:
        dropped = ", ".join(design.labels.get(term, term) for term in fit.dropped_terms)
        remarks.append(f"Effects that this design cannot estimate were left out: {dropped}.")
    return MixedReport(
        coefficients,
        components,
        tests=interaction_tests(fit, design.interactions),
        means=arm_means(fit, design.layout),
        formula=design.formula,
        described=design.described,
        fixed=design.fixed_phrases,
        random=design.random_phrases,
        ddf=fit.ddf,
        confidence_level=confidence_level,
        n_rows=len(data),
        singular=fit.singular,
        remarks=tuple(remarks),
    )


def no_mixed_model(reason: str) -> MixedReport:
    """The report of a study that allows no model, and why."""
    return MixedReport(pd.DataFrame(), pd.DataFrame(), reason=reason)


class _Design:
    """The formula, its columns, and what they are called."""

    def __init__(self, data: pd.DataFrame, reference: str, shown: Labels):
        self.shown = shown
        self.frame = pd.DataFrame({"auc": data["auc"].astype(float)})
        self.labels: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.reason = ""
        self.described = ""
        self.fixed_phrases: tuple[str, ...] = ()
        self.interactions: dict[str, list[str]] = {}
        self.layout = Layout(reference)
        self._fixed: list[str] = []
        self._random: list[str] = []
        arms = sorted(set(data["arm"]) - {reference})
        if not arms or reference not in set(data["arm"]):
            self.reason = "a mixed model needs the reference and at least one other arm"
            return
        if data.groupby(["task", "repeat", "fold"]).ngroups < 3:
            self.reason = "a mixed model needs at least three test folds"
            return
        tasks = sorted(set(data["task"]))
        self._tasks(data, tasks)
        self._samples(data)
        self._arms(data, arms, reference)
        factors = dict(self._factors(data, tasks))
        for name, levels in factors.items():
            self._deviations(data, name, levels)
        self._interactions(data, arms, factors)
        self._splits(data)
        averaged = [PLURALS[name] for name in factors]
        mean = f", mean over {join_words(averaged)}" if averaged else ""
        self.labels["(Intercept)"] = f"AUC of {shown.arm(reference)}{mean}"
        within = [name for name in ("task", "backbone") if name in factors]
        crossed = within[0] if len(within) == 1 else f"({' + '.join(within)})"
        fixed = f"arm * {crossed}" if within else "arm"
        classifier = ["classifier"] if "classifier" in factors else []
        interactions = []
        if within:
            interactions = [
                "their interaction"
                if len(within) == 1
                else f"the interactions of arm with {join_words(within)}"
            ]
        own = ["classifier (head and depth of training)"] if classifier else []
        self.fixed_phrases = ("arm", *within, *interactions, *own)
        self.described = "auc ~ " + " + ".join(
            [fixed, *classifier, *(term.replace("_arm", ":arm") for term in self._random)]
        )

    @property
    def formula(self) -> str:
        return "auc ~ " + " + ".join([*(self._fixed or ["1"]), *self._random])

    @property
    def random_phrases(self) -> tuple[str, ...]:
        """Random intercepts as a sentence lists them."""
        return tuple(_RANDOM_PHRASES[name] for name in self.sources if name in _RANDOM_PHRASES)

    def _random_intercept(self, name: str, codes: pd.Series, label: str) -> None:
        """Add ``(1 | name)`` unless the factor has one level or as many as there are rows."""
        if 1 < codes.nunique() < len(codes):
            self.frame[name] = codes.astype(str)
            self._random.append(f"(1 | {name})")
            self.sources[name] = label

    def _tasks(self, data: pd.DataFrame, tasks: list[str]) -> None:
        if len(tasks) >= _MIN_RANDOM_TASKS:
            self._random_intercept("task", data["task"], "Task")
            slope = data["task"] + "/" + data["arm"]
            self._random_intercept("task_arm", slope, "Task × arm (variation of the arm’s effect)")

    def _samples(self, data: pd.DataFrame) -> None:
        """Random backbones and classifiers, where there are many."""
        classifier = data["head"] + "/" + data["unfreeze"]
        for name, values, least, label in (
            ("backbone", data["backbone"], MIN_RANDOM_BACKBONES, "Backbone"),
            ("classifier", classifier, MIN_RANDOM_CLASSIFIERS, "Head and depth"),
        ):
            if values.nunique() >= least:
                self._random_intercept(name, values, label)
                slope = values + "/" + data["arm"]
                self._random_intercept(
                    f"{name}_arm", slope, f"{label} × arm (variation of the arm’s effect)"
                )

    def _arms(self, data: pd.DataFrame, arms: list[str], reference: str) -> None:
        for number, arm in enumerate(arms, 1):
            name = f"arm{number}"
            self.frame[name] = (data["arm"] == arm).astype(float)
            self.labels[name] = f"{self.shown.arm(arm)} − {self.shown.arm(reference)}"
            self._fixed.append(name)
            self.layout.arms[arm] = name

    def _factors(
        self, data: pd.DataFrame, tasks: list[str]
    ) -> Iterator[tuple[str, dict[str, pd.Series]]]:
        """Fixed factors of several levels: name → level → who has it."""
        if len(tasks) == 2:
            yield "task", {level: data["task"] == level for level in tasks}
        backbones = sorted(set(data["backbone"]))
        if 1 < len(backbones) < MIN_RANDOM_BACKBONES:
            yield "backbone", {level: data["backbone"] == level for level in backbones}
        pairs = sorted(
            set(zip(data["head"], data["unfreeze"], strict=True)),
            key=lambda pair: (pair[0], unfreeze_order(pair[1])),
        )
        if 1 < len(pairs) < MIN_RANDOM_CLASSIFIERS:
            show = [varies(data["head"]), varies(data["unfreeze"])]
            yield (
                "classifier",
                {
                    ", ".join(compress((self.shown.head(head), self.shown.depth(depth)), show)): (
                        (data["head"] == head) & (data["unfreeze"] == depth)
                    )
                    for head, depth in pairs
                },
            )

    def _deviations(self, data: pd.DataFrame, name: str, levels: dict[str, pd.Series]) -> None:
        """Sum-to-zero columns: the effect of the last level is minus the sum of the others."""
        last = levels[list(levels)[-1]]
        for number, (level, member) in enumerate(list(levels.items())[:-1], 1):
            column = f"{name}{number}"
            self.frame[column] = member.astype(float) - last.astype(float)
            self.labels[column] = (
                f"{self._level(name, level)}, deviation from the mean of the {PLURALS[name]}"
            )
            self._fixed.append(column)

    def _level(self, name: str, level: str) -> str:
        """Label of a level of a factor; those of classifiers are labels already."""
        return level if name == "classifier" else self.shown.label(PLURALS[name], level)

    def _interactions(
        self, data: pd.DataFrame, arms: list[str], factors: dict[str, dict[str, pd.Series]]
    ) -> None:
        for name in ("task", "backbone"):
            if name not in factors:
                continue
            self.layout.factors[name] = list(factors[name])
            columns = []
            for level in range(1, len(factors[name])):
                for arm in range(1, len(arms) + 1):
                    column = f"arm{arm}:{name}{level}"
                    who = self._level(name, list(factors[name])[level - 1])
                    columns.append(column)
                    self.labels[column] = (
                        f"{self.labels[f'arm{arm}']} {_IN[name]} {who}, deviation from the mean"
                    )
            self._fixed += columns
            self.interactions[f"arm × {name}"] = columns

    def _splits(self, data: pd.DataFrame) -> None:
        repeat = data["task"] + "/" + data["repeat"].astype(str)
        fold = repeat + "/" + data["fold"].astype(str)
        if varies(data["repeat"]):
            self._random_intercept("repeat", repeat, "Repeat (split)")
        self._random_intercept("fold", fold, "Fold within repeat (test cases)")
        if varies(data["seed"]):
            run = fold + "/" + data["seed"].astype(str)
            self._random_intercept("seed", run, "Seed within fold")
        self.sources["Residual"] = "Residual (arm × fold, training noise)"
