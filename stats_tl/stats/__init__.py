"""Tests and intervals for comparing classifiers: arrays in, results out."""

from .delong import delong_test, delong_test_unpaired
from .delong_omnibus import delong_omnibus_test
from .equivalence import equivalence_test, noninferiority_test, smallest_equivalence_margin
from .mrmc import MRMCResult, obuchowski_rockette_test
from .multiplicity import adjust_pvalues, max_t_adjust
from .resampled import (
    BayesianTestResult,
    bayesian_correlated_ttest,
    combined_5x2cv_ftest,
    corrected_resampled_ttest,
    paired_5x2cv_ttest,
)
from .results import AUCResult, ConfidenceInterval, DegenerateDataWarning, TestResult
from .structural import delong_covariance, placements

__all__ = [
    "AUCResult",
    "BayesianTestResult",
    "ConfidenceInterval",
    "DegenerateDataWarning",
    "MRMCResult",
    "TestResult",
    "adjust_pvalues",
    "bayesian_correlated_ttest",
    "combined_5x2cv_ftest",
    "corrected_resampled_ttest",
    "delong_covariance",
    "delong_omnibus_test",
    "delong_test",
    "delong_test_unpaired",
    "equivalence_test",
    "max_t_adjust",
    "noninferiority_test",
    "obuchowski_rockette_test",
    "paired_5x2cv_ttest",
    "placements",
    "smallest_equivalence_margin",
]
