"""Time of a linear mixed model, and how it grows with n.

    python benchmarks/mixed_model.py

Two crossed random intercepts, fit plus Satterthwaite's and Kenward-Roger's degrees of
freedom for every coefficient; then Kenward-Roger on 500 unbalanced rows with three
factors. Simulated data, medians of several runs, formula parsing included. Where R with
lmerTest and pbkrtest is on the path, ``--r`` times it on the same rows.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from stats_tl.stats import fit_mixed_model

CROSSED = "y ~ arm + x + (1 | case) + (1 | seed)"
THREE = "y ~ arm * backbone + (1 | task) + (1 | seed) + (1 | task:fold)"


def crossed(n: int, cases: int, seeds: int) -> pd.DataFrame:
    """Unbalanced rows of two crossed factors."""
    rng = np.random.default_rng(n + cases)
    data = pd.DataFrame(
        {
            "case": rng.integers(0, cases, n),
            "seed": rng.integers(0, seeds, n),
            "arm": rng.choice(["imagenet", "radimagenet"], n),
            "x": rng.normal(size=n),
        }
    )
    effects = rng.normal(size=cases)[data["case"]] + 0.5 * rng.normal(size=seeds)[data["seed"]]
    return data.assign(y=effects + 0.2 * (data["arm"] == "radimagenet") + rng.normal(size=n))


def three_factors(n: int = 500) -> pd.DataFrame:
    """Unbalanced rows of tasks, seeds, and folds within tasks."""
    rng = np.random.default_rng(7)
    data = pd.DataFrame(
        {
            "task": rng.choice(6, n, p=[0.3, 0.25, 0.15, 0.1, 0.1, 0.1]),
            "seed": rng.integers(0, 10, n),
            "fold": rng.integers(0, 5, n),
            "arm": rng.choice(["imagenet", "radimagenet"], n, p=[0.6, 0.4]),
            "backbone": rng.choice(["B0", "B1", "B2"], n, p=[0.5, 0.3, 0.2]),
        }
    )
    effects = (
        0.05 * rng.normal(size=6)[data["task"]]
        + 0.01 * rng.normal(size=10)[data["seed"]]
        + 0.02 * rng.normal(size=30)[5 * data["task"] + data["fold"]]
    )
    return data.assign(y=0.85 + effects + 0.01 * rng.normal(size=n))


def median_time(call: Callable[[], object], repeats: int) -> float:
    """Median seconds of `repeats` calls after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def time_r(data: pd.DataFrame, formula: str, ddf: str) -> float:
    """Seconds of lmer and its coefficient table in R on the same rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        data.to_csv(path, index=False)
        code = (
            "suppressMessages(library(lmerTest));"
            f"d <- read.csv('{path}'); f <- {formula};"
            f"g <- function() coef(summary(lmer(f, d), ddf = '{ddf}'));"
            "invisible(g()); cat(system.time(g())[['elapsed']])"
        )
        done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--r", action="store_true", help="time lmerTest on the same data as well")
    arguments = parser.parse_args()
    with_r = arguments.r and shutil.which("Rscript") is not None
    cases = [
        (f"{n} rows, {a} x {b} crossed levels", crossed(n, a, b), CROSSED)
        for n, a, b in [
            (200, 10, 5),
            (1000, 50, 10),
            (5000, 100, 50),
            (5000, 1000, 20),
            (20000, 1000, 50),
            (100000, 5000, 50),
        ]
    ]
    cases.append(("500 rows, three factors", three_factors(), THREE))
    print(f"{'design':<38} {'Satterthwaite':>14} {'Kenward-Roger':>14}" + "   lmerTest" * with_r)
    for name, data, formula in cases:
        times = [
            median_time(
                lambda f=formula, d=data, k=ddf: fit_mixed_model(f, d, ddf=k), arguments.repeats
            )
            for ddf in ("satterthwaite", "kenward-roger")
        ]
        line = f"{name:<38} {1e3 * times[0]:>11.1f} ms {1e3 * times[1]:>11.1f} ms"
        if with_r and len(data) <= 5000:
            line += f"   Satterthwaite {time_r(data, formula, 'Satterthwaite'):.3f} s"
            if len(data) <= 500:
                line += f", Kenward-Roger {time_r(data, formula, 'Kenward-Roger'):.2f} s"
        print(line)


if __name__ == "__main__":
    main()
