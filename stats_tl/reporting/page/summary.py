"""The summary in plain language, for a clinician: nothing that the data do not support.

It is made from the numbers of ``summary.json`` alone. An AUC is described as what it is: of a
hundred pairs of one case with the finding and one without, how many are ranked correctly.
"""

from __future__ import annotations

__all__ = ["VERDICTS", "cautions_of_tests", "plain_summary"]

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..measures.study_metric import StudyMetric
from ..rendering.labels import SYNTHETIC, Labels, count_word, join_words, plural, sentence_case
from ..rendering.numbers import format_interval, format_number, format_p
from ..results.comparisons import NO_VERDICT
from ..results.findings import Finding
from ..results.verdicts import reversed_arms

VERDICTS = {
    "superior": "the candidate is better; a difference this large would be rare if both were "
    "equally good",
    "inferior": "the candidate is worse; a difference this large would be rare if both were "
    "equally good",
    "equivalent": "the difference, in whichever direction, is smaller than the margin that was "
    "set as negligible",
    "non-inferior": "the candidate is not worse by more than the margin; whether it is better "
    "or equally good is open",
    "inconclusive": "the data do not settle the question: neither a difference nor its absence "
    "was shown",
    "identical": "both rank the cases in the same way",
    "not estimable": "the data do not allow a test",
    NO_VERDICT: "patients are on both sides of a split, so that the numbers cannot be trusted",
}
#: More comparisons than this are summarised as counts; the table has each.
_MOST_DESCRIBED = 6
_NBSP = "\N{NO-BREAK SPACE}"
_KEYS = ("task", "backbone", "head", "unfreeze")


def plain_summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of the summary.

    Parameters
    ----------
    summary : mapping
        The content of ``summary.json``.

    Returns
    -------
    dict
        ``warnings``, ``question``, ``findings`` (each with ``verdict``, ``where`` and ``text``),
        ``more``, ``limits`` and ``verdicts`` (those that occur, with their meaning).
    """
    rows = _numbers(summary)
    analysis, study = summary["analysis"], summary["study"]
    by = StudyMetric.of(analysis["metric"][0])
    first = [row for row in rows if row["role"] == "primary"] or rows
    rest = [row for row in rows if row not in first]
    if len(first) + len(rest) <= _MOST_DESCRIBED:
        first, rest = [*first, *rest], []
    shown, hidden = first[:_MOST_DESCRIBED], [*first[_MOST_DESCRIBED:], *rest]
    several = [key for key in _KEYS if len({row[key] for row in rows}) > 1]
    found = {row["verdict"] for row in rows}
    return {
        "warnings": [*summary.get("cautions", ()), *_warnings(study, analysis, summary["audit"])],
        "question": _question(rows, by),
        "findings": [
            {
                "verdict": row["verdict"],
                "where": ", ".join(row[key] for key in several if row[key]),
                "primary": row["role"] == "primary" and len(rows) > 1,
                "text": _finding(row, by),
            }
            for row in shown
        ],
        "more": _more(hidden),
        "limits": _limits(rows, analysis, by),
        "verdicts": [(name, text) for name, text in VERDICTS.items() if name in found],
    }


def cautions_of_tests(findings: Sequence[Finding]) -> list[str]:
    """What the tests themselves warn of, each once, with how many comparisons it is about."""
    cautions = []
    for finding in findings:
        text = str(finding.values["warning"])
        count, total = finding.values["comparisons"], finding.values["of"]
        where = f" ({count} of {plural(total, 'comparison')})" if total > 1 else ""
        cautions.append(f"{text[:1].upper()}{text[1:].rstrip('.')}{where}.")
    return cautions


def _numbers(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the comparisons with labels for names, and NaN where the JSON has null."""
    text = {*_KEYS, "arm", "reference", "role", "verdict", "estimand", "test"}
    labels = Labels(**summary.get("labels", {}))
    rows = [
        {
            key: ("" if value is None else str(value))
            if key in text
            else (math.nan if value is None else value)
            for key, value in row.items()
        }
        for row in summary["tables"]["significance"]["rows"]
    ]
    shown = labels.applied(pd.DataFrame(rows)).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in shown]


def _warnings(study: Mapping[str, Any], analysis: Mapping[str, Any], audit: list[Any]) -> list[str]:
    warnings = [SYNTHETIC] if study["synthetic"] else []
    if study["incomplete"]:
        gaps = plural(len(study["incomplete"]), "gap")
        warnings.append(
            f"The study is incomplete ({gaps}); only complete runs were used in the comparisons."
        )
    if not analysis["planned"]:
        warnings.append(
            "No analysis plan was given: the results are exploratory and need confirmation."
        )
    elif analysis["departures"]:
        warnings.append("The analysis departs from its plan: the results are exploratory.")
    problems = sum(finding["finding"] == "problem" for finding in audit)
    if problems:
        warnings.append(f"The audit lists {plural(problems, 'problem')}; see below.")
    return warnings


def _question(rows: list[dict[str, Any]], by: StudyMetric) -> str:
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    tasks = [task for task in dict.fromkeys(row["task"] for row in rows) if task]
    where = f" in {join_words(tasks)}" if 0 < len(tasks) <= _MOST_DESCRIBED else ""
    if not by.is_auc:
        return (
            f"Which gives better models{where}: {join_words(arms)}, or the reference, "
            f"{rows[0]['reference']}? The measure is the {by.label}, of which {by.better} values "
            "are better."
        )
    return (
        "Which gives models that better distinguish cases with the finding from cases without it"
        f"{where}: {join_words(arms)}, or the reference, {rows[0]['reference']}? The measure is "
        "the AUC: of all pairs of one case with and one case without the finding, the proportion "
        "in which the model gives the higher score to the case with it. Guessing ranks 50 of 100 "
        "pairs correctly, and a perfect model all 100."
    )


def _finding(row: Mapping[str, Any], by: StudyMetric) -> str:
    arm, reference, verdict = row["arm"], row["reference"], row["verdict"]
    margin = row["margin"]
    a, b = row[by.key], row[f"{by.key}_reference"]
    pairs = (
        f"{_pairs(a)} of 100 pairs were ranked correctly with {arm}, and "
        f"{_pairs(b)} with {reference}"
        if by.is_auc
        else f"the {by.label} was {format_number(a)} with {arm} and {format_number(b)} with "
        f"{reference}"
    )
    interval = format_interval(row["difference_low"], row["difference_high"])
    level = f"{100 * row['confidence_level']:g} %"
    numbers = (
        f"difference in {by.difference}, {format_number(row['difference'])}; {level} confidence "
        f"interval, {interval}; adjusted P{_NBSP}{_p(row['pvalue_adjusted'], row['alpha'])}"
    )
    if verdict in ("superior", "inferior"):
        word = "better" if verdict == "superior" else "worse"
        turned = reversed_arms(row) if by.is_auc else ()
        doubt = (
            f" The scores of {join_words(turned)} rank the cases the wrong way round, as those of "
            "the other class would."
            if turned
            else ""
        )
        return sentence_case(f"{arm} was {word} than {reference}: {pairs} ({numbers}).{doubt}")
    if verdict == "equivalent":
        return sentence_case(
            f"{arm} and {reference} were equivalent within the margin of ± {margin:g}: {pairs} "
            f"({numbers})."
        )
    if verdict == "non-inferior":
        return sentence_case(
            f"{arm} was not worse than {reference} by more than the margin of {margin:g}, and "
            f"whether it is better or equally good is open: {pairs} ({numbers})."
        )
    if verdict == "identical":
        return sentence_case(f"{arm} and {reference} {_alike(by)}: {pairs}.")
    if verdict in (NO_VERDICT, "not estimable"):
        return (
            f"The data do not allow a test of {arm} against {reference}, although {pairs}."
            if verdict == "not estimable"
            else f"No verdict on {arm} against {reference} is given, because models were tested on "
            f"patients they were trained on: {pairs} ({numbers})."
        )
    text = (
        f"The data do not settle whether {arm} or {reference} is better: {pairs} ({numbers}). "
        "This does not show that they are equal."
    )
    detectable = row["smallest_detectable_difference"]
    if math.isnan(detectable):
        text += " At this precision even the largest possible difference would have been missed."
    if not math.isnan(detectable):
        text += (
            f" A true difference of {format_number(detectable)} would have been detected with "
            f"{100 * row['power']:g} % probability; a smaller one may well have been missed."
        )
    return text


def _more(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    counts = {name: sum(row["verdict"] == name for row in rows) for name in VERDICTS}
    found = {name: count for name, count in counts.items() if count}
    if len(found) == 1:
        (name,) = found
        return (
            f"There was one further comparison, which was {name}; the table has it."
            if len(rows) == 1
            else f"There were {count_word(len(rows))} further comparisons, all {name}; the table "
            "has each."
        )
    listed = join_words([f"{count_word(count)} {name}" for name, count in found.items()])
    return f"There were {count_word(len(rows))} further comparisons ({listed}); the table has each."


def _alike(by: StudyMetric) -> str:
    return "rank the cases in the same way" if by.is_auc else by.alike


def _limits(rows: list[dict[str, Any]], analysis: Mapping[str, Any], by: StudyMetric) -> list[str]:
    estimands = list(dict.fromkeys(row["estimand"] for row in rows if row["estimand"]))
    limits = [f"The conclusions apply to {text}." for text in estimands]
    if any(row["n_folds"] > 1 for row in rows):
        limits.append(
            "Training and test cases come from the same collection; performance elsewhere was not "
            "studied."
        )
    better = (
        ""
        if any(row["test"] == "mrmc" for row in rows)
        else "whether a reader decides better with such a model, nor "
    )
    limits.append(
        f"The AUC measures how well cases are ranked. It does not show {better}whether patients "
        "benefit."
        if by.is_auc
        else f"The {by.label} does not show {better}whether patients benefit."
    )
    if len(rows) > 1 and analysis["correction"] != "none":
        limits.append("P values are adjusted for the number of comparisons.")
    if analysis["margin"] is None:
        limits.append(
            "No margin was set below which a difference is negligible, so that no comparison can "
            "be called equivalent."
        )
    return limits


def _pairs(auc: float) -> str:
    return "–" if math.isnan(auc) else f"{100 * auc:.0f}"


def _p(pvalue: float, alpha: float) -> str:
    text = format_p(pvalue, alpha)
    sign, number = (text[0], text[1:]) if text[:1] in ("<", ">") else ("=", text)
    return f"{sign}{_NBSP}{number}"
