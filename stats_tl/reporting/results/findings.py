"""What limits the results of a study, as data: sentences are made of it last.

A :class:`Finding` has a code, what it is about, and its numbers or names. The notes below
tables, the paragraphs and the page each say it in their own words
(:mod:`stats_tl.reporting.tables.notes`).
"""

from __future__ import annotations

__all__ = [
    "CAUTIONS",
    "Finding",
    "exploratory_findings",
    "general_findings",
    "plan_findings",
    "secondary_findings",
    "test_findings",
    "warning_findings",
]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from ..evidence.options import AnalysisOptions
from .audit import audit_cautions
from .comparisons import Comparisons
from .material import Material
from .pairs import of_hold_outs
from .verdicts import reversed_arms

Code = Literal[
    "unknown-patients",
    "leakage",
    "reversed",
    "score-problem",
    "audit",
    "single-test-set",
    "test-warning",
    "departures",
    "unplanned",
    "plan",
    "incomplete",
    "synthetic",
]


#: Of the data and the scores: what a reader must know before the numbers, in this order.
CAUTIONS: tuple[Code, ...] = ("leakage", "reversed", "score-problem", "audit", "unknown-patients")


@dataclass(frozen=True)
class Finding:
    """Something that a reader of the numbers must know.

    Attributes
    ----------
    code : str
    tasks : tuple of str
        The tasks it is about; empty: the whole study.
    values : dict
        ``audit``: ``found`` and ``effect`` (what it would change);
        ``leakage``: ``patients`` (on both sides); ``reversed``: ``arm``, its ``auc, low, high``
        where it is lowest, and ``others`` (arms compared with it that are not reversed);
        ``score-problem``: ``kind, arm, share`` of a :class:`~..evidence.checks.ScoreProblem`;
        ``unknown-patients``: ``crossed`` (whether there were splits); ``test-warning``:
        ``warning`` (of the test), ``comparisons`` (how many have it) and
        ``of``; ``departures``: ``departures``; ``plan``: ``sha256, source``; ``incomplete``:
        ``gaps`` and ``complete_runs`` (whether the numbers are of complete runs only). Others
        have none.
    """

    code: Code
    tasks: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


def general_findings(material: Material) -> list[Finding]:
    """About a table that describes all that was trained."""
    return _data_findings(material, complete_runs=False)


def test_findings(material: Material) -> list[Finding]:
    """About a table of tests, which use complete runs only."""
    table = material.comparisons
    found = []
    read = any(aligned.readers for aligned in material.settings)
    if ((table["n_folds"] <= 1) & ~of_hold_outs(table)).any() and not read:
        found.append(Finding("single-test-set"))
    found = [
        *score_findings(material),
        *(
            Finding("audit", (task,) if task else (), {"found": detail, "effect": effect})
            for task, detail, effect in audit_cautions(material)
        ),
        *found,
        *warning_findings(material.compared),
        *exploratory_findings(material.options),
        *plan_findings(material.options),
        *_data_findings(material, complete_runs=True),
    ]
    first = {code: number for number, code in enumerate(CAUTIONS)}
    return sorted(found, key=lambda finding: first.get(finding.code, len(first)))


def score_findings(material: Material) -> list[Finding]:
    """What the scores give away about themselves: reversed classes, labels, confidence."""
    found = []
    turned = _reversed(material.comparisons) if material.metric.is_auc else {}
    for (arm, low_task), own in turned.items():
        found.append(Finding("reversed", (low_task,) if low_task else (), {"arm": arm, **own}))
    for problem in material.problems:
        values = {"kind": problem.kind, "arm": problem.arm, "share": problem.share}
        found.append(Finding("score-problem", (problem.task,) if problem.task else (), values))
    return found


def _reversed(table: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """Arms whose AUC lies below 1/2 with its whole interval, by arm and task."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in table.to_dict("records"):
        sides = {
            str(row["arm"]): (row["auc"], row["auc_low"], row["auc_high"]),
            str(row["reference"]): tuple(
                row[f"auc_reference{end}"] for end in ("", "_low", "_high")
            ),
        }
        below = set(reversed_arms(row))
        for arm in below:
            auc, low, high = sides[arm]
            own = found.setdefault(
                (arm, str(row["task"])), {"auc": auc, "low": low, "high": high, "others": ()}
            )
            if auc < own["auc"]:
                own.update(auc=auc, low=low, high=high)
            own["others"] = tuple(sorted({*own["others"], *(set(sides) - below)}))
    return found


def secondary_findings(material: Material) -> list[Finding]:
    """About a table of secondary tests, which have cautions of their own."""
    return [
        *exploratory_findings(material.options),
        *_data_findings(material, complete_runs=True),
    ]


def warning_findings(compared: Comparisons) -> list[Finding]:
    """What the tests themselves warn of, each once."""
    where: dict[str, list[str]] = {}
    for task, warnings in zip(compared.table["task"].astype(str), compared.warnings, strict=True):
        for warning in dict.fromkeys(warnings):
            if getattr(warning, "code", "") == "straddling-patients":
                continue  # told as leakage, in every table
            where.setdefault(warning, []).append(task)
    total = len(compared.table)
    return [
        Finding(
            "test-warning",
            # Of all comparisons, or without names of tasks: of the whole study.
            tuple(dict.fromkeys(tasks)) if len(tasks) < total and all(tasks) else (),
            {"warning": warning, "comparisons": len(tasks), "of": total},
        )
        for warning, tasks in where.items()
    ]


def exploratory_findings(options: AnalysisOptions) -> list[Finding]:
    """That the analysis was not planned, or not so; nothing where it was."""
    if options.departures:
        return [Finding("departures", values={"departures": options.departures})]
    return [] if options.planned else [Finding("unplanned")]


def plan_findings(options: AnalysisOptions) -> list[Finding]:
    """The hash of the analysis plan, so that a registered one can be recognised."""
    if not options.plan_sha256:
        return []
    values = {"sha256": options.plan_sha256, "source": options.plan_source}
    return [Finding("plan", values=values)]


def _unknown_patients(material: Material) -> list[Finding]:
    """That nobody knows the patients, in some tasks or in all."""
    unknown = material.sample["n_patients"].isna()
    if not unknown.any():
        return []
    tasks = tuple(material.sample.loc[unknown, "task"].astype(str)) if not unknown.all() else ()
    crossed = bool((material.comparisons["n_folds"] > 1).any())
    return [Finding("unknown-patients", tasks, {"crossed": crossed})]


def _data_findings(material: Material, *, complete_runs: bool) -> list[Finding]:
    """What limits every number of the report: unknown patients, gaps and made-up data."""
    found = [
        Finding("leakage", (task,) if task else (), {"patients": len(torn)})
        for task, torn in material.divided.items()
    ]
    found += _unknown_patients(material)
    if material.lacking:
        values = {"gaps": material.lacking, "complete_runs": complete_runs}
        found.append(Finding("incomplete", values=values))
    return [*found, Finding("synthetic")] if material.synthetic else found
