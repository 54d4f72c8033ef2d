"""BibTeX entries as the lines of a list of references, and citations as their numbers."""

from __future__ import annotations

__all__ = ["number_references", "paragraph"]

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from ..rendering.parts import Words

_CITATION = re.compile(r"\s*\[(@[^\]]+)\]")
_ACCENTS = {
    "'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303",
    "=": "\u0304", ".": "\u0307", "v": "\u030c", "c": "\u0327", "u": "\u0306", "H": "\u030b",
}  # fmt: skip
_MOST_AUTHORS = 6


def number_references(words: Words) -> dict[str, dict[str, Any]]:
    """References in the order in which they are cited: key → ``number, id, text, address``."""
    cited = dict.fromkeys(
        key
        for text in (*words.methods, *words.results)
        for group in _CITATION.findall(text)
        for key in _keys(group)
    )
    order = [key for key in cited if key in words.references]
    order += [key for key in words.references if key not in cited]
    return {
        key: {
            "number": number,
            "id": f"reference-{number}",
            **describe_entry(words.references[key]),
        }
        for number, key in enumerate(order, 1)
    }


def paragraph(text: str, references: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A paragraph as runs of text, each with the citations that follow it."""
    parts: list[dict[str, Any]] = []
    end = 0
    for found in _CITATION.finditer(text):
        known = [references[key] for key in _keys(found[1]) if key in references]
        if known:
            parts.append({"text": text[end : found.start()], "citations": known})
            end = found.end()
    return [*parts, {"text": text[end:], "citations": []}]


def describe_entry(bibtex: str) -> dict[str, str]:
    r"""A BibTeX entry as text, and its address where it has a DOI.

    Examples
    --------
    >>> entry = r'''@article{a, author = {Gauß, Carl F. and M{\"u}ller, Ada},
    ...   title = {{The {ROC} curve}}, journal = {J. Stat.}, year = {1999}, volume = {3},
    ...   pages = {1--9}, doi = {10.1/x}}'''
    >>> describe_entry(entry)["text"]
    'Gauß CF, Müller A. The ROC curve. J. Stat. 1999;3:1–9.'
    """
    fields = {name.lower(): _plain(value) for name, value in _fields(bibtex)}
    names = [_initials(name) for name in re.split(r"\s+and\s+", fields.get("author", "")) if name]
    authors = ", ".join(names[:_MOST_AUTHORS])
    authors += " et al" if len(names) > _MOST_AUTHORS else ""
    where = next((fields[k] for k in ("journal", "booktitle", "publisher") if fields.get(k)), "")
    when = fields.get("year", "")
    when += f";{fields['volume']}" if fields.get("volume") else ""
    when += f":{fields['pages']}" if fields.get("pages") else ""
    where = f"{where.rstrip('.')}. {when}" if where.endswith(".") else f"{where} {when}"
    parts = [authors, fields.get("title", ""), where.strip(), fields.get("note", "")]
    text = " ".join(part if part.endswith(("?", "!")) else f"{part}." for part in parts if part)
    doi = fields.get("doi", "")
    return {
        "text": text or " ".join(bibtex.split()),
        "address": f"https://doi.org/{doi}" if doi else fields.get("url", ""),
    }


def _keys(group: str) -> list[str]:
    return [key.strip().lstrip("@") for key in group.split(";")]


def _fields(bibtex: str) -> list[tuple[str, str]]:
    """Names and values; values in braces, of any depth, in quotes or bare."""
    found = []
    for start in re.finditer(r"(\w+)\s*=\s*", bibtex):
        rest = bibtex[start.end() :]
        if rest[:1] == "{":
            depth = 0
            for place, char in enumerate(rest):
                depth += (char == "{") - (char == "}")
                if depth == 0:
                    found.append((start[1], rest[1:place]))
                    break
        elif rest[:1] == '"':
            found.append((start[1], rest[1:].partition('"')[0]))
        else:
            found.append((start[1], re.split(r"[,}\s]", rest, maxsplit=1)[0]))
    return found


def _plain(value: str) -> str:
    """LaTeX's text as Unicode: accents, dashes, no braces."""

    def accent(found: re.Match[str]) -> str:
        return unicodedata.normalize("NFC", found[2] + _ACCENTS[found[1]])

    value = re.sub(r"\\(['`^\"~=.])\{?\\?([A-Za-z])\}?", accent, value)
    value = re.sub(r"\\([vcuH])\{([A-Za-z])\}", accent, value)
    value = value.replace("\\&", "&").replace("\\_", "_").replace("---", "—").replace("--", "–")
    return " ".join(re.sub(r"[{}]", "", value).split())


def _initials(name: str) -> str:
    last, comma, first = name.partition(", ")
    if not comma:
        return name
    initials = "".join(part[0] for part in re.split(r"[\s.-]+", first) if part)
    return f"{last} {initials}"
