"""The works that a report may cite, as BibTeX; only those that were used are written."""

from __future__ import annotations

__all__ = ["cited_keys", "known_entries", "references_bib"]

import functools
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from types import MappingProxyType


@functools.cache
def known_entries() -> Mapping[str, str]:
    """BibTeX entry of every key, from ``references.bib`` beside this module."""
    text = resources.files(__package__).joinpath("references.bib").read_text("ascii")
    # An entry ends with a brace on a line of its own.
    entries = re.finditer(r"^@\w+\{([\w-]+),$.*?^\}$", text, flags=re.MULTILINE | re.DOTALL)
    return MappingProxyType({entry[1]: entry[0] for entry in entries})


def cited_keys(paragraphs: Iterable[str]) -> list[str]:
    """Keys cited in paragraphs, in the order of their first citation.

    Examples
    --------
    >>> cited_keys(["A [@b; @a].", "B [@a]."])
    ['b', 'a']
    """
    found = (key for text in paragraphs for key in re.findall(r"@([\w-]+)", _citations(text)))
    return list(dict.fromkeys(found))


def references_bib(keys: Iterable[str]) -> dict[str, str]:
    """BibTeX entries of the keys, in alphabetical order; what only looks like a key has none."""
    return {key: known_entries()[key] for key in sorted(keys) if key in known_entries()}


def _citations(text: str) -> str:
    return " ".join(re.findall(r"\[(@[^\]]+)\]", text))
