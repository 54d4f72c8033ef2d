"""Mean squares, covariances and reference variance of the Obuchowski-Rockette model.

With AUCs ``A_ij`` of arm i and reader j and the covariance matrix of their errors: the two-way
analysis of variance of the AUCs and the averages of the covariances by what two AUCs share.
"""

from __future__ import annotations

__all__ = [
    "ROUNDING",
    "Decomposition",
    "Noise",
    "clean_square",
    "decompose",
    "reference_variance",
]

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

# Mean squares of AUCs below this are rounding: AUCs are multiples of 1 / (2 n1 n0).
ROUNDING = 1e-28


class Decomposition(NamedTuple):
    """Mean squares and error (co)variances of the Obuchowski-Rockette model."""

    n_arms: int
    n_readers: int
    ms_arm: float
    ms_reader: float
    ms_arm_reader: float
    error: float
    cov1: float
    cov2: float
    cov3: float

    @property
    def excess(self) -> float:
        """Cov2 - Cov3, which the model requires to be non-negative."""
        return max(self.cov2 - self.cov3, 0.0)

    def components(self) -> pd.Series:
        reader = (self.ms_reader - self.ms_arm_reader) / self.n_arms - self.cov1 + self.cov3
        return pd.Series(
            {
                "reader": reader,
                "arm:reader": self.ms_arm_reader - self.error + self.cov1 + self.excess,
                "error": self.error,
                "cov1": self.cov1,
                "cov2": self.cov2,
                "cov3": self.cov3,
                "ms_arm": self.ms_arm,
                "ms_arm_reader": self.ms_arm_reader,
            },
            name="variance_components",
        )


class Noise(NamedTuple):
    """What the mean square of the arms is compared with."""

    variance: float
    df: float
    n_readers: int


def decompose(aucs: np.ndarray, matrix: np.ndarray) -> Decomposition:
    t, r = aucs.shape
    arm, reader, grand = aucs.mean(axis=1), aucs.mean(axis=0), aucs.mean()
    residual = aucs - arm[:, None] - reader + grand
    four = matrix.reshape(t, r, t, r)
    within_arm = np.einsum("ijik->ijk", four).sum()
    within_reader = np.einsum("ijkj->ijk", four).sum()
    diagonal, total = np.trace(matrix), matrix.sum()
    return Decomposition(
        n_arms=t,
        n_readers=r,
        ms_arm=clean_square(r * ((arm - grand) ** 2).sum() / (t - 1)),
        ms_reader=clean_square(t * ((reader - grand) ** 2).sum() / (r - 1)) if r > 1 else math.nan,
        ms_arm_reader=clean_square((residual**2).sum() / ((t - 1) * (r - 1)))
        if r > 1
        else math.nan,
        error=float(diagonal) / (t * r),
        cov1=float(within_reader - diagonal) / (t * r * (t - 1)),
        cov2=float(within_arm - diagonal) / (t * r * (r - 1)) if r > 1 else 0.0,
        cov3=(
            float(total - within_arm - within_reader + diagonal) / (t * r * (t - 1) * (r - 1))
            if r > 1
            else 0.0
        ),
    )


def clean_square(mean_square: float) -> float:
    return 0.0 if mean_square < ROUNDING else float(mean_square)


def reference_variance(parts: Decomposition, readers: str, cases: str) -> Noise:
    r = parts.n_readers
    if readers == "fixed":
        return Noise(parts.error - parts.cov1 + (r - 1) * parts.excess, math.inf, r)
    df = float((parts.n_arms - 1) * (r - 1))
    if cases == "fixed":
        return Noise(parts.ms_arm_reader, df, r)
    variance = parts.ms_arm_reader + r * parts.excess
    if parts.ms_arm_reader > 0:
        df *= (variance / parts.ms_arm_reader) ** 2
    else:
        df = math.inf
    return Noise(variance, df, r)
