"""Time of 2,000 paired bootstrap replicates of an AUC difference beside a scikit-learn loop.

Run ``python -m benchmarks.bootstrap`` from the root of the repository. The loop draws cases
within classes (or patients) and calls ``roc_auc_score`` for both models, as one would write
it by hand. ``--loop`` runs fewer replicates of it and scales the time up.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.delong import simulate
from stats_tl.stats import bootstrap_auc_test, permutation_auc_test


def loop(
    y_true: np.ndarray, a: np.ndarray, b: np.ndarray, groups: np.ndarray | None, n_resamples: int
) -> np.ndarray:
    """Replicates of the difference, one at a time."""
    rng = np.random.default_rng(0)
    draws = np.empty(n_resamples)
    if groups is None:
        classes = [np.flatnonzero(y_true == 0), np.flatnonzero(y_true == 1)]
    else:
        members = [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]
    for k in range(n_resamples):
        if groups is None:
            drawn = np.concatenate([rng.choice(own, own.size) for own in classes])
        else:
            drawn = np.concatenate(
                [members[g] for g in rng.integers(len(members), size=len(members))]
            )
        own = y_true[drawn]
        draws[k] = roc_auc_score(own, a[drawn]) - roc_auc_score(own, b[drawn])
    return draws


def seconds(task) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resamples", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--loop", type=int, default=2000, help="replicates the loop runs")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 780, 2000, 10000])
    options = parser.parse_args()
    print(
        f"{'scores':<22}{'n':>8}{'bootstrap':>12}{'permutation':>13}"
        f"{'loop':>11}{'loop / bootstrap':>18}"
    )
    for n in options.sizes:
        for name, decimals, groups in (
            ("continuous", None, None),
            ("ties, 1 decimal", 1, None),
            ("2 images a patient", None, np.arange(n) // 2),
        ):
            y_true, a, b = simulate(n, decimals)
            ours = min(
                seconds(
                    lambda y=y_true, a=a, b=b, g=groups: bootstrap_auc_test(
                        y, a, b, groups=g, n_resamples=options.resamples, rng=0
                    )
                )
                for _ in range(3)
            )
            swapped = min(
                seconds(
                    lambda y=y_true, a=a, b=b, g=groups: permutation_auc_test(
                        y, a, b, groups=g, n_resamples=options.resamples, rng=0
                    )
                )
                for _ in range(3)
            )
            slow = seconds(lambda y=y_true, a=a, b=b, g=groups: loop(y, a, b, g, options.loop)) * (
                options.resamples / options.loop
            )
            print(
                f"{name:<22}{n:>8}{ours:>10.4f} s{swapped:>11.4f} s"
                f"{slow:>9.2f} s{slow / ours:>18.0f}"
            )


if __name__ == "__main__":
    main()
