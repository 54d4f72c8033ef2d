"""Formulas as MathML, which browsers draw themselves: no script, no font, no network."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx


def convert(text: str, *, as_block: bool) -> str:
    """TeX as a ``<math>`` element; lines divided by ``\\\\`` are aligned at their ``&``."""
    if as_block and (r"\\" in text or "&" in text):
        text = rf"\begin{{aligned}}{text}\end{{aligned}}"
    return "".join(latex2mathml.tex2mathml(text, as_block=as_block))


def visit_inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(convert(node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(
        f'<div class="math">{convert(node.astext().strip(), as_block=True)}</div>'
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
