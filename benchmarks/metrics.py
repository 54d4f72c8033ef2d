"""Time of 2,000 paired bootstrap replicates of a metric beside a scikit-learn loop.

Run ``python -m benchmarks.metrics`` from the root of the repository. The loop draws cases and calls
scikit-learn for both models, as one would write it by hand. ``--loop`` runs fewer replicates of it
and scales the time up. Before that, ``repeated_cv_test`` with the AUC and with means over cases.
``--reports`` times whole reports without figures by one and by five metrics instead.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from scipy import special
from sklearn import metrics

from benchmarks.bootstrap import seconds
from benchmarks.delong import simulate
from stats_tl.reporting import AnalysisOptions, Predictions, build_report
from stats_tl.stats import bootstrap_metric_test, paired_metric_test, repeated_cv_test

THEIRS = {
    "average_precision": metrics.average_precision_score,
    "brier_score": metrics.brier_score_loss,
    "log_loss": metrics.log_loss,
}
FIVE = ("brier_score", "average_precision", "log_loss", "f1:threshold=0.5", "npv:threshold=0.5")


def loop(y_true: np.ndarray, a: np.ndarray, b: np.ndarray, score, n_resamples: int) -> np.ndarray:
    """Replicates of the difference, one at a time."""
    rng = np.random.default_rng(0)
    draws = np.empty(n_resamples)
    for k in range(n_resamples):
        drawn = rng.integers(y_true.size, size=y_true.size)
        own = y_true[drawn]
        draws[k] = score(own, a[drawn]) - score(own, b[drawn])
    return draws


def repeated(n: int = 780, repeats: int = 20) -> None:
    """`repeated_cv_test` with the AUC and with means over cases."""
    rng = np.random.default_rng(0)
    y_true = np.arange(n) % 3 == 0
    folds = np.array([rng.permutation(n // 3).repeat(3) % 5 for _ in range(repeats)])
    logit = y_true + rng.standard_normal(n)
    a, b = (special.expit(logit + s * rng.standard_normal((repeats, n))) for s in (0.3, 0.5))
    for metric in ("roc_auc", "brier_score", "mean"):
        labels = None if metric == "mean" else y_true
        best = np.inf
        for _ in range(15):
            start = time.process_time()
            repeated_cv_test(labels, a, b, folds, metric=metric)
            best = min(best, time.process_time() - start)
        print(f"repeated_cv_test, {metric}, {n} cases x {repeats} repeats: {1000 * best:.1f} ms")


def reports(n: int = 780, repeats: int = 10) -> None:
    """A report by one metric beside one by five, in processor time."""
    rng = np.random.default_rng(0)
    y_true = (rng.random(n) < 0.4).astype(int)
    logit = 1.5 * y_true - 0.7 + rng.standard_normal(n)
    parts = []
    for repeat in range(repeats):
        fold = rng.permutation(n) % 5
        for arm, noise in (("new", 0.4), ("old", 1.0)):
            score = special.expit(logit + noise * rng.standard_normal(n))
            cells = {"case": np.arange(n), "y_true": y_true, "arm": arm, "score": score}
            parts.append(pd.DataFrame({**cells, "repeat": repeat, "fold": fold}))
    evidence = Predictions(pd.concat(parts, ignore_index=True))
    best = {1: np.inf, 5: np.inf}
    for _ in range(3):
        for count in best:
            options = AnalysisOptions(reference="old", metric=FIVE[:count])
            start = time.process_time()
            build_report(evidence, options, formats=("latex", "csv", "words", "json"))
            best[count] = min(best[count], time.process_time() - start)
    print(f"report by 1 metric {best[1]:.2f} s, by 5 {best[5]:.2f} s: {best[5] / best[1]:.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resamples", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--loop", type=int, default=2000, help="replicates the loop runs")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 780, 2000])
    parser.add_argument("--reports", action="store_true", help="time reports instead")
    options = parser.parse_args()
    if options.reports:
        reports()
        return
    repeated()
    print(
        f"{'metric':<20}{'n':>8}{'test':>12}{'bootstrap':>12}{'loop':>11}{'loop / bootstrap':>18}"
    )
    for n in options.sizes:
        y_true, *scores = simulate(n, None)
        a, b = (special.expit(own - 1) for own in scores)
        for name, score in THEIRS.items():
            same = {"metric": name}
            test = min(
                seconds(lambda y=y_true, a=a, b=b, m=same: paired_metric_test(y, a, b, **m))
                for _ in range(3)
            )
            ours = min(
                seconds(
                    lambda y=y_true, a=a, b=b, m=same: bootstrap_metric_test(
                        y, a, b, n_resamples=options.resamples, rng=0, **m
                    )
                )
                for _ in range(3)
            )
            slow = seconds(lambda y=y_true, a=a, b=b, s=score: loop(y, a, b, s, options.loop)) * (
                options.resamples / options.loop
            )
            print(
                f"{name:<20}{n:>8}{test:>10.5f} s{ours:>10.4f} s{slow:>9.2f} s{slow / ours:>18.0f}"
            )


if __name__ == "__main__":
    main()
