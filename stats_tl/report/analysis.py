"""The settings of an analysis: those of the plan, of ``--plan`` and of the flags."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import UserError
from .parser import parse_names, parse_numbers

if TYPE_CHECKING:
    from ..reporting import AnalysisOptions, Evidence


def analysis_options(evidence: Evidence, options: argparse.Namespace) -> AnalysisOptions:
    """The archive's plan, then --plan, then the flags; the later prevail."""
    from ..reporting import AnalysisOptions

    analysis = AnalysisOptions.from_archive(
        evidence.plan.get("analysis"), reference=evidence.reference
    )
    return overridden(planned(analysis, options), options)


def planned(analysis: AnalysisOptions, options: argparse.Namespace) -> AnalysisOptions:
    """What ``--plan`` makes of the options."""
    from ..reporting import AnalysisOptions, read_analysis_plan

    if options.plan is None:
        return analysis
    table, reference, sha256 = read_analysis_plan(options.plan)
    given = AnalysisOptions.from_plan(
        table, source=str(options.plan), reference=reference, sha256=sha256
    )
    if not analysis.planned:
        return given
    changes = {**({"reference": reference} if reference else {}), **table}
    return analysis.override(f"in {options.plan.name}", **changes)


def labels(options: argparse.Namespace) -> dict[str, dict[str, str]]:
    """The labels in the files of ``--plan`` and ``--labels``; the latter prevail."""
    from ..study.labels import read_labels

    found: dict[str, dict[str, str]] = {}
    for path in filter(None, (options.plan, options.labels)):
        for kind, names in read_labels(path).items():
            found[kind] = {**found.get(kind, {}), **names}
    return found


def overridden(analysis: AnalysisOptions, options: argparse.Namespace) -> AnalysisOptions:
    """What the flags make of the options."""
    from ..reporting import parse_mapping

    return analysis.override(
        "on the command line",
        reference=options.reference,
        margin=options.margin,
        metric=options.metric,
        alpha=options.alpha,
        correction=options.correction,
        primary=options.primary
        and parse_mapping(options.primary, "--primary", "task=breast,backbone=resnet50"),
        families=parse_names(options.families),
        subgroups=parse_names(options.subgroups),
        target_sensitivity=options.target_sensitivity,
        threshold=options.threshold,
        clinical_table=options.clinical_table,
        prevalence=options.prevalence,
        net_benefit_thresholds=parse_numbers(
            options.net_benefit_thresholds, "--net-benefit-thresholds", "0.1,0.2"
        ),
    )


def without_metric(options: argparse.Namespace, why: str) -> AnalysisOptions:
    """The options of a report that has no choice of metric."""
    from ..reporting import AnalysisOptions

    analysis = overridden(planned(AnalysisOptions(), options), options)
    if analysis.metric:
        raise UserError(
            f"--metric ([analysis] metric) is of scores of two classes; {why}. Leave it out"
        )
    return analysis
