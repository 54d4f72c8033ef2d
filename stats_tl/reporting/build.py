"""From evidence to files: everything is rendered before anything is written."""

from __future__ import annotations

__all__ = ["FORMATS", "Report", "build_report", "differing_files", "write_report"]

import io
import os
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from .. import __version__
from ..errors import IncompleteError, UserError
from .alignment import SETTING
from .comparisons import compare_arms, fold_aucs
from .evidence import Evidence
from .latex import latex_document, latex_table
from .mixed import MixedReport, mixed_report
from .notes import caution_notes, data_notes
from .options import AnalysisOptions
from .sample import sample_table
from .table import Table
from .tables import mixed_tables, sample_text_table, significance_table, terminal_table
from .words import SYNTHETIC

FORMATS = ("latex", "csv", "figures")
_VERSION_LINE = "% Written by stats_tl "
#: CSV numbers of another machine may differ in the last digits.
_RTOL, _ATOL = 1e-6, 1e-7


@dataclass(frozen=True)
class Report:
    """A finished report.

    Attributes
    ----------
    name : str
        Name of the study.
    comparisons, sample : DataFrame
        Unrounded numbers.
    mixed : MixedReport
    terminal : Table
        The significance table for the terminal.
    files : dict of str to bytes
        What is to be written, by path relative to the output folder.
    """

    name: str
    comparisons: pd.DataFrame
    sample: pd.DataFrame
    mixed: MixedReport
    terminal: Table
    files: dict[str, bytes] = field(repr=False)


def build_report(
    evidence: Evidence,
    options: AnalysisOptions,
    *,
    allow_incomplete: bool = False,
    formats: Collection[str] = FORMATS,
) -> Report:
    """Compute and render a report; writes nothing.

    Parameters
    ----------
    evidence : Archive or Predictions
    options : AnalysisOptions
        With a reference.
    allow_incomplete : bool, optional
        Compare on the complete runs only, and say so below every table.
    formats : collection of {"latex", "csv", "figures"}, optional

    Returns
    -------
    Report

    Raises
    ------
    UserError
        If the evidence does not allow the comparison.
    IncompleteError
        If pairs are incomplete and `allow_incomplete` is false.
    """
    if options.reference is None:
        arms = ", ".join(sorted(set(evidence.cells["arm"].astype(str))))
        raise UserError(f"which arm is the reference? Say --reference NAME; arms: {arms}")
    if evidence.cells.empty:
        raise IncompleteError(
            f"{evidence.name} has no trained cell yet; run python -m stats_tl.run_grid"
        )
    reference = options.reference
    comparisons = compare_arms(
        _test_scores(evidence),
        reference,
        options=options,
        missing=evidence.missing,
        allow_incomplete=allow_incomplete,
    )
    lacking = comparisons.attrs["lacking"]
    mixed = mixed_report(_cell_aucs(evidence), reference, confidence_level=1 - options.alpha)
    tasks = sorted(evidence.cells["task"].astype(str).unique())
    sample = sample_table({task: _cases(evidence, task) for task in tasks}, evidence.cells)

    title = str(evidence.plan.get("study", {}).get("title", ""))
    title = title.rstrip(".")
    synthetic = evidence.synthetic
    general = data_notes("all that was trained", lacking=lacking, synthetic=synthetic)
    cautions = [
        *caution_notes(comparisons, options),
        *data_notes("the complete runs only", lacking=lacking, synthetic=synthetic),
    ]
    tables = [
        sample_text_table(sample, title=title, cautions=general),
        significance_table(comparisons, options, title=title, cautions=cautions),
        *mixed_tables(mixed, title=title, cautions=general),
    ]
    files: dict[str, bytes] = {}
    if "csv" in formats:
        numbers = {
            "sample": sample,
            "significance": comparisons,
            "mixed_model": mixed.coefficients,
            "variance_components": mixed.variance_components,
        }
        for table in tables:
            files[f"tables/{table.name}.csv"] = _csv(numbers[table.name])
    if "latex" in formats:
        provenance = _provenance(evidence)
        for table in tables:
            text = latex_table(table, provenance=provenance)
            files[f"tables/{table.name}.tex"] = text.encode("ascii")
    if "figures" in formats:
        # Imported here: tables alone need no matplotlib.
        from .figures import forest_figure, render_figure

        figure = forest_figure(comparisons, synthetic=synthetic, incomplete=bool(lacking))
        for suffix, content in render_figure(figure).items():
            files[f"figures/forest{suffix}"] = content
    if "latex" in formats:
        shown = [path for path in files if path.endswith((".tex", ".pdf"))]
        files["all.tex"] = latex_document(
            title or evidence.name, shown, provenance=provenance
        ).encode("ascii")
    return Report(
        name=evidence.name,
        comparisons=comparisons,
        sample=sample,
        mixed=mixed,
        terminal=terminal_table(comparisons, options, title=title, cautions=cautions),
        files=files,
    )


def write_report(report: Report, out: str | Path) -> list[Path]:
    """Write the files of a report; each appears whole or not at all.

    Returns
    -------
    list of Path
        In the order they were written.

    Raises
    ------
    UserError
        If the folder cannot be written to.
    """
    written = []
    for name, content in report.files.items():
        path = Path(out) / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, content)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from None
        written.append(path)
    return written


def differing_files(report: Report, out: str | Path) -> list[str]:
    """What differs between a report and the tables in a folder; writes nothing.

    LaTeX is compared line by line, without the line that names the version of the
    program, and CSV by value, with a relative tolerance of 1e-6 for numbers, as machines
    differ in the last digits. Tables that are no part of the report count as differences.
    Figures are looked for only: their bytes depend on the
    version of matplotlib, and their numbers are those of the tables.

    Returns
    -------
    list of str
        One sentence a file; empty where nothing differs.
    """
    problems = []
    for name, content in report.files.items():
        path = Path(out) / name
        try:
            found = path.read_bytes()
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
            continue
        if path.suffix == ".tex" and _science(found) != _science(content):
            problems.append(f"{path}: differs{_first_difference(found, content)}")
        elif path.suffix == ".csv" and not _same_numbers(found, content):
            problems.append(f"{path}: its values differ")
    suffixes = {Path(name).suffix for name in report.files if name.startswith("tables/")}
    for path in sorted(Path(out).glob("tables/*")):
        if path.suffix in suffixes and f"tables/{path.name}" not in report.files:
            problems.append(f"{path}: left over from another report; delete it")
    return problems


def _test_scores(evidence: Evidence) -> Iterator[pd.DataFrame]:
    """Test scores, one task at a time: they can be large. Patients are those of the splits."""
    for task in sorted(evidence.cells["task"].astype(str).unique()):
        scores = evidence.scores(task=task, partition="test", design=["cv", "half"])
        cases = _cases(evidence, task)
        if "patient" in cases.columns and "group" in cases.columns:
            patients = cases.set_index("case")["patient"]
            scores = scores.assign(patient=scores["case"].map(patients))
        yield scores


def _cases(evidence: Evidence, task: str) -> pd.DataFrame:
    """Cases with the group that was kept on one side of every split as their patient.

    Near-duplicate images can be of one group though their patients are not known to be one.
    """
    cases = evidence.cases(task)
    return cases.assign(patient=cases["group"]) if "group" in cases.columns else cases


def _cell_aucs(evidence: Evidence) -> pd.DataFrame:
    """AUC of every cell, as recorded, or computed from the scores."""
    if "auc" in evidence.cells.columns:
        return evidence.cells.astype({key: str for key in (*SETTING, "arm")})
    return fold_aucs(_test_scores(evidence))


def _provenance(evidence: Evidence) -> list[str]:
    source = "predictions" if evidence.reference is None else "archive"
    lines = [f"{_VERSION_LINE[2:]}{__version__}", f"{source} sha256: {evidence.digest}"]
    return [*lines, SYNTHETIC] if evidence.synthetic else lines


def _csv(frame: pd.DataFrame) -> bytes:
    # Text that a spreadsheet would run as a formula begins with a quote.
    text = frame.copy()
    for column in text.columns:
        if not pd.api.types.is_numeric_dtype(text[column]):
            values = text[column].astype(str)
            text[column] = values.where(~values.str.match(r"[=+@\t\r]|-(?![\d.])"), "'" + values)
    return text.to_csv(index=False, lineterminator="\n").encode()


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _science(text: bytes) -> list[str]:
    lines = text.decode("utf-8", "replace").splitlines()
    return [line for line in lines if not line.startswith(_VERSION_LINE)]


def _first_difference(found: bytes, expected: bytes) -> str:
    pairs = zip(_science(found), _science(expected), strict=False)
    for number, (old, new) in enumerate(pairs, 2):
        if old != new:
            return f" from line {number}: found {old[:60]!r}, expected {new[:60]!r}"
    return " in length"


def _same_numbers(found: bytes, expected: bytes) -> bool:
    try:
        frames = [pd.read_csv(io.BytesIO(content)) for content in (found, expected)]
    except (ValueError, UnicodeDecodeError):
        return False
    a, b = frames
    if list(a.columns) != list(b.columns) or len(a) != len(b):
        return False
    for column in a.columns:
        if all(pd.api.types.is_numeric_dtype(frame[column]) for frame in frames):
            same = np.isclose(
                a[column].to_numpy(float), b[column].to_numpy(float),
                rtol=_RTOL, atol=_ATOL, equal_nan=True,
            )  # fmt: skip
            if not same.all():
                return False
        elif not a[column].astype(str).equals(b[column].astype(str)):
            return False
    return True
