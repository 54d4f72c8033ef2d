"""``summary.json``: every number of a report for programs, as strict JSON.

Numbers have full precision; what could not be estimated is ``null``, never NaN, and an
infinite value is the text ``"inf"`` or ``"-inf"``. docs/report.md documents the keys.
"""

from __future__ import annotations

__all__ = ["summarize"]

from collections.abc import Sequence
from typing import Any

import pandas as pd

from .. import __version__
from .rendering.encoding import SUMMARY_VERSION, plain, records, tables_json
from .rendering.labels import KINDS
from .rendering.parts import Absent, Section
from .results.material import Material


def summarize(
    material: Material,
    sections: Sequence[Section],
    absent: Sequence[Absent],
    audit: pd.DataFrame,
    cautions: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything that the report says in numbers, as JSON types."""
    options, evidence = material.options, material.evidence
    return {
        "summary_version": SUMMARY_VERSION,
        "written_by": f"stats_tl {__version__}",
        "study": {
            "name": material.name,
            "title": material.title,
            "source": evidence.source,
            "sha256": evidence.digest,
            "synthetic": bool(material.synthetic),
            "incomplete": list(material.lacking),
        },
        "labels": {kind: dict(getattr(material.labels, kind)) for kind in KINDS},
        "analysis": plain(
            {
                "reference": material.reference,
                "alpha": options.alpha,
                "metric": list(options.metric) or ["roc_auc"],
                "margin": options.margin,
                "correction": options.correction,
                "primary": dict(options.primary),
                "power": options.power,
                "planned": options.planned,
                "families": list(options.families),
                "subgroups": None if options.subgroups is None else list(options.subgroups),
                "target_sensitivity": options.target_sensitivity,
                "threshold": options.threshold,
                "clinical_table": options.clinical_table,
                "prevalence": options.prevalence,
                "net_benefit_thresholds": None
                if options.net_benefit_thresholds is None
                else list(options.net_benefit_thresholds),
                "departures": list(options.departures),
                "plan_sha256": options.plan_sha256,
                "plan_sha256_of": options.plan_source,
            }
        ),
        "tables": tables_json(sections),
        "absent": {part.name: part.reason for part in absent},
        "audit": records(audit),
        "cautions": list(cautions),
    }
