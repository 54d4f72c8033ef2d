"""A metric of a study: what it is, and how a sentence speaks of it."""

from __future__ import annotations

__all__ = ["AUC", "StudyMetric", "further_metrics", "primary_metric"]

from dataclasses import dataclass
from functools import cached_property

from ...metric_names import Option, parse_metric
from ...stats import Metric, get_metric
from ..evidence.options import AnalysisOptions
from ..rendering.labels import sentence_case

#: Names that stand in a sentence as they are, and those of an area or an index.
_SHORT = {"roc_auc": "AUC", "matthews_corrcoef": "Matthews correlation"}

_SCALES = {
    "logit": "on the logit scale",
    "log": "on the logarithmic scale",
    "wald": "by Wald’s method",
    "wilson": "by Wilson’s method at the effective number of cases",
}


@dataclass(frozen=True)
class StudyMetric:
    """A metric as the analysis plan names it.

    Attributes
    ----------
    name : str
        One of :data:`~stats_tl.metric_names.STUDY_METRICS`.
    options : tuple of (str, value)
        As the plan gives them.
    """

    name: str
    options: tuple[tuple[str, Option], ...] = ()

    @classmethod
    def of(cls, text: str) -> StudyMetric:
        """The metric that a plan or a command line spells."""
        name, options = parse_metric(text)
        return cls(name, tuple(options.items()))

    @cached_property
    def metric(self) -> Metric:
        """What computes it."""
        own = dict(self.options)
        if self.name != "net_benefit":
            own.pop("threshold", None)
        return get_metric(self.name, **own)

    @property
    def threshold(self) -> float | None:
        """Of decisions: the threshold that the plan names."""
        given = dict(self.options).get("threshold")
        fixed = isinstance(given, float) and self.metric.needs == "decisions"
        return given if fixed and isinstance(given, float) else None

    @property
    def is_auc(self) -> bool:
        """Whether it is the AUC, which has tests, tables and figures of its own."""
        return self.name == "roc_auc"

    @property
    def by_case(self) -> bool:
        """Whether it has thresholds that were set on tuning cases."""
        return self.metric.needs == "decisions" and self.threshold is None

    @property
    def higher_is_better(self) -> bool:
        """False where lower values are better."""
        return self.metric.higher_is_better is not False

    @property
    def label(self) -> str:
        """Within a sentence, without an article."""
        return _SHORT.get(self.name, self.metric.label)

    @property
    def header(self) -> str:
        """At the head of a column or a sentence."""
        return sentence_case(self.label)

    @property
    def values(self) -> str:
        """Several of them, at the head of a sentence before "are"."""
        return "AUCs" if self.is_auc else f"Values of the {self.label}"

    @property
    def one(self) -> str:
        """Of one arm: "those of an AUC"."""
        return "an AUC" if self.is_auc else f"the {self.label} of an arm"

    @property
    def scale(self) -> str:
        """How the interval of an arm is computed."""
        return _SCALES[self.metric.interval]

    @property
    def alike(self) -> str:
        """What identical arms do."""
        if self.metric.needs == "scores":
            return "rank every pair of cases in the same way"
        return "have the same scores or calls"

    @property
    def key(self) -> str:
        """Of its columns in files: ``auc``, ``brier_score``."""
        return "auc" if self.is_auc else self.name

    @property
    def difference(self) -> str:
        """What a difference is of."""
        return f"logarithm of the {self.label}" if self.logarithmic else self.label

    @property
    def logarithmic(self) -> bool:
        """Whether differences are of logarithms."""
        return self.metric.interval == "log"

    @property
    def better(self) -> str:
        """Which of two values is the better one."""
        return "higher" if self.higher_is_better else "lower"

    def of_columns(self) -> dict[str, str]:
        """Columns of a table of comparisons, which are named after the AUC, in its own name."""
        ends = ("", "_low", "_high", "_reference", "_reference_low", "_reference_high")
        return {f"auc{end}": f"{self.key}{end}" for end in ends}


AUC = StudyMetric("roc_auc")


def primary_metric(options: AnalysisOptions) -> StudyMetric:
    """The metric of the main comparisons."""
    return StudyMetric.of(options.metric[0]) if options.metric else AUC


def further_metrics(options: AnalysisOptions) -> tuple[StudyMetric, ...]:
    """Secondary metrics."""
    return tuple(StudyMetric.of(text) for text in options.metric[1:])
