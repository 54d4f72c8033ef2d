"""Two paired proportions where patients contribute several cases: McNemar's test by patient."""

from __future__ import annotations

__all__ = ["CLUSTER_METHODS", "clustered_pairs", "shares"]

import math
from dataclasses import replace

import numpy as np

from .._shared.inference import Hypothesis, Inference
from .operating import ratio_error

CLUSTER_METHODS = {
    "obuchowski": "Obuchowski's",
    "durkalski": "Durkalski's",
    "eliasziw-donner": "Eliasziw and Donner's",
}


def shares(right: np.ndarray, codes: np.ndarray | None, method: str) -> float:
    """Proportion of successes; Durkalski's test averages the proportions of the patients."""
    if codes is None or method != "durkalski":
        return float(right.mean())
    return float(np.mean(np.bincount(codes, weights=right) / np.bincount(codes)))


def clustered_pairs(
    right_a: np.ndarray,
    right_b: np.ndarray,
    codes: np.ndarray,
    method: str,
    hypothesis: Hypothesis,
) -> Inference:
    """Test over patients, with the Wald interval over patients."""
    if not codes.any():
        raise ValueError(
            f"`groups` puts all {codes.size} cases in one patient; at least two are needed."
        )
    difference = right_a.astype(np.float64) - right_b
    sizes = np.bincount(codes)
    n_patients = sizes.size
    correction = n_patients / (n_patients - 1)
    totals = np.bincount(codes, weights=difference)
    estimate = (int((difference > 0).sum()) - int((difference < 0).sum())) / difference.size
    error = ratio_error(difference, codes)
    if method == "durkalski":
        means = totals / sizes
        estimate = float(means.mean())
        error = float(means.std(ddof=1)) / math.sqrt(n_patients)
        null_error = math.sqrt(float(np.sum(means**2))) / n_patients
    elif method == "obuchowski":
        null_error = math.sqrt(correction * float(np.sum(totals**2))) / difference.size
    else:
        independent = math.sqrt(float(np.abs(difference).sum())) / difference.size
        null_error = independent * math.sqrt(_inflation(right_a, right_b, codes))
    under_null = hypothesis.wald(estimate, null_error)
    around = replace(hypothesis, null_value=estimate).wald(estimate, error, bounds=(-1.0, 1.0))
    return Inference(
        under_null.statistic, under_null.pvalue, math.inf, estimate, error, around.interval
    )


def _inflation(right_a: np.ndarray, right_b: np.ndarray, codes: np.ndarray) -> float:
    """Eliasziw and Donner's factor of McNemar's variance, 1 + (n_c - 1) rho."""
    sizes = np.bincount(codes).astype(np.float64)
    n_cases, n_patients = float(codes.size), sizes.size
    discordant = np.bincount(codes, weights=(right_a != right_b).astype(np.float64))
    if discordant.max() <= 1:  # No two discordant cases of one patient: nothing to correlate.
        return 1.0
    # A one-way analysis of variance of the four kinds of pairs, pooled.
    table = np.zeros((n_patients, 4))
    np.add.at(table, (codes, 2 * right_a.astype(int) + right_b), 1)
    expected = np.outer(sizes, table.sum(axis=0) / n_cases)
    between = float(((table - expected) ** 2 / sizes[:, None]).sum()) / n_patients
    within = float((table * (1 - table / sizes[:, None])).sum()) / (n_cases - n_patients)
    mean_size = sizes.mean()
    typical = mean_size - sizes.var(ddof=1) / (n_patients * mean_size)
    scale = between + (typical - 1) * within
    correlation = (between - within) / scale if scale > 0 else math.nan
    # From the correlation of the kinds of pairs to that of the direction of discordant ones.
    mixed = correlation + discordant.sum() / n_cases * (1 - correlation)
    size = float(np.sum(discordant**2) / discordant.sum())
    factor = 1 + (size - 1) * correlation / mixed if mixed > 0 else math.nan
    if not factor > 0:
        raise ValueError(
            "Eliasziw and Donner's correlation of the cases of a patient cannot be used here: "
            f"{correlation:.3g} from {n_patients} patients gives no positive variance. "
            "Use cluster_method='obuchowski', which needs no such correlation."
        )
    return factor
