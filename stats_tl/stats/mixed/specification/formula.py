"""The lme4 formula language: split a formula into response, fixed part and random terms.

``y ~ a*b + (1 + x | g) + (1 | h/k)`` has the fixed part ``a*b`` and the random
terms ``(1 + x | g)``, ``(1 | k:h)`` and ``(1 | h)``. What stands left of a bar is an
ordinary model formula; right of it stands one grouping factor, an interaction of
factors (``a:b``), or a nesting (``a/b``, which is ``(…|b:a) + (…|a)`` as in lme4).
A double bar drops the correlations: ``(x || g)`` is ``(1 | g) + (0 + x | g)``.

References
----------
Bates D, Mächler M, Bolker B, Walker S (2015). Fitting linear mixed-effects models
using lme4. Journal of Statistical Software 67(1), table 2. doi:10.18637/jss.v067.i01
"""

from __future__ import annotations

__all__ = ["MixedFormula", "RandomTermFormula", "parse_formula"]

from dataclasses import dataclass

from formulaic import Formula
from formulaic.errors import FormulaicError
from formulaic.parser.types import Term

_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True)
class RandomTermFormula:
    """One correlated block of random effects: `effects` vary over the levels of `factors`."""

    effects: str
    factors: tuple[str, ...]

    @property
    def group(self) -> str:
        """Name of the grouping factor, ``b:a`` for an interaction."""
        return ":".join(self.factors)

    def __str__(self) -> str:
        return f"({self.effects} | {self.group})"


@dataclass(frozen=True)
class MixedFormula:
    """A parsed formula.

    Attributes
    ----------
    response, fixed : str
        The two sides, without the random terms.
    random : tuple of RandomTermFormula
        The random terms in the order in which they were written.
    """

    response: str
    fixed: str
    random: tuple[RandomTermFormula, ...]

    def __str__(self) -> str:
        return f"{self.response} ~ {' + '.join([self.fixed, *map(str, self.random)])}"

    def without(self, term: RandomTermFormula, *instead: RandomTermFormula) -> MixedFormula:
        """The formula with one random term removed, or replaced by `instead`."""
        random: list[RandomTermFormula] = []
        for other in self.random:
            random += instead if other is term else [other]
        return MixedFormula(self.response, self.fixed, tuple(random))


def ordered_terms(text: str) -> list[Term]:
    """Terms of a formula's right side, each with its factors in R's order.

    R names an interaction by the order in which the variables first appear in the
    formula: ``y ~ b + a + a:b`` has the term ``b:a``.
    """
    try:
        written = list(Formula(text, _ordering="none"))
        by_degree = list(Formula(text))
    except FormulaicError as error:
        raise ValueError(f"`formula` could not be read at {text!r}: {error}") from error
    seen: dict[str, int] = {}
    for term in written:
        for factor in term.factors:
            seen.setdefault(factor.expr, len(seen))
    return [Term(sorted(term.factors, key=lambda f: seen[f.expr])) for term in by_degree]


def parse_formula(formula: str) -> MixedFormula:
    """Parse an lme4 formula.

    Parameters
    ----------
    formula : str
        For example ``"auc ~ pretrain * backbone + (1 | seed) + (1 | task/fold)"``.

    Returns
    -------
    MixedFormula

    Raises
    ------
    ValueError
        Where there is no response, no random term, or a bar outside parentheses.

    Examples
    --------
    >>> print(parse_formula("auc ~ arm + (1 | seed) + (arm || task)"))
    auc ~ arm + (1 | seed) + (1 | task) + (0 + arm | task)
    """
    if not isinstance(formula, str):
        raise ValueError(f"`formula` must be a string, got {type(formula).__name__}.")
    sides = formula.split("~")
    if len(sides) != 2 or not sides[0].strip() or not sides[1].strip():
        raise ValueError(
            f"`formula` must read 'response ~ fixed + (effects | group)', got {formula!r}."
        )
    response, right = (" ".join(side.split()) for side in sides)
    fixed: list[str] = []
    random: list[RandomTermFormula] = []
    for sign, piece in _additive_pieces(right):
        bar = _bar_inside(piece)
        if bar is None:
            fixed.append(f"{sign} {piece}")
        elif sign == "-":
            raise ValueError(f"`formula`: the random term {piece} cannot be subtracted.")
        else:
            random += _expand_bar(piece, bar)
    if not random:
        raise ValueError(
            f"`formula` has no random term such as (1 | group): {formula!r}. "
            "Without one an ordinary linear model (statsmodels' ols) is what you want."
        )
    text = " ".join(fixed).removeprefix("+ ").strip()
    if len(set(random)) < len(random):
        raise ValueError(f"`formula` holds the same random term twice: {formula!r}.")
    return MixedFormula(response, text or "1", tuple(random))


def _additive_pieces(text: str) -> list[tuple[str, str]]:
    """Cut at the plus and minus signs outside brackets; each piece with its sign."""
    pieces: list[tuple[str, str]] = []
    depth, start, sign = 0, 0, "+"
    for position, char in enumerate(text + "+"):
        at_end = position == len(text)
        if char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth -= 1
        elif char in "+-" and (depth == 0 or at_end):
            piece = text[start:position].strip()
            if piece:
                pieces.append((sign, piece))
            start, sign = position + 1, char
    if depth:
        raise ValueError(f"`formula` has unbalanced brackets: {text!r}.")
    return pieces


def _bar_inside(piece: str) -> int | None:
    """Position of the bar of a random term, None for a fixed piece."""
    if "|" not in piece:
        return None
    depth = 0
    for position, char in enumerate(piece):
        if char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth -= 1
            if depth == 0 and position < len(piece) - 1:
                break
        elif char == "|" and depth == 1 and piece[0] == "(":
            if piece[-1] == ")":
                return position
            break
    raise ValueError(
        f"`formula`: a random term stands in parentheses of its own, as (1 | group); got {piece!r}."
    )


def _expand_bar(piece: str, bar: int) -> list[RandomTermFormula]:
    effects = " ".join(f"{sign} {part}" for sign, part in _additive_pieces(piece[1:bar]))
    effects = effects.removeprefix("+ ")
    double = piece[bar + 1] == "|"
    grouping = piece[bar + 1 + double : -1].strip().strip("()").strip()
    if not effects or not grouping or "|" in grouping:
        raise ValueError(f"`formula`: expected (effects | group), got {piece!r}.")
    if "/" in grouping:
        names = [name.strip() for name in grouping.split("/")]
        # lme4's order: the innermost factor first, named inner:outer.
        nests = [tuple(reversed(names[: i + 1])) for i in reversed(range(len(names)))]
    else:
        nests = [tuple(name.strip() for name in grouping.split(":"))]
    if not all(part.isidentifier() for nest in nests for part in nest):
        raise ValueError(
            f"`formula`: the grouping factor {grouping!r} must be a column, an interaction of "
            "columns (a:b) or a nesting of columns (a/b). Make a new column for anything else."
        )
    return [
        RandomTermFormula(part, nest)
        for nest in nests
        for part in (_uncorrelated(effects) if double else [effects])
    ]


def _uncorrelated(effects: str) -> list[str]:
    terms = [str(term) for term in ordered_terms(effects)]
    return [term if term == "1" else f"0 + {term}" for term in terms]
