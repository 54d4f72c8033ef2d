"""Metrics as a plan and a command line name them: ``average_precision``, ``f1:threshold=0.5``.

Spelt out here, where neither the statistics nor torch is needed to read a plan; the metrics
themselves are those of :func:`stats_tl.stats.get_metric`.
"""

from __future__ import annotations

__all__ = ["CLASS_METRICS", "STUDY_METRICS", "Option", "check_metrics", "parse_metric"]

import math

from .errors import suggest

#: A number, or from where to where.
Option = float | tuple[float, float]
_DECISION = ("threshold",)
#: Metrics of a study's scores, with the options that each takes.
STUDY_METRICS: dict[str, tuple[str, ...]] = {
    "roc_auc": (),
    "average_precision": (),
    "partial_auc": ("specificity", "sensitivity"),
    "sensitivity_at_specificity": ("specificity",),
    "specificity_at_sensitivity": ("sensitivity",),
    "brier_score": (),
    "log_loss": (),
    "accuracy": _DECISION,
    "net_benefit": _DECISION,
    "balanced_accuracy": _DECISION,
    "f1": _DECISION,
    "matthews_corrcoef": _DECISION,
    "sensitivity": _DECISION,
    "specificity": _DECISION,
    "ppv": ("prevalence", *_DECISION),
    "npv": ("prevalence", *_DECISION),
    "positive_likelihood_ratio": _DECISION,
    "negative_likelihood_ratio": _DECISION,
    "calibration_intercept": (),
    "calibration_slope": (),
}
#: Metrics of the scores of several classes, and of grades; they have no options.
CLASS_METRICS = ("roc_auc_ovr", "roc_auc_ovo", "quadratic_kappa")
#: Those that mean nothing without their option, with an example of it.
_NEEDED = {
    "partial_auc": "specificity=0.9-1",
    "sensitivity_at_specificity": "specificity=0.9",
    "specificity_at_sensitivity": "sensitivity=0.9",
    "net_benefit": "threshold=0.1",
}
#: Best at a value in between: there is no better arm to find.
_NO_DIRECTION = ("calibration_intercept", "calibration_slope")


def parse_metric(text: str) -> tuple[str, dict[str, Option]]:
    """Name and options of a metric.

    Parameters
    ----------
    text : str
        ``NAME``, or ``NAME:OPTION=VALUE,OPTION=VALUE``; the value of 'partial_auc' is a range,
        ``0.9-1``.

    Returns
    -------
    tuple of str and dict

    Raises
    ------
    ValueError
        If the metric or an option is unknown, missing, or not a number that it can be.

    Examples
    --------
    >>> parse_metric("partial_auc:specificity=0.9-1")
    ('partial_auc', {'specificity': (0.9, 1.0)})
    """
    name, _, rest = (part.strip() for part in text.partition(":"))
    if name == "mean":
        raise ValueError(
            "'mean' is of a value of each case: give --scores a table with a column 'value'"
        )
    if name not in (*STUDY_METRICS, *CLASS_METRICS):
        raise ValueError(
            f"{text!r} is no metric; {suggest(name, (*STUDY_METRICS, *CLASS_METRICS))}"
        )
    takes = STUDY_METRICS.get(name, ())
    options: dict[str, Option] = {}
    for entry in filter(None, rest.split(",")):
        option, sign, value = (part.strip() for part in entry.partition("="))
        if option not in takes or not sign:
            known = (
                f"takes {' or '.join(f'{own}=NUMBER' for own in takes)}" if takes else "has none"
            )
            raise ValueError(f"{entry.strip()!r} is no option of metric {name!r}, which {known}")
        if option in options:
            raise ValueError(f"option {option!r} of metric {name!r} is there more than once")
        options[option] = _option(name, option, value)
    if name in _NEEDED and len(options) != 1:
        raise ValueError(f"metric {name!r} needs one option: {name}:{_NEEDED[name]}")
    return name, options


def check_metrics(
    given: str | list[str] | None, *, classes: bool = False
) -> str | list[str] | None:
    """`given` if these are metrics of a study, the primary first; ValueError otherwise.

    With `classes`, metrics of several classes are allowed.
    """
    if given is None:
        return None
    spelt = [given] if isinstance(given, str) else given
    if not spelt:
        raise ValueError("the list is empty; name a metric, or leave it out for the AUC")
    parsed = [parse_metric(text) for text in spelt]
    if any(parsed.count(one) > 1 for one in parsed):
        raise ValueError("a metric is there more than once")
    of_classes = [name for name, _ in parsed if name in CLASS_METRICS]
    if of_classes and not classes:
        raise ValueError(
            f"{of_classes[0]!r} is of several classes, and a plan trains for two; it is for "
            "predictions of several, `report --scores`"
        )
    if parsed[0][0] in _NO_DIRECTION:
        raise ValueError(
            f"{spelt[0]!r} is best at a value in between, so that no arm is better by it; name "
            "another metric first, and it becomes a secondary one"
        )
    return given


def _option(name: str, option: str, text: str) -> Option:
    """The value of an option: a range of 'partial_auc', else a number."""
    parts = text.split("-") if name == "partial_auc" else [text]
    expected = "a range from 0 to 1, such as 0.9-1" if name == "partial_auc" else "a number"
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    ok = len(numbers) == (2 if name == "partial_auc" else 1) and all(map(math.isfinite, numbers))
    if ok and name == "partial_auc":
        ok = 0 <= numbers[0] < numbers[1] <= 1
    elif ok and (option != "threshold" or name == "net_benefit"):
        ok, expected = 0 < numbers[0] < 1, "a number above 0 and below 1"
    if not ok:
        raise ValueError(f"{option} of metric {name!r} must be {expected}, got {text!r}")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])
