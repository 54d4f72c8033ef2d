"""What the size studies of further metrics share: one test's outcome, and the table of all."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from stats_tl.stats import CVComponents, repeated_cv_test_from_components

#: Rejected, rejected by Nadeau and Bengio's test, covered, estimated variance, estimate.
Outcome = tuple[float, float, float, float, float]


def outcome(parts: CVComponents) -> Outcome:
    """What the tests of a data set whose true difference is 0 say."""
    auto, classic = (
        repeated_cv_test_from_components(parts, method=method)
        for method in ("auto", "nadeau-bengio")
    )
    low, high = auto.confidence_interval
    return (
        auto.pvalue < 0.05,
        classic.pvalue < 0.05,
        low <= 0 <= high,
        auto.standard_error**2,
        auto.estimate,
    )


def run(
    description: str,
    designs: Mapping[str, Any],
    draw: Callable[[Any, np.random.Generator], tuple[Any, ...]],
    tests: Callable[..., dict[str, Outcome]],
    *,
    datasets: int,
    seed: int,
) -> None:
    """Print one row a design and metric, as the command line asks.

    `datasets` and `seed` are those without flags.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--datasets", type=int, default=datasets, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=seed, help="default: %(default)s")
    parser.add_argument("--design", help="only designs that contain this")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| Design | Metric | rejects % | Nadeau-Bengio % | covers % | variance ratio | sets |")
    print("|---|---|---|---|---|---|---|")
    for number, (name, design) in enumerate(designs.items()):
        if options.design and options.design not in name:
            continue
        found: dict[str, list[Outcome]] = {}
        for dataset in range(options.datasets):
            rng = np.random.default_rng([options.seed, number, dataset])
            for metric, row in tests(*draw(design, rng)).items():
                found.setdefault(metric, []).append(row)
        for metric, rows in found.items():
            table = np.array(rows, dtype=float)
            rejects, classic, covers = 100 * table[:, :3].mean(axis=0)
            ratio = table[:, 3].mean() / table[:, 4].var()
            print(
                f"| {name} | {metric} | {rejects:.1f} | {classic:.1f} | {covers:.1f} | "
                f"{ratio:.2f} | {len(rows)} |",
                flush=True,
            )
