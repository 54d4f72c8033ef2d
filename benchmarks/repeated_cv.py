"""Time of the repeated cross-validation test beside scikit-learn's AUCs of the same folds.

Run ``python -m benchmarks.repeated_cv`` from the root of the repository. The loop computes
the fold AUCs of both arms with ``roc_auc_score``, which is only the estimate; the test adds
placements, variances and the inference. Each figure is the median over alternating runs.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.delong import alternate
from stats_tl.stats import repeated_cv_test


def simulate(n: int, n_repeats: int, n_folds: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Labels with 27 % positive, correlated scores of two arms, stratified folds."""
    rng = np.random.default_rng(seed)
    y = np.zeros(n, dtype=int)
    y[: round(0.27 * n)] = 1
    folds = np.empty((n_repeats, n), dtype=int)
    for row in folds:
        for label in (0, 1):
            own = rng.permutation(np.flatnonzero(y == label))
            row[own] = np.arange(own.size) % n_folds
    shared = y + rng.standard_normal(n)
    a, b = (shared + 0.5 * rng.standard_normal((n_repeats, n)) for _ in range(2))
    return y, a, b, folds


def loop(y: np.ndarray, a: np.ndarray, b: np.ndarray, folds: np.ndarray) -> float:
    """Mean difference of the fold AUCs."""
    differences = [
        roc_auc_score(y[own], s[own]) - roc_auc_score(y[own], t[own])
        for s, t, f in zip(a, b, folds, strict=True)
        for own in (f == k for k in np.unique(f))
    ]
    return float(np.mean(differences))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 780, 3000, 10000])
    parser.add_argument("--repeats", type=int, default=20, help="repeats of 5-fold; default 20")
    parser.add_argument("--runs", type=int, default=15, help="timed runs; default 15")
    options = parser.parse_args()
    print(
        f"{'cases':>8}{'repeats':>9}{'plain ms':>10}{'+ half ms':>11}{'+ patients ms':>15}"
        f"{'sklearn ms':>12}{'ratio':>7}"
    )
    for n in options.sizes:
        y, a, b, folds = simulate(n, options.repeats, 5)
        half = simulate(n, 5, 2, seed=1)[1:]
        groups = np.arange(n) // 2
        alone, with_half, clustered, sklearn = (
            1e3 * t
            for t in alternate(
                [
                    lambda d=(y, a, b, folds): repeated_cv_test(*d),
                    lambda d=(y, a, b, folds), h=half: repeated_cv_test(*d, half=h),
                    lambda d=(y, a, b, folds), h=half, g=groups: repeated_cv_test(
                        *d, half=h, groups=g
                    ),
                    lambda d=(y, a, b, folds): loop(*d),
                ],
                options.runs,
            )
        )
        print(
            f"{n:>8}{options.repeats:>9}{alone:>10.2f}{with_half:>11.2f}{clustered:>15.2f}"
            f"{sklearn:>12.1f}{sklearn / alone:>7.1f}"
        )


if __name__ == "__main__":
    main()
