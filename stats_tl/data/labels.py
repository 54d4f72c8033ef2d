"""Binary reference standards out of the classes of a data set."""

from __future__ import annotations

__all__ = ["MISSING", "binary_labels", "clean_label"]

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import UserError
from .problems import listed

MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>", "?"})
#: What is positive when exactly these two classes occur and the plan does not say.
KNOWN_PAIRS = (
    ("0", "1"),
    ("no", "yes"),
    ("false", "true"),
    ("negative", "positive"),
    ("benign", "malignant"),
    ("normal", "abnormal"),
    ("intact", "torn"),
)


#: Where more than two classes are compared.
_ELSEWHERE = (
    ". A plan trains for two classes; train for several elsewhere and compare their scores with "
    "`python -m stats_tl.report --scores` (docs/from_your_tool.md, 'Several classes')"
)


def clean_label(label: object) -> str:
    """A class as one spelling: ``1.0``, ``1`` and ``True`` (TOML) need not differ in type.

    Examples
    --------
    >>> [clean_label(label) for label in ("1.0", 1, " yes ", True)]
    ['1', '1', 'yes', 'true']
    """
    if isinstance(label, bool):
        return str(label).lower()
    text = str(label).strip()
    whole, dot, zeros = text.partition(".")
    return whole if dot and zeros and not zeros.strip("0") and whole.lstrip("-").isdigit() else text


def _as_list(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [] if value is None else [value]
    return [clean_label(item) for item in values]


def binary_labels(
    labels: Sequence[object],
    cases: Sequence[str],
    *,
    positive: Any = None,
    negative: Any = None,
    exclude: Any = None,
    missing: Collection[str] = MISSING,
    where: str,
) -> np.ndarray:
    """The reference standard as 1, 0, or -1 for a case to leave out.

    Parameters
    ----------
    labels : sequence of length n
        The class of every case.
    cases : sequence of str, length n
        Named in errors.
    positive, negative, exclude : str, int or list of these, optional
        Classes. With exactly two classes, one of `positive` and `negative` is enough,
        and neither is needed for 0/1, no/yes, benign/malignant and the like. With more,
        every class must be named: which ones count as negative is never guessed.
    missing : collection of str
        Labels, in lower case, that mean 'no label' unless they are named as a class.
    where : str
        Opens the errors.

    Returns
    -------
    ndarray of int8, shape (n,)

    Raises
    ------
    UserError
        For missing labels, a class that is not there or not named, fewer than two classes.

    Examples
    --------
    >>> binary_labels(["yes", "no", "yes"], ["a", "b", "c"], where="demo").tolist()
    [1, 0, 1]
    """
    clean = np.array([clean_label(label) for label in labels], dtype=object)
    classes = _Classes(Counter(clean.tolist()), where)
    sides = _Sides(_as_list(positive), _as_list(negative), _as_list(exclude))
    classes.refuse_missing(sides, missing, cases, clean)
    classes.refuse_misnamed(sides)
    sides = classes.complete(sides)
    code = {
        **dict.fromkeys(sides.positive, 1),
        **dict.fromkeys(sides.negative, 0),
        **dict.fromkeys(sides.left_out, -1),
    }
    return np.array([code[text] for text in clean], dtype=np.int8)


@dataclass(frozen=True)
class _Sides:
    """The classes that are positive, negative, and left out."""

    positive: list[str]
    negative: list[str]
    left_out: list[str]

    @property
    def named(self) -> list[str]:
        return [*self.positive, *self.negative, *self.left_out]


@dataclass(frozen=True)
class _Classes:
    """The classes that occur, and how often; `where` opens the errors."""

    counts: Counter[str]
    where: str

    @property
    def found(self) -> str:
        return ", ".join(f"{name!r} ({n})" for name, n in sorted(self.counts.items())[:20])

    def refuse_missing(
        self, sides: _Sides, missing: Collection[str], cases: Sequence[str], labels: np.ndarray
    ) -> None:
        absent = {t for t in self.counts if t.lower() in missing and t not in sides.named}
        if absent:
            unlabelled = [case for case, t in zip(cases, labels, strict=True) if t in absent]
            raise UserError(
                f"{self.where}: cases without a label ({len(unlabelled)}): {listed(unlabelled)}; "
                "complete the labels or remove these cases"
            )

    def refuse_misnamed(self, sides: _Sides) -> None:
        for name in sides.named:
            if name not in self.counts:
                raise UserError(
                    f"{self.where}: the class {name!r} does not occur; classes found: {self.found}"
                )
            if sides.named.count(name) > 1:
                raise UserError(f"{self.where}: the class {name!r} is named twice; once is meant")

    def complete(self, sides: _Sides) -> _Sides:
        """`sides` with every class that occurs on one of them."""
        kept = [name for name in self.counts if name not in sides.left_out]
        if len(kept) < 2:
            raise UserError(f"{self.where}: two classes are needed, found only {self.found}")
        if not sides.positive and not sides.negative:
            sides = replace(sides, positive=[self._known_positive(kept)])
        rest = [name for name in kept if name not in sides.named]
        if rest:
            self._refuse_guessing(sides, rest, len(kept))
            side = "positive" if not sides.positive else "negative"
            sides = replace(sides, **{side: rest})
        if not sides.positive or not sides.negative:
            raise UserError(
                f"{self.where}: both a positive and a negative class are needed, found {self.found}"
            )
        return sides

    def _known_positive(self, kept: list[str]) -> str:
        lowered = {name.lower(): name for name in kept}
        pair = next((p for p in KNOWN_PAIRS if sorted(p) == sorted(lowered)), None)
        if pair is None or len(kept) != 2:
            raise UserError(
                f"{self.where}: cannot determine which class is positive among {self.found}; set "
                "`positive` (and, with more than two classes, `negative` or `exclude` for the "
                f"others){_ELSEWHERE if len(kept) > 2 else ''}"
            )
        return lowered[pair[1]]

    def _refuse_guessing(self, sides: _Sides, rest: list[str], n_kept: int) -> None:
        """Of two classes the other one is known; of more, nothing is guessed."""
        if n_kept == 2:
            return
        more = (
            "name every class"
            if sides.positive and sides.negative
            else f"{n_kept} classes were found, the reference standard has two"
        )
        raise UserError(
            f"{self.where}: {more}: put {listed(rest)} under `positive`, `negative` or "
            f"`exclude`; classes found: {self.found}{_ELSEWHERE}"
        )
