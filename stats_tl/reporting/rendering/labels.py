"""Short texts that several tables, the figure and the terminal share."""

from __future__ import annotations

__all__ = [
    "RULES",
    "SYNTHETIC",
    "comparison_labels",
    "describe_unfreeze",
    "join_words",
    "plural",
    "varies",
]

from collections.abc import Sequence

import pandas as pd

SYNTHETIC = "Synthetic data, made by a program: these numbers say nothing about any patient."
#: Whose rule gives the degrees of freedom of a mixed model.
RULES = {"kenward-roger": "Kenward and Roger’s", "satterthwaite": "Satterthwaite’s"}


def describe_unfreeze(depth: str) -> str:
    """An unfreezing depth in words.

    Examples
    --------
    >>> [describe_unfreeze(depth) for depth in ("0", "1", "3", "all", "")]
    ['frozen', 'last stage', 'last 3 stages', 'all stages', '']
    """
    known = {"": "", "0": "frozen", "1": "last stage", "all": "all stages"}
    return known.get(depth, f"last {depth} stages" if depth.isdigit() else depth)


def comparison_labels(table: pd.DataFrame) -> list[tuple[str, str]]:
    """What tells the comparisons of a task apart: a name, never empty, and its particulars.

    Parameters
    ----------
    table : DataFrame
        As from :func:`~stats_tl.reporting.compare_arms`.

    Returns
    -------
    list of (str, str)
        The candidate where there are several, else the backbone where it is known, else the
        candidate; and, of the rest, what differs within the table.
    """
    shown = {key: varies(table[key]) for key in ("arm", "backbone", "head", "unfreeze")}
    by_arm = shown["arm"] or not table["backbone"].ne("").all()
    labels = []
    for row in table.to_dict("records"):
        rest = [row["backbone"]] if by_arm and shown["backbone"] else []
        rest += [row["head"]] if shown["head"] else []
        rest += [describe_unfreeze(row["unfreeze"])] if shown["unfreeze"] else []
        labels.append((row["arm"] if by_arm else row["backbone"], ", ".join(filter(None, rest))))
    return labels


def join_words(words: Sequence[str]) -> str:
    """Words as a list in a sentence.

    Examples
    --------
    >>> join_words(["a", "b", "c"]), join_words(["a"])
    ('a, b and c', 'a')
    """
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]


def plural(count: int, word: str, words: str | None = None) -> str:
    """A count with its noun.

    Examples
    --------
    >>> plural(1, "fold"), plural(5, "fold"), plural(2, "study", "studies")
    ('1 fold', '5 folds', '2 studies')
    """
    return f"{count} {word if count == 1 else words or word + 's'}"


def varies(values: pd.Series) -> bool:
    """Whether a column holds more than one value."""
    return len(values.unique()) > 1
