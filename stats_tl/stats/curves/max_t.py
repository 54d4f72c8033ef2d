"""Several paired comparisons of AUCs at once, adjusted by joint permutations (max-T).

A permutation swaps the arms within patients in *all* comparisons alike, so that the
permuted statistics keep the correlation that comes from shared patients. Each comparison is
studentised by its permutation standard error and adjusted as in :func:`max_t_adjust`.
"""

from __future__ import annotations

__all__ = ["max_t_auc_test"]

from typing import Any

import numpy as np
import pandas as pd

from .._shared.paired_sample import CaseSample, score_pair
from .._shared.placements import auc_of, class_sizes, doubled_placements
from .._shared.resampling import Resampling, resampling_of
from .._shared.swaps import random_swaps, swap_coefficients
from ..decisions.multiplicity import max_t_adjust


def max_t_auc_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    groups: Any = None,
    n_resamples: int = 9999,
    method: str = "step-down",
    alternative: str = "two-sided",
    rng: Any = None,
    resampling: Resampling | None = None,
) -> pd.DataFrame:
    """Permutation tests of several paired AUC differences, adjusted jointly (max-T).

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores_a, scores_b : array_like of shape (m, n)
        Scores of the candidate and of the reference in each of m comparisons (backbones,
        say) for the same cases in the same order.
    groups : array_like of shape (n,), optional
        Patient of each case; the arms are swapped for all cases of a patient at once.
    n_resamples : int
        Number of random permutations.
    method : {"step-down", "single-step"}
        As in :func:`max_t_adjust`.
    alternative : {"two-sided", "less", "greater"}
        About ``AUC_a - AUC_b`` against 0, in every comparison.
    rng : int, numpy.random.Generator or None
        Seed or generator.
    resampling : Resampling, optional
        `n_resamples` and `rng` as one object, in place of the keywords.

    Returns
    -------
    pandas.DataFrame
        One row per comparison: ``estimate_a``, ``estimate_b``, ``estimate``,
        ``standard_error`` (of the permutation distribution), ``statistic``, ``pvalue`` of
        that comparison alone and ``pvalue_adjusted`` over all m.

    Raises
    ------
    ValueError
        If shapes differ, one class is absent, a label or score is missing, all cases belong
        to one patient, or an option is unknown.

    See Also
    --------
    max_t_adjust : The adjustment alone, for other statistics with joint draws.
    adjust_pvalues : Holm and others, from p values only.

    Notes
    -----
    The null hypothesis is that of :func:`permutation_auc_test`. Do not use it where the
    comparisons share an arm (several candidates against one reference): swapping then
    exchanges the shared arm with several others at once, and the joint distribution is not
    that of the hypotheses. Do not use it over tasks with different patients either: Holm's
    adjustment loses nothing there. P values are at least ``1 / (n_resamples + 1)``.

    References
    ----------
    .. [1] Westfall, P. H. and Young, S. S. (1993). Resampling-Based Multiple Testing. Wiley.
    .. [2] Bandos AI, Rockette HE, Gur D. A permutation test sensitive to differences in
       areas for comparing ROC curves from a paired design. Statistics in Medicine
       2005;24:2873-2893. :doi:`10.1002/sim.2149`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import max_t_auc_test
    >>> generator = np.random.default_rng(0)
    >>> y_true = np.repeat([0, 1], 60)
    >>> case = y_true + generator.normal(size=120)
    >>> b = case + generator.normal(size=(3, 120))
    >>> a = case + generator.normal(size=(3, 120)) + 0.8 * y_true
    >>> table = max_t_auc_test(y_true, a, b, rng=0)
    >>> bool((table["pvalue_adjusted"] >= table["pvalue"]).all())
    True
    """
    sample = CaseSample.of(y_true, groups)
    labels, codes = sample.labels, sample.units
    scores = score_pair(scores_a, scores_b, labels.size, promote=False)
    how = resampling_of(resampling, {"n_resamples": n_resamples, "rng": rng}, minimum=1)
    sample.require_swaps()
    n1, n0 = class_sizes(labels)
    pairs = n1 * n0
    rows, coefficients = [], []
    for a, b in zip(*scores, strict=True):
        doubled_a, doubled_b = doubled_placements(labels, a), doubled_placements(labels, b)
        own = doubled_a - doubled_b
        coefficients.append(np.bincount(codes, weights=swap_coefficients(labels, a, b, own)))
        rows.append(
            {
                "estimate_a": auc_of(labels, doubled_a),
                "estimate_b": auc_of(labels, doubled_b),
                "estimate": int(own[labels].sum()) / (2 * pairs),
            }
        )
    table = pd.DataFrame(rows).rename_axis("comparison")
    effects = np.array(coefficients) / (4 * pairs)
    error = np.sqrt((effects**2).sum(axis=1))
    unit = np.where(error > 0, error, 1.0)  # arms that rank the cases alike: all statistics 0
    signs = random_swaps(effects.shape[1], how.n_resamples, how.rng)
    draws = np.concatenate([2 * (kept @ effects.T) for kept in signs])
    draws = (draws - effects.sum(axis=1)) / unit
    statistics = table["estimate"].to_numpy() / unit
    alone = [
        max_t_adjust(statistics[[i]], draws[:, [i]], alternative=alternative)[0]
        for i in range(len(statistics))
    ]
    return table.assign(
        standard_error=error,
        statistic=statistics,
        pvalue=alone,
        pvalue_adjusted=max_t_adjust(statistics, draws, method=method, alternative=alternative),
    )
