"""Time of a linear mixed model, and how it grows with n.

    python benchmarks/mixed_model.py

Two crossed random intercepts, fit plus Satterthwaite's and Kenward-Roger's degrees of
freedom for every coefficient; then Kenward-Roger on 500 unbalanced rows with three
factors. Simulated data, medians of several runs, formula parsing included. Where R with
lmerTest and pbkrtest is on the path, ``--r`` times it on the same rows.

    python benchmarks/mixed_model.py --logistic

Logistic models beside lme4's ``glmer``, if R has it: processor time, fits repeated within one
process on either side, formula and table of coefficients included.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from stats_tl.stats import SingularFitWarning, fit_binomial_mixed_model, fit_mixed_model

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


def binary(n: int, cases: int, seeds: int) -> pd.DataFrame:
    """Rows of :func:`crossed` with 0/1 outcomes, the cases dealt out to six tasks."""
    data = crossed(n, cases, seeds)
    rng = np.random.default_rng(n)
    log_odds = data["y"] - data["y"].mean() + 0.5
    y = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)
    labels = {"case": "c" + data["case"].astype(str), "seed": "s" + data["seed"].astype(str)}
    return data.assign(y=y, task="t" + (data["case"] % 6).astype(str), **labels)


LOGISTIC = {
    "360 rows, one factor": (binary(360, 60, 5), "y ~ arm + (1 | case)"),
    "600 rows, correlated slopes": (binary(600, 40, 5), "y ~ arm + x + (x | case)"),
    "2400 rows, two crossed factors": (binary(2400, 200, 10), CROSSED),
    "3000 rows, nested and crossed": (
        binary(3000, 60, 8),
        "y ~ arm + x + (1 | task / case) + (1 | seed)",
    ),
    "10000 rows, two crossed factors": (binary(10000, 1000, 50), CROSSED),
}


def processor_time(call: Callable[[], object], repeats: int) -> float:
    """Mean processor seconds of `repeats` calls after one to warm up."""
    call()
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) / repeats


def time_glmer(data: pd.DataFrame, formula: str, repeats: int) -> tuple[float, float]:
    """Processor seconds of glmer and its coefficient table, and its log-likelihood."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        data.to_csv(path, index=False)
        code = (
            "suppressMessages(library(lme4));"
            f"d <- read.csv('{path}', stringsAsFactors = TRUE);"
            f"g <- function() {{ m <- glmer({formula}, d, family = binomial);"
            "invisible(coef(summary(m))); m };"
            f"m <- g(); t <- system.time(for (i in 1:{repeats}) g());"
            f"cat(sum(t[1:2]) / {repeats}, sprintf('%.8f', logLik(m)))"
        )
        done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=True)
    seconds, log_likelihood = done.stdout.split()
    return float(seconds), float(log_likelihood)


def logistic(repeats: int) -> None:
    """Print the table of the logistic models."""
    warnings.simplefilter("ignore", SingularFitWarning)  # one of the designs has no task variance
    with_r = shutil.which("Rscript") is not None
    if not with_r:
        print("Rscript is not on the path: glmer is not timed")
    for name, (data, formula) in LOGISTIC.items():
        own = processor_time(lambda f=formula, d=data: fit_binomial_mixed_model(f, d), repeats)
        line = f"{name:<34} {1e3 * own:>8.0f} ms"
        if with_r:
            seconds, log_likelihood = time_glmer(data, formula, max(1, repeats // 2))
            gain = fit_binomial_mixed_model(formula, data).log_likelihood - log_likelihood
            line += f"   glmer {1e3 * seconds:>6.0f} ms   {seconds / own:>5.1f} x"
            line += f"   log-likelihood above glmer's by {gain:.1e}"
        print(line, flush=True)


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
    parser.add_argument("--logistic", action="store_true", help="logistic models beside glmer")
    arguments = parser.parse_args()
    if arguments.logistic:
        logistic(arguments.repeats)
        return
    with_r = arguments.r and shutil.which("Rscript") is not None
    cases = [
        (f"{n} rows, {a} x {b} crossed levels", crossed(n, a, b), CROSSED)
        for n, a, b in [
            (200, 10, 5),
            (1000, 50, 10),
            (5000, 100, 50),
            (5000, 1000, 20),
            (10000, 100, 50),
            (10000, 1000, 50),
            (10000, 500, 500),
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
