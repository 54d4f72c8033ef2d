"""Files of reader studies: iMRMC's ``.imrmc`` and OR-DBM MRMC's ``.lrc``."""

from __future__ import annotations

__all__ = ["is_imrmc", "read_imrmc", "read_lrc"]

import csv
import re

import pandas as pd

from ...errors import UserError

_BEGIN = "BEGIN DATA"
#: What stands in place of a reader in rows that give the truth.
_TRUTH = ("-1", "truth")
_COLUMNS = ["case", "y_true", "arm", "reader", "score"]


def is_imrmc(first_lines: list[str]) -> bool:
    """Whether a text has the line that begins the data of iMRMC."""
    return any(line.strip().upper().startswith(_BEGIN) for line in first_lines)


def read_imrmc(text: str) -> pd.DataFrame:
    """A file of iMRMC: rows ``reader, case, modality, score``.

    The truth of a case is a row whose reader is ``-1`` (older files) or ``truth``.

    Returns
    -------
    DataFrame
        ``case, y_true, arm, reader, score``.

    Raises
    ------
    UserError
        If a row has not four fields, or a case has no truth, or two.
    """
    lines = iter(text.splitlines())
    for line in lines:
        if line.strip().upper().startswith(_BEGIN):
            break
    truth: dict[str, str] = {}
    rows = []
    for row in csv.reader((line for line in lines if line.strip()), skipinitialspace=True):
        fields = [field.strip() for field in row]
        if len(fields) != 4:
            raise UserError(f"expected reader,case,modality,score, got {','.join(fields)[:80]!r}")
        reader, case, modality, score = fields
        if reader.lower() in _TRUTH:
            if truth.setdefault(case, score) != score:
                raise UserError(f"case {case!r} has two rows of truth that differ")
        else:
            rows.append((case, modality, reader, score))
    frame = pd.DataFrame(rows, columns=["case", "arm", "reader", "score"])
    lost = frame.loc[~frame["case"].isin(list(truth)), "case"]
    if len(lost):
        raise UserError(f"case {lost.iloc[0]!r} has no row of truth (reader -1 or 'truth')")
    labels = pd.to_numeric(frame["case"].map(truth), errors="coerce")
    scores = pd.to_numeric(frame["score"], errors="coerce").fillna(frame["score"])
    return frame.assign(y_true=labels, score=scores)[_COLUMNS]


def read_lrc(text: str) -> pd.DataFrame:
    """A file of OR-DBM MRMC: readers one after the other, normal cases before the others.

    After the title, each reader has a name, ratings up to a ``*`` for the normal cases and to
    another for the diseased; ``#`` ends the file. The first reader, or each, has two more lines
    after the name: the names of the treatments, and ``L`` or ``S`` for each (whether large or
    small ratings mean disease). Cases have no names; they are numbered. Ratings with ``S`` are
    negated.

    Returns
    -------
    DataFrame
        ``case, y_true, arm, reader, score``.

    Raises
    ------
    UserError
        If the file ends early, a line is not what is due, or readers differ in their cases.
    """
    lines = _Lines(text)
    rows: list[tuple[str, int, str, str, float]] = []
    counts: dict[str, str] = {}
    treatments: list[str] = []
    signs: list[int] = []
    while not (line := lines.take("the name of a reader, or #")).startswith("#"):
        reader = " ".join(_words(line))
        if reader in counts:
            raise UserError(f"reader {reader!r} is there twice")
        if not treatments or not _is_ratings(lines.coming()):
            treatments = _words(lines.take(f"the treatments of reader {reader}"))
            signs = [_sign(word) for word in lines.take("L or S for each treatment").split()]
            if len(signs) != len(treatments):
                raise UserError(f"expected L or S for {len(treatments)} treatments: {signs}")
        sizes = []
        for label, kind in enumerate(("normal", "diseased")):
            number = 0
            while not (line := lines.take(f"a * after the {kind} cases")).startswith("*"):
                number += 1
                ratings = zip(treatments, signs, _ratings(line, len(treatments)), strict=True)
                rows += [(f"{kind} {number}", label, arm, reader, s * r) for arm, s, r in ratings]
            sizes.append(number)
        counts[reader] = " + ".join(map(str, sizes))
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{reader}: {size}" for reader, size in counts.items())
        raise UserError(
            f"the readers differ in their numbers of cases (normal + diseased; {listed}); cases of "
            "a .lrc file have no names, so that they cannot be matched"
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


class _Lines:
    """Lines of a text that are not blank, without the title."""

    def __init__(self, text: str):
        self._lines = [line.strip() for line in text.splitlines()[1:] if line.strip()]
        self._next = 0

    def coming(self) -> str:
        return self._lines[self._next] if self._next < len(self._lines) else ""

    def take(self, what: str) -> str:
        line = self.coming()
        if not line:
            raise UserError(f"the file ends where {what} should be")
        self._next += 1
        return line


def _words(line: str) -> list[str]:
    """Names of a line, quoted or not."""
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', line)]


def _is_ratings(line: str) -> bool:
    return re.match(r"[-+.\d]", line) is not None or line.startswith("*")


def _sign(word: str) -> int:
    known = {"l": 1, "large": 1, "s": -1, "small": -1}
    if word.lower() not in known:
        raise UserError(f"expected L or S for each treatment, got {word!r}")
    return known[word.lower()]


def _ratings(line: str, count: int) -> list[float]:
    """The numbers that a line begins with; the rest is a remark."""
    try:
        values = [float(word) for word in line.split()[:count]]
    except ValueError:
        values = []
    if len(values) != count:
        raise UserError(f"expected {count} ratings, got {line[:60]!r}")
    return values
