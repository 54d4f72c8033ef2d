"""The tests under study: what each would conclude from one repeated cross-validation.

The first group is offered by :func:`stats_tl.stats.repeated_cv_test`, with halvings where a
design trains them; the second is what papers do, and is here to show its error rate; the third
takes longer and is run on request.
Each concludes with a P value against zero difference and a 95 % interval.
"""

from __future__ import annotations

__all__ = ["COMMON", "HALVED", "OFFERED", "SLOW", "Conclusion", "conclude"]

import math
import warnings
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from scipy import stats as sps

from ..stats import (
    CVComponents,
    DegenerateDataWarning,
    bootstrap_auc_test,
    combined_5x2cv_ftest,
    delong_test,
    obuchowski_rockette_test,
    permutation_auc_test,
    repeated_cv_components,
    repeated_cv_test_from_components,
)
from .simulate import CrossValidated

OFFERED = (
    "auto with half-sample repeats",
    "auto",
    "repeat-delong",
    "larger-variance",
    "nadeau-bengio",
)
HALVED = "auto with halvings"
COMMON = (
    "t over folds and repeats",
    "t over repeats",
    "DeLong, averaged scores",
    "DeLong, stacked repeats",
    "5x2cv F",
)
SLOW = ("bootstrap, averaged scores", "permutation, averaged scores", "Obuchowski-Rockette")


class Conclusion(NamedTuple):
    """P value, interval, standard error (NaN of none), and whether the result carried a warning."""

    pvalue: float
    low: float
    high: float
    standard_error: float
    warned: bool


def conclude(
    study: CrossValidated, procedures: Collection[str], *, rng: np.random.Generator | None = None
) -> tuple[CVComponents, dict[str, Conclusion]]:
    """The components of a study, and the conclusion of each procedure.

    Parameters
    ----------
    study : CrossValidated
    procedures : collection of str
        Names from `OFFERED`, `COMMON` and `SLOW`, and `HALVED`; those that a design does not
        allow are left out.
    rng : numpy.random.Generator, optional
        For the procedures that resample.

    Returns
    -------
    components : CVComponents
    conclusions : dict of str to Conclusion
    """
    data = (study.y_true, study.scores_a, study.scores_b, study.folds)
    both = repeated_cv_components(*data, groups=study.groups, half=study.half)
    parts = both.without_half()
    unknown = set(procedures) - {*OFFERED, HALVED, *COMMON, *SLOW}
    if unknown:
        raise ValueError(
            f"`procedures`: unknown {min(unknown)!r}; known: {(*OFFERED, HALVED, *COMMON, *SLOW)}"
        )
    found: dict[str, Conclusion] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        for name in procedures:
            if not _allows(study, parts.n_repeats, name):
                continue
            if name == "auto with half-sample repeats":
                found[name] = _of(repeated_cv_test_from_components(both))
            elif name == HALVED:
                measured = repeated_cv_components(
                    *data, groups=study.groups, halvings=study.halvings
                )
                found[name] = _of(repeated_cv_test_from_components(measured))
            elif name in OFFERED:
                found[name] = _of(repeated_cv_test_from_components(parts, method=name))
            elif name == "t over folds and repeats":
                found[name] = _t_interval(parts.differences.ravel())
            elif name == "t over repeats":
                found[name] = _t_interval(parts.differences.mean(axis=1))
            elif name == "5x2cv F":
                found[name] = _five_by_two(study)
            else:
                found[name] = _of(_on_scores(name, study, rng))
    return parts, found


def _allows(study: CrossValidated, n_repeats: int, name: str) -> bool:
    """Whether the design of a study allows a procedure."""
    if name == "auto with half-sample repeats":
        return study.half is not None and n_repeats > 1
    if name == HALVED:
        return study.halvings is not None and n_repeats > 1
    if name in ("larger-variance", "t over repeats"):
        return n_repeats > 1
    if name == "5x2cv F":
        return study.half is not None and len(study.half[2]) == 5
    return True


def _of(result: Any) -> Conclusion:
    low, high = result.confidence_interval
    error = getattr(result, "standard_error", math.nan)
    return Conclusion(result.pvalue, low, high, error, bool(result.warnings))


def _t_interval(differences: np.ndarray) -> Conclusion:
    error = float(differences.std(ddof=1)) / math.sqrt(differences.size)
    centre, df = float(differences.mean()), differences.size - 1
    reach = float(sps.t.isf(0.025, df)) * error
    pvalue = 2 * float(sps.t.sf(abs(centre) / error, df)) if error > 0 else 1.0
    return Conclusion(pvalue, centre - reach, centre + reach, error, False)


def _five_by_two(study: CrossValidated) -> Conclusion:
    assert study.half is not None
    half = repeated_cv_components(study.y_true, *study.half, groups=study.groups)
    pvalue = combined_5x2cv_ftest(half.differences).pvalue
    return Conclusion(pvalue, math.nan, math.nan, math.nan, False)


def _on_scores(name: str, study: CrossValidated, rng: np.random.Generator | None) -> Any:
    """Tests made for fitted models, on scores that are ranks within a fold."""
    a, b = (_fold_ranks(s, study.folds) for s in (study.scores_a, study.scores_b))
    y, groups = study.y_true, study.groups
    if name == "DeLong, stacked repeats":
        m = len(a)
        return delong_test(
            np.tile(y, m),
            a.ravel(),
            b.ravel(),
            groups=None if groups is None else np.tile(groups, m),
        )
    if name == "Obuchowski-Rockette":
        return obuchowski_rockette_test(y, np.stack([a, b]))
    test = {
        "DeLong, averaged scores": delong_test,
        "bootstrap, averaged scores": bootstrap_auc_test,
        "permutation, averaged scores": permutation_auc_test,
    }[name]
    options = {} if test is delong_test else {"n_resamples": 999, "rng": rng}
    return test(y, a.mean(axis=0), b.mean(axis=0), groups=groups, **options)  # type: ignore[operator]


def _fold_ranks(scores: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Scores as ranks from 0 to 1 within their fold, comparable across folds."""
    ranks = np.empty(scores.shape)
    for row, fold, out in zip(scores, folds, ranks, strict=True):
        for k in np.unique(fold):
            own = fold == k
            out[own] = (sps.rankdata(row[own]) - 0.5) / own.sum()
    return ranks
