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

from .auc_table.model import GridFit, fit_grid, read_aucs
from .auc_table.report import GridReport, build_grid_report
from .build import FORMATS, Report, build_report
from .class_table.report import ClassReport, build_class_report
from .class_table.sources import ClassTable, read_classes
from .evidence.base import Evidence
from .evidence.layout import arrange, parse_mapping
from .evidence.options import CORRECTIONS, AnalysisOptions, read_analysis_plan
from .evidence.predictions import Predictions, read_predictions
from .rendering.files import differing_files, write_report
from .rendering.latex import latex_document, latex_table
from .rendering.plaintext import plain_table
from .results.aucs import fold_aucs
from .results.audit import audit_findings
from .results.comparisons import compare_all_pairs, compare_arms
from .results.material import Material, gather_material
from .results.mixed import MixedReport, mixed_report
from .results.sample import sample_table
from .tables.comparisons import significance_table
from .tables.mixed import mixed_tables
from .tables.sample import sample_text_table
from .value_table.report import ValueReport, build_value_report
from .value_table.sources import ValueTable, has_values, read_values

_FIGURES = ("draw_forest", "forest_data", "forest_figure", "render_figure")

__all__ = [
    "CORRECTIONS",
    "FORMATS",
    "AnalysisOptions",
    "ClassReport",
    "ClassTable",
    "Evidence",
    "GridFit",
    "GridReport",
    "Material",
    "MixedReport",
    "Predictions",
    "Report",
    "ValueReport",
    "ValueTable",
    "arrange",
    "audit_findings",
    "build_class_report",
    "build_grid_report",
    "build_report",
    "build_value_report",
    "compare_all_pairs",
    "compare_arms",
    "differing_files",
    "draw_forest",
    "fit_grid",
    "fold_aucs",
    "forest_data",
    "forest_figure",
    "gather_material",
    "has_values",
    "latex_document",
    "latex_table",
    "mixed_report",
    "mixed_tables",
    "parse_mapping",
    "plain_table",
    "read_analysis_plan",
    "read_aucs",
    "read_classes",
    "read_predictions",
    "read_values",
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
