"""Calibration: how often each test errs, on data sets where the truth is known.

``python -m stats_tl.calibration --plan analysis/calibration/plan.toml`` runs a whole study; in
a notebook, one design is

>>> from stats_tl.calibration import Design, run_design
>>> design = Design(
...     role="mine", population="gaussian", files=(), patients=120, folds=5, auc=0.8,
...     prevalence=0.3, images=1, learner="ridge", features=8, shared=0.5, mixture=False,
...     advantage=1.0, datasets=20, repeats=(5,), half_repeats=5, slow=False,
... )
>>> table = run_design(design, seed=1).set_index("procedure")
>>> bool(table.loc["auto", "rejected"] <= table.loc["t over folds and repeats", "rejected"])
True

Numbers in, tables out; torch is needed for convolutional networks only. Populations, learners and
the tests under study each have a module.
"""

from __future__ import annotations

from .learners import LEARNERS, Learner, Trainings
from .populations import (
    DataSet,
    ExclusiveOrPopulation,
    FeaturePopulation,
    GaussianPopulation,
    PhantomPopulation,
    WeakFeaturesPopulation,
    load_features,
)
from .procedures import COMMON, HALVED, OFFERED, SLOW, conclude
from .simulate import CrossValidated, cross_validate, halving_folds, stratified_folds
from .study import CalibrationPlan, Design, load_calibration_plan, run_design
from .summary import draw_power, draw_sizes, summarise

__all__ = [
    "COMMON",
    "HALVED",
    "LEARNERS",
    "OFFERED",
    "SLOW",
    "CalibrationPlan",
    "CrossValidated",
    "DataSet",
    "Design",
    "ExclusiveOrPopulation",
    "FeaturePopulation",
    "GaussianPopulation",
    "Learner",
    "PhantomPopulation",
    "Trainings",
    "WeakFeaturesPopulation",
    "conclude",
    "cross_validate",
    "draw_power",
    "draw_sizes",
    "halving_folds",
    "load_calibration_plan",
    "load_features",
    "run_design",
    "stratified_folds",
    "summarise",
]
