"""From the parts of a report to the bytes of its page."""

from __future__ import annotations

__all__ = ["build_page"]

import base64
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from ...visible import visible
from ..rendering.labels import Labels
from ..rendering.parts import Absent, RenderedDrawing, Words
from ..rendering.table import Table
from ..results.findings import Finding
from ..text.bibliography import number_references, paragraph
from .summary import cautions_of_tests, plain_summary
from .views import (
    AUDIT_MARKS,
    absent_sentence,
    audit_rows,
    cell_table,
    figure_view,
    table_view,
)

#: Letters of scripts that are written from right to left, and what stands between them.
_RIGHT_TO_LEFT = re.compile(
    "([\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]"
    "(?:[^<>&]*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc])?)"
)


def build_page(
    *,
    title: str,
    tables: Sequence[Table],
    figures: Sequence[RenderedDrawing],
    absent: Sequence[Absent],
    words: Words,
    warnings: Sequence[Finding],
    audit: pd.DataFrame,
    summary: Mapping[str, Any],
    cells: pd.DataFrame,
) -> bytes:
    """The page of a report, made from what was built for the files.

    Parameters
    ----------
    title : str
        Title or name of the study.
    tables : sequence of Table
        In the order of the report, notes included.
    figures : sequence of RenderedDrawing
    absent : sequence of Absent
        Tables and figures that the study does not allow.
    words : Words
    warnings : sequence of Finding
        As from :func:`~..results.findings.warning_findings`.
    audit : DataFrame
        As from :func:`~stats_tl.reporting.audit_findings`: ``check, task, finding, detail``,
        `finding` one of ``ok, problem, unknown``.
    summary : dict
        The content of ``summary.json``.
    cells : DataFrame
        One row per trained cell: keys, ``auc``, and what else is recorded.

    Returns
    -------
    bytes
        HTML in UTF-8, the same for the same arguments.
    """
    style, script = _resource("page.css"), _resource("page.js")
    references = number_references(words)
    labels = Labels(**summary.get("labels", {}))
    text = _template().render(
        title=title,
        study=summary["study"],
        analysis=summary["analysis"],
        program=summary["written_by"],
        policy=_policy(style, script),
        # Our own files, not a user's text.
        style=Markup(style),
        script=Markup(script),
        plain=plain_summary(summary),
        tables=[table_view(table, number) for number, table in enumerate(tables, 1)],
        figures=[figure_view(drawing, number) for number, drawing in enumerate(figures, 1)],
        absent=[absent_sentence(part) for part in absent],
        methods=[paragraph(text, references) for text in words.methods],
        results=[paragraph(text, references) for text in words.results],
        references=references,
        checklist=_checklist(words),
        audit=audit_rows(audit),
        marks=AUDIT_MARKS,
        cautions=cautions_of_tests(warnings),
        cells=cell_table(cells, labels),
        labels=labels,
    )
    return text.encode("utf-8")


def _checklist(words: Words) -> list[tuple[str, list[dict[Any, Any]]]]:
    """Guidelines with their items."""
    if words.checklist.empty:
        return []
    texts = words.checklist.fillna("").astype(str)
    groups = texts.groupby("guideline", sort=False)
    return [(str(name), rows.to_dict("records")) for name, rows in groups]


def _policy(style: str, script: str) -> str:
    """Content-Security-Policy: our style and script by their hash, images in the page itself."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src {_source_hash(style)}",
            f"script-src {_source_hash(script)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _source_hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _shown(value: Any) -> Any:
    """What a placeholder shows; our own style and script are not the user's text."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _isolated(text: str) -> Markup:
    """Text in which runs from right to left do not turn what stands beside them."""
    return Markup(_RIGHT_TO_LEFT.sub(r"<bdi>\1</bdi>", str(escape(visible(text)))))


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["isolated"] = _isolated
    return environment.from_string(_resource("page.html"))
