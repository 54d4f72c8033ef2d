"""Tests and intervals for comparing classifiers: arrays in, results out."""

from .equivalence import equivalence_test, noninferiority_test, smallest_equivalence_margin
from .multiplicity import adjust_pvalues, max_t_adjust
from .resampled import (
    BayesianTestResult,
    bayesian_correlated_ttest,
    combined_5x2cv_ftest,
    corrected_resampled_ttest,
    paired_5x2cv_ttest,
)
from .results import AUCResult, ConfidenceInterval, DegenerateDataWarning, TestResult

__all__ = [
    "AUCResult",
    "BayesianTestResult",
    "ConfidenceInterval",
    "DegenerateDataWarning",
    "TestResult",
    "adjust_pvalues",
    "bayesian_correlated_ttest",
    "combined_5x2cv_ftest",
    "corrected_resampled_ttest",
    "equivalence_test",
    "max_t_adjust",
    "noninferiority_test",
    "paired_5x2cv_ttest",
    "smallest_equivalence_margin",
]
