"""Numbers of a column in line at their decimal points: what each lacks on either side."""

from __future__ import annotations

__all__ = ["Decimals"]

import re
from collections.abc import Iterable
from dataclasses import dataclass

_NUMBER = re.compile(r"([<>−]?)(\d*)(?:\.(\d+))?")


@dataclass(frozen=True)
class Decimals:
    """Room that the numbers of a column need.

    Attributes
    ----------
    sign : str
        One of their signs (``−``, or ``<`` and ``>``, which are equally wide); empty where none
        has any.
    whole, decimal : int
        Most digits before and after the decimal point.
    """

    sign: str
    whole: int
    decimal: int

    @classmethod
    def of(cls, texts: Iterable[str]) -> Decimals:
        """Room for the cells of a column; those that are no number need none."""
        parts = [part for text in texts if (part := _parts(text))]
        return cls(
            next((sign for sign, _, _ in parts if sign), ""),
            max((len(whole) for _, whole, _ in parts), default=0),
            max((len(decimal) for _, _, decimal in parts), default=0),
        )

    def lacking(self, text: str) -> tuple[str, str]:
        """What has the width that a number lacks, before and after it.

        Examples
        --------
        >>> room = Decimals.of(["−0.013", "12.1", "–"])
        >>> room.lacking("12.1"), room.lacking("−0.013"), room.lacking("–")
        (('−', '00'), ('0', ''), ('', ''))
        """
        parts = _parts(text)
        if parts is None:
            return "", ""
        sign, whole, decimal = parts
        before = ("" if sign else self.sign) + "0" * (self.whole - len(whole))
        after = ("." if self.decimal and not decimal else "") + "0" * (self.decimal - len(decimal))
        return before, after


def _parts(text: str) -> tuple[str, str, str] | None:
    found = _NUMBER.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        return None
    return found[1], found[2], found[3] or ""
