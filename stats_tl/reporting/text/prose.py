r"""Paragraphs and their references as files: LaTeX to input, Markdown to read or convert.

In the paragraphs a citation is ``[@key]`` or ``[@one; @two]``, which Pandoc reads as it is;
in LaTeX it is ``\citep{one,two}`` for a document that loads ``references.bib``.
"""

from __future__ import annotations

__all__ = ["prose_files", "prose_latex", "prose_markdown", "report_words", "words_files"]

import re
from collections.abc import Mapping, Sequence

from ...visible import visible
from ..rendering.encoding import csv_bytes
from ..rendering.escaping import definitions, escape
from ..rendering.parts import Section, Words
from ..results.material import Material
from .checklist import checklist, checklist_markdown
from .methods import methods_paragraphs
from .references import cited_keys, known_entries, references_bib
from .results import results_paragraphs

_CITATION = re.compile(r"\s?\[(@[\w-]+(?:; @[\w-]+)*)\]")


def report_words(material: Material, sections: Sequence[Section]) -> Words:
    """Methods, results, references and checklist of a report."""
    named = {section.name: section for section in sections}
    methods = methods_paragraphs(material, named)
    results = results_paragraphs(material, named)
    references = references_bib(cited_keys([*methods, *results]))
    return Words(methods, results, references, checklist(material, list(named)))


def words_files(words: Words, provenance: Sequence[str]) -> dict[str, bytes]:
    """All of it as files: path → content."""
    return {
        **prose_files(words.methods, words.results, words.references, provenance),
        "checklist.md": checklist_markdown(words.checklist, provenance).encode(),
        "checklist.csv": csv_bytes(words.checklist),
    }


def prose_files(
    methods: Sequence[str],
    results: Sequence[str],
    references: Mapping[str, str],
    provenance: Sequence[str],
) -> dict[str, bytes]:
    """Paragraphs, and the BibTeX entries that they cite, as files: path → content."""
    files = {}
    for name, title, paragraphs in (
        ("methods", "Methods: statistical analysis", methods),
        ("results", "Results", results),
    ):
        files[f"{name}.tex"] = prose_latex(paragraphs, provenance).encode("ascii")
        files[f"{name}.md"] = prose_markdown(title, paragraphs, provenance).encode()
    entries = [f"% {line}" for line in provenance] + list(map(_printable, references.values()))
    files["references.bib"] = ("\n".join(entries) + "\n").encode("ascii")
    return files


def _printable(entry: str) -> str:
    """An entry without a DOI that holds < or >, which many styles print as inverted marks."""
    return re.sub(r"^  doi = \{.*[<>].*\},\n", "", entry, flags=re.MULTILINE)


def prose_latex(paragraphs: Sequence[str], provenance: Sequence[str] = ()) -> str:
    """Paragraphs as LaTeX, in ASCII; needs ``references.bib`` for its citations."""
    lines = [f"% {line}" for line in (*provenance, "Cites references.bib")]
    # With natbib \\cite would give "Holm's method Holm (1979)".
    lines.append(r"\providecommand{\citep}{\cite}")
    body = "\n\n".join(_latex(text) for text in paragraphs)
    return "\n".join([*lines, *definitions(body), body]) + "\n"


def prose_markdown(title: str, paragraphs: Sequence[str], provenance: Sequence[str] = ()) -> str:
    """Paragraphs as Markdown with Pandoc's citations."""
    texts = "\n\n".join(_markdown(text) for text in paragraphs)
    return "\n".join(["<!--", *provenance, "-->", f"# {title}", "", texts]) + "\n"


def _split(text: str) -> list[tuple[str, str]]:
    """Pieces of text, each with the citation that follows it."""
    pieces, start = [], 0
    for match in _CITATION.finditer(text):
        keys = re.findall(r"@([\w-]+)", match[1])
        if all(key in known_entries() for key in keys):
            pieces.append((text[start : match.start()], ",".join(keys)))
            start = match.end()
    return [*pieces, (text[start:], "")]


def _latex(text: str) -> str:
    return "".join(
        escape(piece, breakable=True) + (rf"~\citep{{{keys}}}" if keys else "")
        for piece, keys in _split(text)
    )


def _markdown(text: str) -> str:
    written = []
    for piece, keys in _split(text):
        # Names of the user's that Markdown, or Pandoc's, would read as something else: emphasis,
        # code, HTML, mathematics, a citation, a dash, curly quotation marks, an ellipsis.
        text = re.sub(r"([\\`*_<>\[\]$~^#@'\"|])", r"\\\1", visible(piece))
        written.append(re.sub(r"(?<=[-.])([-.])", r"\\\1", text))
        if keys:
            written.append(" [" + "; ".join(f"@{key}" for key in keys.split(",")) + "]")
    return "".join(written)
