"""The variance of the whole procedure, training included, from halvings of the patients.

Out-of-fold scores show what a case matters as a *test* case. What it matters as a *training*
case shows only where other models are trained. A *halving* deals the patients at random into two
halves, and each half is cross-validated by itself, at least twice. The halves are independent
samples from the population, so that half the squared difference of their results has, whatever
the learner, the expectation of the variance of a study of n / 2 cases: test cases, training
cases, and their interaction. No smoothness is assumed.

With T the result of a half, averaged over its r repeats, s2 its variance between them and C the
covariance between the repeats through the test cases, the variance through cases is

    N = mean of [(T_1 - T_2)**2 / 2 - s2 / r],

and R = N / C tells how many times the out-of-fold scores understate it. The test takes R to the
C of all cases, since a ratio depends less on the number of cases than variances do. How much it
does is seen in the excess of the case variance of one repeat, E = V / C - 1, which is what the
split and the training run add to a case: interactions of test and training cases weigh less in
larger studies, and E falls with them; but so does the noise of training runs, which has no part
in R. R - 1 is multiplied by the square root of E of all cases over E of the halves.

N is the average over few random halvings of what all of them would say. The same average of
D**2 / 2, D the difference between the halves of the case's placement values in the
cross-validation of all cases, is known for all halvings, twice their variance: the excess of
the observed mean over it, times the squared slope of T_1 - T_2 on D, is taken off N (a control
variate). The variance of R is the jackknife's over halvings.
"""

from __future__ import annotations

__all__ = ["FEWEST_HALVINGS", "CaseRatio", "case_ratio"]

import math
from typing import Any, NamedTuple

import numpy as np

from .._shared.fold_cells import FoldCells
from .._shared.fold_covariance import classes_of, fold_covariance
from .._shared.paired_sample import CaseSample
from .arms import FoldMetric

FEWEST_HALVINGS = 5
# Halves that are less alike than this are not halves.
LEAST_SHARE = 0.4
# Excesses below this are noise; the extrapolation from n / 2 to n goes no farther than these.
LEAST_EXCESS, LEAST_FACTOR, MOST_FACTOR = 0.02, 0.5, 1.25


class CaseRatio(NamedTuple):
    """Variance through cases over what out-of-fold scores show of it, and how well it is known.

    Attributes
    ----------
    value : float
        R; NaN where the repeats of the halves, or of all but one halving, share no variance.
    variance : float
        Of `value`, over random halvings.
    n_halvings : int
    """

    value: float
    variance: float
    n_halvings: int


def case_ratio(
    sample: CaseSample,
    halvings: tuple[Any, Any, Any],
    placed: np.ndarray,
    *,
    metric: FoldMetric,
    excess: float,
    n_folds: int,
) -> CaseRatio:
    """Estimate R from the scores of halvings.

    Parameters
    ----------
    sample : CaseSample
    halvings : tuple (scores_a, scores_b, folds)
        Each of shape (halvings * repeats, n). The folds of the first half are numbered before
        those of the second; rows that deal the cases alike are repeats of one halving.
    placed : ndarray of shape (n,)
        Difference between the arms of the placement values in the cross-validation of all
        cases, averaged over repeats.
    metric : FoldMetric
    excess : float
        E of that cross-validation.
    n_folds : int
        Folds of that cross-validation.

    Returns
    -------
    CaseRatio

    Raises
    ------
    ValueError
        If these are not such scores, or of too few halvings.
    """
    a, b, cells = metric.extra(halvings, name="halvings")
    second, rows_of = _halves(cells, sample, n_folds)
    (aucs_a, placed_a), (aucs_b, placed_b) = (metric.within(s, cells) for s in (a, b))
    results = (aucs_a - aucs_b).reshape(len(a), 2, n_folds).mean(axis=2)
    differences = placed_a - placed_b
    table = []
    for rows in rows_of:
        of_half = results[rows]
        contrast = float(of_half.mean(axis=0) @ [1, -1])
        noise = float(of_half.var(axis=0, ddof=1).mean()) / len(rows)
        matrix = fold_covariance(
            differences[None, rows], metric.labels, sample.codes, cells.of_repeats(rows)
        )[0, :, 0]
        within, m = float(np.trace(matrix)), len(rows)
        expected = _difference_of_halves(placed, classes_of(metric.labels, cells), second[rows[0]])
        # The halves share no patient: the covariance of their mean is half of a half's.
        table.append(
            (
                contrast**2 / 2 - noise,
                2 * (float(matrix.sum()) - within) / (m * (m - 1)),
                2 * within / m,
                contrast * expected,
                expected**2,
            )
        )
    values = np.array(table)
    known = 2 * metric.variance_of_mean(placed)
    n = len(values)
    without = (values.sum(axis=0) - values) / (n - 1)
    jackknife = np.array([_ratio(row, known, excess) for row in without])
    variance = (n - 1) * float(jackknife.var())
    if math.isnan(variance):
        return CaseRatio(math.nan, math.inf, n)
    return CaseRatio(_ratio(values.mean(axis=0), known, excess), variance, n)


def _ratio(means: np.ndarray, known: float, excess: float) -> float:
    """R from the means over halvings of its parts."""
    square, shared, within, product, expected = map(float, means)
    if shared <= 0:
        return math.nan
    slope = product / expected if expected > 0 else 0.0
    ratio = max(square - slope**2 * (expected / 2 - known), 0.0) / shared
    own = within / shared - 1
    if math.isnan(excess) or min(own, excess) < LEAST_EXCESS:
        return ratio
    factor = min(max(math.sqrt(excess / own), LEAST_FACTOR), MOST_FACTOR)
    return max(1 + (ratio - 1) * factor, 0.0)


def _difference_of_halves(
    placed: np.ndarray, classes: tuple[np.ndarray, ...], second: np.ndarray
) -> float:
    """First half less second, of the sum over classes of the mean placement."""
    sign = np.where(second, -1.0, 1.0)
    total = 0.0
    for own in classes:
        size = np.where(second, np.sum(second & own), np.sum(~second & own))
        total += float((sign * placed / size)[own].sum())
    return total


def _halves(
    cells: FoldCells, sample: CaseSample, n_folds: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Which cases are in the second half of each row, and the rows of each halving."""
    if cells.n_folds != 2 * n_folds:
        raise ValueError(
            f"`halvings[2]` must number {2 * n_folds} folds in every row, {n_folds} of the first "
            f"half and then {n_folds} of the second (as many as `folds` in each), got "
            f"{cells.n_folds}."
        )
    n = sample.labels.size
    second = cells.cell - cells.n_folds * np.arange(cells.n_repeats)[:, None] >= n_folds
    share = second.mean(axis=1)
    if (np.minimum(share, 1 - share) < LEAST_SHARE).any():
        row = int(np.argmin(np.minimum(share, 1 - share)))
        raise ValueError(
            f"`halvings[2]` must deal the cases into halves; in row {row} the parts hold "
            f"{n - int(second[row].sum())} and {int(second[row].sum())} cases."
        )
    if sample.codes is not None:
        first = np.unique(sample.codes, return_index=True)[1]
        split = (second != second[:, first[sample.codes]]).any(axis=0)
        if split.any():
            raise ValueError(
                f"`halvings[2]` puts cases of {np.unique(sample.codes[split]).size} patients into "
                "both halves; keep a patient's cases in one half."
            )
    same = second ^ second[:, :1]
    found = np.unique(same, axis=0, return_inverse=True)[1].ravel()
    rows_of = [np.flatnonzero(found == halving) for halving in range(int(found.max()) + 1)]
    if min(map(len, rows_of)) < 2:
        raise ValueError(
            "`halvings` must hold at least two repeats of every halving (rows with the same "
            f"halves and other folds); {sum(len(rows) < 2 for rows in rows_of)} of {len(rows_of)} "
            "halvings have one."
        )
    alike = [
        rows for rows in rows_of if np.unique(cells.of_repeats(rows).partitions()).size < rows.size
    ]
    if alike:
        raise ValueError(
            "`halvings[2]` must deal new folds in every repeat of a halving; rows "
            f"{', '.join(map(str, alike[0]))} share theirs."
        )
    if len(rows_of) < FEWEST_HALVINGS:
        raise ValueError(
            f"`halvings` must hold at least {FEWEST_HALVINGS} halvings, got {len(rows_of)}; 20 or "
            "more are advised."
        )
    return second, rows_of
