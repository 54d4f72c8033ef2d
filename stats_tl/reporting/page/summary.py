"""The summary in plain language, for a clinician: nothing that the data do not support.

It is made from the numbers of ``summary.json`` alone. An AUC is told as what it is: of a hundred
pairs of one case with the finding and one without, how many are ranked correctly.
"""

from __future__ import annotations

__all__ = ["VERDICTS", "cautions_of_tests", "plain_summary"]

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..rendering.labels import SYNTHETIC, describe_unfreeze, join_words, plural
from ..rendering.numbers import format_interval, format_number, format_p
from ..results.findings import Finding

VERDICTS = {
    "superior": "the candidate is better; a difference this large would be rare if both were "
    "equally good",
    "inferior": "the candidate is worse; a difference this large would be rare if both were "
    "equally good",
    "equivalent": "the difference, whatever its direction, is smaller than the margin that was "
    "set as too small to matter",
    "non-inferior": "the candidate is not worse by more than the margin; whether it is better "
    "or equal is open",
    "inconclusive": "the data do not settle the question: neither a difference nor its absence "
    "is shown",
    "identical": "both rank the cases in the same way",
    "not estimable": "the data do not allow a test",
}
#: More comparisons than this are told as a count; the table has each.
_MOST_TOLD = 6
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
    told = [row for row in rows if row["role"] == "primary"] or rows
    rest = [row for row in rows if row not in told]
    if len(told) + len(rest) <= _MOST_TOLD:
        told, rest = [*told, *rest], []
    shown, hidden = told[:_MOST_TOLD], [*told[_MOST_TOLD:], *rest]
    several = [key for key in _KEYS if len({row[key] for row in rows}) > 1]
    found = {row["verdict"] for row in rows}
    return {
        "warnings": _warnings(study, analysis, summary["audit"]),
        "question": _question(rows),
        "findings": [
            {
                "verdict": row["verdict"],
                "where": _where(row, several),
                "primary": row["role"] == "primary" and len(rows) > 1,
                "text": _finding(row),
            }
            for row in shown
        ],
        "more": _more(hidden),
        "limits": _limits(rows, analysis),
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
    """Rows of the comparisons with NaN where the JSON has null."""
    text = {*_KEYS, "arm", "reference", "role", "verdict", "estimand", "test"}
    return [
        {
            key: ("" if value is None else str(value))
            if key in text
            else (math.nan if value is None else value)
            for key, value in row.items()
        }
        for row in summary["tables"]["significance"]["rows"]
    ]


def _warnings(study: Mapping, analysis: Mapping, audit: list) -> list[str]:
    warnings = [SYNTHETIC] if study["synthetic"] else []
    if study["incomplete"]:
        gaps = plural(len(study["incomplete"]), "gap")
        warnings.append(f"The study is not complete ({gaps}); complete runs alone are compared.")
    if not analysis["planned"]:
        warnings.append(
            "There was no plan of the analysis: the results are exploratory and need confirmation."
        )
    elif analysis["departures"]:
        warnings.append("The analysis departs from its plan: the results are exploratory.")
    problems = sum(finding["finding"] == "problem" for finding in audit)
    if problems:
        warnings.append(f"The audit lists {plural(problems, 'problem')}; see below.")
    return warnings


def _question(rows: list[dict[str, Any]]) -> str:
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    tasks = [task for task in dict.fromkeys(row["task"] for row in rows) if task]
    where = f" on {join_words(tasks)}" if 0 < len(tasks) <= _MOST_TOLD else ""
    first = rows[0]
    return (
        f"Which is better for models that tell cases with the finding from cases without"
        f"{where}: {join_words(arms)}, or the reference, {first['reference']}? The measure is the "
        "AUC: of all pairs of one case with and one case without the finding, the share in which "
        "the model gives the higher score to the one with it. Guessing gives 50 of 100 pairs, a "
        "perfect model 100."
    )


def _where(row: Mapping[str, Any], several: list[str]) -> str:
    words = [describe_unfreeze(row[key]) if key == "unfreeze" else row[key] for key in several]
    return ", ".join(filter(None, words))


def _finding(row: Mapping[str, Any]) -> str:
    arm, reference, verdict = row["arm"], row["reference"], row["verdict"]
    margin = row["margin"]
    pairs = (
        f"{_pairs(row['auc'])} of 100 pairs are ranked correctly with {arm}, "
        f"{_pairs(row['auc_reference'])} with {reference}"
    )
    interval = format_interval(row["difference_low"], row["difference_high"])
    level = f"{100 * row['confidence_level']:g} %"
    numbers = (
        f"difference in AUC {format_number(row['difference'])}, {level} confidence interval "
        f"{interval}, adjusted P{_NBSP}{_p(row['pvalue_adjusted'], row['alpha'])}"
    )
    if verdict in ("superior", "inferior"):
        word = "better" if verdict == "superior" else "worse"
        return f"{arm} is {word} than {reference}: {pairs} ({numbers})."
    if verdict == "equivalent":
        return (
            f"{arm} and {reference} are equivalent within the margin of ± {margin:g}: {pairs} "
            f"({numbers})."
        )
    if verdict == "non-inferior":
        return (
            f"{arm} is not worse than {reference} by more than the margin of {margin:g}; whether "
            f"it is better or equal is open: {pairs} ({numbers})."
        )
    if verdict == "identical":
        return f"{arm} and {reference} rank the cases alike: {pairs}."
    if verdict == "not estimable":
        return f"{arm} against {reference}: {pairs}; the data do not allow a test."
    text = (
        f"The data do not settle whether {arm} or {reference} is better: {pairs} ({numbers}). "
        "This does not show that they are equal."
    )
    detectable = row["smallest_detectable_difference"]
    if not math.isnan(detectable):
        text += (
            f" A true difference of {format_number(detectable)} or more would have been found "
            f"with {100 * row['power']:g} % probability; a smaller one may well have been missed."
        )
    return text


def _more(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    counts = {name: sum(row["verdict"] == name for row in rows) for name in VERDICTS}
    listed = join_words([f"{count} {name}" for name, count in counts.items() if count])
    return f"Further comparisons: {len(rows)}, of which {listed}; the table has each."


def _limits(rows: list[dict[str, Any]], analysis: Mapping[str, Any]) -> list[str]:
    estimands = list(dict.fromkeys(row["estimand"] for row in rows if row["estimand"]))
    limits = [f"The conclusion is about {join_words(estimands)}."] if estimands else []
    if any(row["n_folds"] > 1 for row in rows):
        limits.append(
            "Training and test cases come from the same collection, each patient on one side "
            "only where patients are known; how the models do elsewhere was not studied."
        )
    limits.append(
        "The AUC tells how well cases are ranked. It does not tell whether a reader with such a "
        "model decides better, nor whether patients benefit."
    )
    if len(rows) > 1 and analysis["correction"] != "none":
        limits.append("P values are adjusted for the number of comparisons.")
    if analysis["margin"] is None:
        limits.append(
            "No margin was set below which a difference does not matter, so that no comparison "
            "can end as equivalent."
        )
    return limits


def _pairs(auc: float) -> str:
    return "–" if math.isnan(auc) else f"{100 * auc:.0f}"


def _p(pvalue: float, alpha: float) -> str:
    text = format_p(pvalue, alpha)
    sign, number = (text[0], text[1:]) if text[:1] in ("<", ">") else ("=", text)
    return f"{sign}{_NBSP}{number}"
