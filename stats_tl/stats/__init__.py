"""Tests and intervals for comparing classifiers: arrays in, results out.

The public face is this package: what ``__all__`` names, and nothing else. The modules in the
rooms below it are private and may move or change without notice.

A name is imported when it is first asked for, and scipy when a function first computes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what type checkers read; at run time, `__getattr__` below
    from ._shared.degenerate_data import DegenerateDataWarning
    from ._shared.resampling import Resampling
    from .crossvalidation.bayesian import BayesianTestResult, bayesian_correlated_ttest
    from .crossvalidation.comparison import RepeatedCVComparison, repeated_cv_comparison
    from .crossvalidation.components import CVComponents, repeated_cv_components
    from .crossvalidation.five_by_two import combined_5x2cv_ftest, paired_5x2cv_ttest
    from .crossvalidation.fold_placements import fold_placements
    from .crossvalidation.omnibus import repeated_cv_omnibus_test
    from .crossvalidation.operating_points import repeated_operating_point_test, repeated_proportion
    from .crossvalidation.repeated_cv import repeated_cv_test, repeated_cv_test_from_components
    from .crossvalidation.resampled import corrected_resampled_ttest
    from .curves.auc import auc_logit_interval, roc_auc
    from .curves.bootstrap import bootstrap_auc_test
    from .curves.delong import delong_test, delong_test_unpaired
    from .curves.delong_omnibus import delong_omnibus_test
    from .curves.max_t import max_t_auc_test
    from .curves.partial_auc import partial_auc, partial_auc_test
    from .curves.permutation import permutation_auc_test
    from .curves.precision_recall import average_precision, average_precision_test
    from .curves.roc_points import roc_point_test, roc_point_test_unpaired
    from .curves.structural import delong_covariance, placements
    from .curves.subgroups import SubgroupResult, subgroup_auc_test
    from .curves.venkatraman import venkatraman_test
    from .curves.venkatraman_unpaired import venkatraman_test_unpaired
    from .decisions.equivalence import (
        equivalence_test,
        noninferiority_test,
        smallest_equivalence_margin,
    )
    from .decisions.multiplicity import adjust_pvalues, max_t_adjust
    from .metrics.base import Metric
    from .metrics.estimate import metric_estimate
    from .metrics.kappa import weighted_kappa, weighted_kappa_test
    from .metrics.multiclass import multiclass_auc, multiclass_auc_test
    from .metrics.omnibus import metric_omnibus_test
    from .metrics.paired import bootstrap_metric_test, paired_metric_test
    from .metrics.registry import get_metric, metric_names
    from .mixed import (
        BinomialMixedModelResult,
        MarginalMeans,
        MixedModelConvergenceWarning,
        MixedModelResult,
        MixedModelWarning,
        SingularFitWarning,
        fit_binomial_mixed_model,
        fit_mixed_model,
        likelihood_ratio_test,
    )
    from .planning.auc_power import (
        auc_power,
        auc_sample_size,
        delong_equivalence_power,
        delong_equivalence_sample_size,
    )
    from .planning.auc_variances import hanley_mcneil_variance, obuchowski_variance
    from .planning.cv_design import RepeatedCVDesign, repeated_cv_design
    from .planning.delong_power import (
        binormal_difference_variance,
        delong_power,
        delong_sample_size,
    )
    from .planning.metric_power import paired_metric_power, paired_metric_sample_size
    from .planning.power import (
        corrected_ttest_power,
        mrmc_power,
        repeated_cv_power,
        smallest_detectable_difference,
    )
    from .planning.simulate import simulate_design
    from .procedure import ElasticitySource, Procedure, ResultWarning
    from .readers.mrmc import MRMCResult, obuchowski_rockette_test
    from .results import AUCResult, ConfidenceInterval, MetricResult, TestResult
    from .tasks.effect_sizes import EffectSizes, cliffs_delta, hodges_lehmann, paired_effect_sizes
    from .tasks.paired import paired_ttest, sign_test, wilcoxon_test
    from .tasks.ranks import (
        average_ranks,
        friedman_test,
        iman_davenport_test,
        kendalls_w,
        nemenyi_critical_difference,
        nemenyi_pvalues,
        quade_test,
    )
    from .thresholds.mcnemar import mcnemar_test, operating_point_test
    from .thresholds.operating import (
        OperatingPoint,
        Proportion,
        sensitivity_specificity,
        sensitivity_threshold,
        youden_threshold,
    )
    from .thresholds.predictive import (
        LikelihoodRatios,
        PredictiveValues,
        Ratio,
        diagnostic_likelihood_ratios,
        predictive_values,
    )
    from .thresholds.predictive_tests import (
        diagnostic_likelihood_ratio_test,
        predictive_value_test,
    )

__all__ = [
    "AUCResult",
    "BayesianTestResult",
    "BinomialMixedModelResult",
    "CVComponents",
    "ConfidenceInterval",
    "DegenerateDataWarning",
    "EffectSizes",
    "ElasticitySource",
    "LikelihoodRatios",
    "MRMCResult",
    "MarginalMeans",
    "Metric",
    "MetricResult",
    "MixedModelConvergenceWarning",
    "MixedModelResult",
    "MixedModelWarning",
    "OperatingPoint",
    "PredictiveValues",
    "Procedure",
    "Proportion",
    "Ratio",
    "RepeatedCVComparison",
    "RepeatedCVDesign",
    "Resampling",
    "ResultWarning",
    "SingularFitWarning",
    "SubgroupResult",
    "TestResult",
    "adjust_pvalues",
    "auc_logit_interval",
    "auc_power",
    "auc_sample_size",
    "average_precision",
    "average_precision_test",
    "average_ranks",
    "bayesian_correlated_ttest",
    "binormal_difference_variance",
    "bootstrap_auc_test",
    "bootstrap_metric_test",
    "cliffs_delta",
    "combined_5x2cv_ftest",
    "corrected_resampled_ttest",
    "corrected_ttest_power",
    "delong_covariance",
    "delong_equivalence_power",
    "delong_equivalence_sample_size",
    "delong_omnibus_test",
    "delong_power",
    "delong_sample_size",
    "delong_test",
    "delong_test_unpaired",
    "diagnostic_likelihood_ratio_test",
    "diagnostic_likelihood_ratios",
    "equivalence_test",
    "fit_binomial_mixed_model",
    "fit_mixed_model",
    "fold_placements",
    "friedman_test",
    "get_metric",
    "hanley_mcneil_variance",
    "hodges_lehmann",
    "iman_davenport_test",
    "kendalls_w",
    "likelihood_ratio_test",
    "max_t_adjust",
    "max_t_auc_test",
    "mcnemar_test",
    "metric_estimate",
    "metric_names",
    "metric_omnibus_test",
    "mrmc_power",
    "multiclass_auc",
    "multiclass_auc_test",
    "nemenyi_critical_difference",
    "nemenyi_pvalues",
    "noninferiority_test",
    "obuchowski_rockette_test",
    "obuchowski_variance",
    "operating_point_test",
    "paired_5x2cv_ttest",
    "paired_effect_sizes",
    "paired_metric_power",
    "paired_metric_sample_size",
    "paired_metric_test",
    "paired_ttest",
    "partial_auc",
    "partial_auc_test",
    "permutation_auc_test",
    "placements",
    "predictive_value_test",
    "predictive_values",
    "quade_test",
    "repeated_cv_comparison",
    "repeated_cv_components",
    "repeated_cv_design",
    "repeated_cv_omnibus_test",
    "repeated_cv_power",
    "repeated_cv_test",
    "repeated_cv_test_from_components",
    "repeated_operating_point_test",
    "repeated_proportion",
    "roc_auc",
    "roc_point_test",
    "roc_point_test_unpaired",
    "sensitivity_specificity",
    "sensitivity_threshold",
    "sign_test",
    "simulate_design",
    "smallest_detectable_difference",
    "smallest_equivalence_margin",
    "subgroup_auc_test",
    "venkatraman_test",
    "venkatraman_test_unpaired",
    "weighted_kappa",
    "weighted_kappa_test",
    "wilcoxon_test",
    "youden_threshold",
]

#: Public names by the module that defines them.
_NAMES = {
    "_shared.degenerate_data": ("DegenerateDataWarning",),
    "_shared.resampling": ("Resampling",),
    "crossvalidation.bayesian": ("BayesianTestResult", "bayesian_correlated_ttest"),
    "crossvalidation.comparison": ("RepeatedCVComparison", "repeated_cv_comparison"),
    "crossvalidation.components": ("CVComponents", "repeated_cv_components"),
    "crossvalidation.five_by_two": ("combined_5x2cv_ftest", "paired_5x2cv_ttest"),
    "crossvalidation.fold_placements": ("fold_placements",),
    "crossvalidation.omnibus": ("repeated_cv_omnibus_test",),
    "crossvalidation.operating_points": ("repeated_operating_point_test", "repeated_proportion"),
    "crossvalidation.repeated_cv": ("repeated_cv_test", "repeated_cv_test_from_components"),
    "crossvalidation.resampled": ("corrected_resampled_ttest",),
    "curves.auc": ("auc_logit_interval", "roc_auc"),
    "curves.bootstrap": ("bootstrap_auc_test",),
    "curves.delong": ("delong_test", "delong_test_unpaired"),
    "curves.delong_omnibus": ("delong_omnibus_test",),
    "curves.max_t": ("max_t_auc_test",),
    "curves.partial_auc": ("partial_auc", "partial_auc_test"),
    "curves.permutation": ("permutation_auc_test",),
    "curves.precision_recall": ("average_precision", "average_precision_test"),
    "curves.roc_points": ("roc_point_test", "roc_point_test_unpaired"),
    "curves.structural": ("delong_covariance", "placements"),
    "curves.subgroups": ("SubgroupResult", "subgroup_auc_test"),
    "curves.venkatraman": ("venkatraman_test",),
    "curves.venkatraman_unpaired": ("venkatraman_test_unpaired",),
    "decisions.equivalence": (
        "equivalence_test",
        "noninferiority_test",
        "smallest_equivalence_margin",
    ),
    "decisions.multiplicity": ("adjust_pvalues", "max_t_adjust"),
    "metrics.base": ("Metric",),
    "metrics.estimate": ("metric_estimate",),
    "metrics.kappa": ("weighted_kappa", "weighted_kappa_test"),
    "metrics.multiclass": ("multiclass_auc", "multiclass_auc_test"),
    "metrics.omnibus": ("metric_omnibus_test",),
    "metrics.paired": ("bootstrap_metric_test", "paired_metric_test"),
    "metrics.registry": ("get_metric", "metric_names"),
    "mixed": (
        "BinomialMixedModelResult",
        "MarginalMeans",
        "MixedModelConvergenceWarning",
        "MixedModelResult",
        "MixedModelWarning",
        "SingularFitWarning",
        "fit_binomial_mixed_model",
        "fit_mixed_model",
        "likelihood_ratio_test",
    ),
    "planning.auc_power": (
        "auc_power",
        "auc_sample_size",
        "delong_equivalence_power",
        "delong_equivalence_sample_size",
    ),
    "planning.auc_variances": ("hanley_mcneil_variance", "obuchowski_variance"),
    "planning.cv_design": ("RepeatedCVDesign", "repeated_cv_design"),
    "planning.metric_power": ("paired_metric_power", "paired_metric_sample_size"),
    "planning.delong_power": ("binormal_difference_variance", "delong_power", "delong_sample_size"),
    "planning.power": (
        "corrected_ttest_power",
        "mrmc_power",
        "repeated_cv_power",
        "smallest_detectable_difference",
    ),
    "planning.simulate": ("simulate_design",),
    "procedure": ("ElasticitySource", "Procedure", "ResultWarning"),
    "readers.mrmc": ("MRMCResult", "obuchowski_rockette_test"),
    "results": ("AUCResult", "ConfidenceInterval", "MetricResult", "TestResult"),
    "tasks.effect_sizes": ("EffectSizes", "cliffs_delta", "hodges_lehmann", "paired_effect_sizes"),
    "tasks.paired": ("paired_ttest", "sign_test", "wilcoxon_test"),
    "tasks.ranks": (
        "average_ranks",
        "friedman_test",
        "iman_davenport_test",
        "kendalls_w",
        "nemenyi_critical_difference",
        "nemenyi_pvalues",
        "quade_test",
    ),
    "thresholds.mcnemar": ("mcnemar_test", "operating_point_test"),
    "thresholds.operating": (
        "OperatingPoint",
        "Proportion",
        "sensitivity_specificity",
        "sensitivity_threshold",
        "youden_threshold",
    ),
    "thresholds.predictive": (
        "LikelihoodRatios",
        "PredictiveValues",
        "Ratio",
        "diagnostic_likelihood_ratios",
        "predictive_values",
    ),
    "thresholds.predictive_tests": (
        "diagnostic_likelihood_ratio_test",
        "predictive_value_test",
    ),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
