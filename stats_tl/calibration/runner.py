"""Designs over worker processes; what is finished is kept, and the rest continues."""

from __future__ import annotations

__all__ = ["run_designs"]

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from .study import Design, run_design
from .summary import summarise, write_figures


def run_designs(
    designs: Sequence[Design], seed: int, out: Path, *, base: Path = Path(), jobs: int = 1
) -> Path:
    """Run the designs that `out` does not hold yet, and write the table of all.

    Parameters
    ----------
    designs : sequence of Design
    seed : int
    out : Path
        Gets ``designs/<id>.csv`` as each is done, and ``results.csv``.
    base : Path, optional
        Folder of the files of features.
    jobs : int, default 1

    Returns
    -------
    Path
        Of ``results.csv``; ``summary.csv`` and the figure lie beside it.
    """
    folder = out / "designs"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{design.digest(seed)}.csv" for design in designs]
    left = [(d, p) for d, p in zip(designs, paths, strict=True) if not p.is_file()]
    # Large designs first, so that no worker is left with one at the end.
    left.sort(key=lambda pair: -pair[0].patients * pair[0].datasets)
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_run)(design, seed, path, base) for design, path in left
    )
    for _ in tqdm(done, total=len(left), unit="design", disable=None):
        pass
    # A role may be called "null", which is no missing value.
    tables = [pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in paths]
    table = pd.concat(tables, ignore_index=True)
    result = out / "results.csv"
    _write(table, result)
    _write(summarise(table), out / "summary.csv")
    write_figures(table, out)
    return result


def _run(design: Design, seed: int, path: Path, base: Path) -> None:
    with threadpool_limits(1):
        table = run_design(design, seed, base)
    aside = path.with_suffix(".part")
    _write(table, aside)
    os.replace(aside, path)  # noqa: PTH105 - atomic


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.4g", lineterminator="\n")
