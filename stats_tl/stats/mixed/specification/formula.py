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

__all__ = ["MixedFormula", "RandomTermFormula", "effect_labels", "parse_formula"]

from dataclasses import dataclass

from .syntax import Call, Constant, Name, Node, deparse, parse
from .terms import expand_terms

_ONE = Constant(1.0, "1")


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
    response, fixed : Node
        The two sides, without the random terms.
    random : tuple of RandomTermFormula
        The random terms in the order in which they were written.
    """

    response: Node
    fixed: Node
    random: tuple[RandomTermFormula, ...]

    def __str__(self) -> str:
        parts = [deparse(self.fixed), *map(str, self.random)]
        return f"{deparse(self.response)} ~ {' + '.join(parts)}"

    def without(self, term: RandomTermFormula, *instead: RandomTermFormula) -> MixedFormula:
        """The formula with one random term removed, or replaced by `instead`."""
        random: list[RandomTermFormula] = []
        for other in self.random:
            random += instead if other is term else [other]
        return MixedFormula(self.response, self.fixed, tuple(random))


def effect_labels(effects: str) -> list[str]:
    """Labels of the terms left of a bar, ``"1"`` for the intercept."""
    terms = expand_terms(parse(effects))
    return ["1"] * terms.intercept + terms.labels


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
    response, right = map(parse, sides)
    random: list[RandomTermFormula] = []
    fixed = _without_bars(right, random)
    if not random:
        raise ValueError(
            f"`formula` has no random term such as (1 | group): {formula!r}. "
            "Without one an ordinary linear model (statsmodels' ols) is what you want."
        )
    if len(set(random)) < len(random):
        raise ValueError(f"`formula` holds the same random term twice: {formula!r}.")
    return MixedFormula(response, _ONE if fixed is None else fixed, tuple(random))


def _without_bars(node: Node, random: list[RandomTermFormula]) -> Node | None:
    """The fixed part of `node` (None: nothing left); its random terms are added to `random`."""
    if not _has_bar(node):
        return node
    assert isinstance(node, Call)
    if node.function == "(" and isinstance(node.operands[0], Call):
        inner = node.operands[0]
        if inner.function in ("|", "||"):
            random += _expand_bar(inner)
            return None
        return _without_bars(inner, random)
    if node.function == "+" and len(node.operands) == 2:
        kept = [_without_bars(operand, random) for operand in node.operands]
        left, right = kept
        if left is None or right is None:
            return right if left is None else left
        return Call("+", (("", left), ("", right)))
    if node.function == "-" and not _has_bar(node.operands[-1]):
        left = _without_bars(node.operands[0], random)
        own = node.arguments[-1]
        return Call("-", (own,) if left is None else (("", left), own))
    if node.function == "-":
        raise ValueError(
            f"`formula`: the random term {deparse(node.operands[-1])} cannot be subtracted."
        )
    raise ValueError(
        "`formula`: a random term stands in parentheses of its own, as (1 | group), and is added; "
        f"got {deparse(node)!r}."
    )


def _has_bar(node: Node) -> bool:
    """Whether a bar stands in `node` outside the calls of functions (where it is 'or')."""
    if not isinstance(node, Call) or node.function.isidentifier():
        return False
    return node.function in ("|", "||") or any(map(_has_bar, node.operands))


def _expand_bar(bar: Call) -> list[RandomTermFormula]:
    left, right = bar.operands
    if _has_bar(left) or _has_bar(right):
        raise ValueError(f"`formula`: expected (effects | group), got {deparse(bar)!r}.")
    effects = deparse(left)
    parts = [effects]
    if bar.function == "||":
        parts = [label if label == "1" else f"0 + {label}" for label in effect_labels(effects)]
    return [RandomTermFormula(part, nest) for nest in _nests(right) for part in parts]


def _nests(grouping: Node) -> list[tuple[str, ...]]:
    """Factors of each grouping; of ``a/b`` the innermost first, named inner:outer as in lme4."""
    if isinstance(grouping, Call) and grouping.function == "(":
        return _nests(grouping.operands[0])
    if isinstance(grouping, Call) and grouping.function == "/":
        outer = _nests(grouping.operands[0])
        return [(*_interacting(grouping.operands[1]), *outer[0]), *outer]
    return [_interacting(grouping)]


def _interacting(grouping: Node) -> tuple[str, ...]:
    if isinstance(grouping, Name):
        return (grouping.name,)
    if isinstance(grouping, Call) and grouping.function == ":":
        left, right = grouping.operands
        return (*_interacting(left), *_interacting(right))
    if isinstance(grouping, Call) and grouping.function == "(":
        return _interacting(grouping.operands[0])
    raise ValueError(
        f"`formula`: the grouping factor {deparse(grouping)!r} must be a column, an interaction of "
        "columns (a:b) or a nesting of columns (a/b). Make a new column for anything else."
    )
