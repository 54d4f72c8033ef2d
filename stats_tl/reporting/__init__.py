"""Results → tables and figures; reads no archive, trains nothing, can be used in a notebook.

Scores or folds' AUCs in, DataFrames or Axes out::

    table = compare_arms(scores, reference="imagenet")   # numbers, unrounded
    draw_forest(forest_data(table), ax=ax)               # a figure
    print(latex_table(significance_table(table, options)))

The names of :mod:`.figures` are loaded when they are first used: tables alone need no
matplotlib.
"""

from __future__ import annotations

from typing import Any

from .audit import audit_findings
from .build import FORMATS, Report, build_report
from .comparisons import compare_all_pairs, compare_arms, fold_aucs
from .evidence import Evidence, Predictions, read_predictions
from .files import differing_files, write_report
from .grid import GridFit, fit_grid, read_aucs
from .grid_report import GridReport, build_grid_report
from .latex import latex_document, latex_table
from .layout import arrange, parse_mapping
from .material import Material, gather_material
from .mixed import MixedReport, mixed_report
from .mixed_tables import mixed_tables
from .options import CORRECTIONS, AnalysisOptions, read_analysis_plan
from .plaintext import plain_table
from .sample import sample_table
from .tables import sample_text_table, significance_table

_FIGURES = ("draw_forest", "forest_data", "forest_figure", "render_figure")

__all__ = [
    "CORRECTIONS",
    "FORMATS",
    "AnalysisOptions",
    "Evidence",
    "GridFit",
    "GridReport",
    "Material",
    "MixedReport",
    "Predictions",
    "Report",
    "arrange",
    "audit_findings",
    "build_grid_report",
    "build_report",
    "compare_all_pairs",
    "compare_arms",
    "differing_files",
    "draw_forest",
    "fit_grid",
    "fold_aucs",
    "forest_data",
    "forest_figure",
    "gather_material",
    "latex_document",
    "latex_table",
    "mixed_report",
    "mixed_tables",
    "parse_mapping",
    "plain_table",
    "read_analysis_plan",
    "read_aucs",
    "read_predictions",
    "render_figure",
    "sample_table",
    "sample_text_table",
    "significance_table",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _FIGURES:
        from . import figures

        return getattr(figures, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
