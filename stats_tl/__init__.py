"""Paired comparison of pretrained models in medical imaging.

``python -m stats_tl.run_grid`` turns a study plan into a run archive;
``python -m stats_tl.report`` turns a run archive into tables and figures.
:mod:`stats_tl.stats` can be used alone, on arrays.
"""

__version__ = "0.1.0"
