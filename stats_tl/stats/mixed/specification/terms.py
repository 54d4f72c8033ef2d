"""The algebra of model formulas: from an expression to its terms, as R's ``terms.formula``.

A term is a set of variables; a variable is an expression such as ``x`` or ``log(x + 1)``.
Terms are sorted by their degree, and the variables within a term by their first
appearance in the formula.

References
----------
Chambers JM, Hastie TJ (1992). Statistical Models in S, chapter 2. Wadsworth.
"""

from __future__ import annotations

__all__ = ["Terms", "expand_terms"]

from collections.abc import Callable
from dataclasses import dataclass

from .syntax import Call, Constant, Name, Node, deparse

Term = frozenset[int]
_EMPTY: Term = frozenset()


@dataclass(frozen=True)
class Terms:
    """The terms of one side of a formula.

    Attributes
    ----------
    intercept : bool
        Whether there is one.
    variables : tuple of Node
        The expressions that the terms are made of.
    terms : tuple of tuple of int
        Each term's variables, by position in `variables`.
    offsets : tuple of Node
        Arguments of ``offset()``.
    """

    intercept: bool
    variables: tuple[Node, ...]
    terms: tuple[tuple[int, ...], ...]
    offsets: tuple[Node, ...]

    @property
    def labels(self) -> list[str]:
        """Names of the terms, as R gives them; without the intercept."""
        names = [deparse(variable) for variable in self.variables]
        return [":".join(names[i] for i in term) for term in self.terms]


def expand_terms(node: Node) -> Terms:
    """Expand ``+``, ``-``, ``*``, ``/``, ``:``, ``%in%``, ``^`` and parentheses."""
    expansion = _Expansion()
    found = expansion.expand(node)
    intercept = expansion.intercept
    ordered = sorted((term for term in found if term), key=len)
    return Terms(
        intercept=intercept,
        variables=tuple(expansion.variables),
        terms=tuple(tuple(sorted(term)) for term in ordered),
        offsets=tuple(expansion.offsets),
    )


class _Expansion:
    def __init__(self) -> None:
        self.variables: list[Node] = []
        self.offsets: list[Node] = []
        self.intercept = True

    def expand(self, node: Node) -> list[Term]:
        """The node's terms in the order written, none twice."""
        if isinstance(node, Constant):
            return self._constant(node)
        if isinstance(node, Call):
            if node.function == "offset":
                self.offsets += node.operands
                return []
            rule = self._rules(len(node.operands)).get(node.function)
            if rule is not None:
                return list(dict.fromkeys(rule(*node.operands)))
        if isinstance(node, Name) and node.name == ".":
            raise ValueError(
                "`formula`: '.' (every other column) is not supported, because it would take in "
                "the grouping factors as fixed effects, as it does in lme4; name the columns."
            )
        if node not in self.variables:
            self.variables.append(node)
        return [frozenset({self.variables.index(node)})]

    def _rules(self, operands: int) -> dict[str, Callable[..., list[Term]]]:
        if operands == 1:
            return {"(": self.expand, "+": self.expand, "-": lambda node: self._minus(None, node)}
        return {
            "+": lambda a, b: self.expand(a) + self.expand(b),
            "-": self._minus,
            "*": self._cross,
            ":": self._interaction,
            "%in%": self._interaction,
            "/": self._nest,
            "^": self._power,
        }

    def _constant(self, node: Constant) -> list[Term]:
        if node.value not in (0.0, 1.0) or isinstance(node.value, bool):
            raise ValueError(
                f"`formula`: the number {node.text} is no term; only 0 and 1 (without and with "
                "an intercept) may stand alone. Arithmetic goes inside I(), as in I(x + 2)."
            )
        self.intercept = node.value == 1.0
        return []

    def _minus(self, left: Node | None, right: Node) -> list[Term]:
        kept = [] if left is None else self.expand(left)
        if isinstance(right, Constant):
            self._constant(right)
            self.intercept = not self.intercept
            return kept
        before = self.intercept
        gone = self.expand(right)
        self.intercept = before
        return [term for term in kept if term not in gone]

    def _cross(self, a: Node, b: Node) -> list[Term]:
        left, right = self.expand(a), self.expand(b)
        return left + right + [x | y for x in left for y in right]

    def _interaction(self, a: Node, b: Node) -> list[Term]:
        left, right = self.expand(a), self.expand(b)
        return [x | y for x in left for y in right]

    def _nest(self, a: Node, b: Node) -> list[Term]:
        left, right = self.expand(a), self.expand(b)
        outer = _EMPTY.union(*left)
        return left + [outer | y for y in right]

    def _power(self, base: Node, exponent: Node) -> list[Term]:
        value = exponent.value if isinstance(exponent, Constant) else None
        if not isinstance(value, float) or value < 1 or value != int(value):
            raise ValueError(
                f"`formula`: the power in {deparse(base)}^{deparse(exponent)} must be a whole "
                "number of at least 1; the power of a variable is written I(x^2)."
            )
        terms = once = self.expand(base)
        for _ in range(int(value) - 1):
            terms = list(dict.fromkeys([*terms, *(x | y for x in terms for y in once)]))
        return terms
