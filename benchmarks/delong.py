"""Time of the paired DeLong test beside two argsorts of the same scores.

Run ``python -m benchmarks.delong`` from the root of the repository. Each line is the median
over runs that alternate between the test and the argsorts, so that both see the same load.
The speed of an argsort depends on the vector instructions that numpy finds, which are printed;
``NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR"`` (the names of numpy 2.4) measures a
processor with AVX2 only, ``X86_V3`` added to these one without either.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from stats_tl.stats import delong_test


def alternate(tasks: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each task, run in turn."""
    times: list[list[float]] = [[] for _ in tasks]
    for task in tasks:
        task()
    for _ in range(repeats):
        for own, task in zip(times, tasks, strict=True):
            start = time.perf_counter()
            task()
            own.append(time.perf_counter() - start)
    return [median(own) for own in times]


def simulate(n: int, decimals: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (30 % positive) and two correlated scores, rounded to `decimals` for ties."""
    rng = np.random.default_rng(n)
    y_true = (rng.random(n) < 0.3).astype(int)
    shared = rng.normal(size=n) + y_true
    a, b = (shared + rng.normal(size=n) for _ in range(2))
    return (y_true, a, b) if decimals is None else (y_true, a.round(decimals), b.round(decimals))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--largest", type=int, default=10**6, help="largest n (default: %(default)s)"
    )
    parser.add_argument(
        "--repeats", type=int, default=9, help="runs per line (default: %(default)s)"
    )
    options = parser.parse_args()
    found = np.show_config("dicts")["SIMD Extensions"].get("found", [])
    print(f"numpy {np.__version__}, found: {' '.join(found) or 'no vector instructions'}")
    print(f"{'scores':<22}{'n':>9}{'delong_test':>14}{'two argsorts':>14}{'ratio':>8}")
    n = 1000
    while n <= options.largest:
        groups = np.arange(n) // 2
        for name, decimals, clusters in (
            ("continuous", None, None),
            ("ties, 2 decimals", 2, None),
            ("2 images a patient", None, groups),
        ):
            y_true, a, b = simulate(n, decimals)
            ours, sorts = alternate(
                [
                    lambda y=y_true, a=a, b=b, g=clusters: delong_test(y, a, b, groups=g),
                    lambda a=a, b=b: (a.argsort(), b.argsort()),
                ],
                options.repeats,
            )
            print(f"{name:<22}{n:>9}{ours:>12.5f} s{sorts:>12.5f} s{ours / sorts:>8.2f}")
        n *= 10


if __name__ == "__main__":
    main()
