"""Figures for one column of a journal: computing apart from drawing, Axes in, Axes out.

Each module has one figure: ``<name>_data`` computes what is shown, ``draw_<name>`` draws it into
the Axes it is given and returns them. :mod:`.gallery` makes whole figures of a report.
"""

from ..results.pairs import PairComponents
from .calibration import calibration_data, calibration_summary, draw_calibration
from .curves import CurveScores, curve_settings
from .decision import decision_data, draw_decision
from .detectable import (
    detectable_data,
    draw_detectable_difference,
    draw_power,
    single_test_data,
)
from .differences import differences_data, differences_figure, draw_differences
from .forest import draw_forest, forest_data, forest_figure
from .gallery import FIGURES
from .pairs import pair_components
from .ranks import draw_ranks, rank_table, ranks_data, ranks_figure
from .roc import draw_roc, roc_data
from .style import render_figure
from .variance import draw_shares, draw_variance, variance_data, variance_figure

__all__ = [
    "FIGURES",
    "CurveScores",
    "PairComponents",
    "calibration_data",
    "calibration_summary",
    "curve_settings",
    "decision_data",
    "detectable_data",
    "differences_data",
    "differences_figure",
    "draw_calibration",
    "draw_decision",
    "draw_detectable_difference",
    "draw_differences",
    "draw_forest",
    "draw_power",
    "draw_ranks",
    "draw_roc",
    "draw_shares",
    "draw_variance",
    "forest_data",
    "forest_figure",
    "pair_components",
    "rank_table",
    "ranks_data",
    "ranks_figure",
    "render_figure",
    "roc_data",
    "single_test_data",
    "variance_data",
    "variance_figure",
]
