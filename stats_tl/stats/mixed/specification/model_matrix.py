"""R's ``model.matrix``: from terms and a table to columns with R's names and coding.

Whether a factor within a term is coded by contrasts or by one column per level follows
R's rule (Statistical Models in S, page 38, as its ``TermCode`` has it): by contrasts where
some earlier term holds all the other variables of the term.
"""

from __future__ import annotations

__all__ = ["CodedTerm", "ModelMatrix"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .coding import Factor, Numeric, Value
from .expressions import Evaluator
from .syntax import deparse
from .terms import Terms


@dataclass(frozen=True)
class CodedTerm:
    """A term and the columns that it takes up.

    ``variables`` are positions among the variables of the formula, ``by_contrasts`` says
    which of them are factors coded by contrasts, and ``columns`` is where they stand.
    """

    label: str
    variables: tuple[int, ...]
    by_contrasts: frozenset[int]
    columns: slice


class ModelMatrix:
    """The model matrix of `terms` in the rows of `frame`, and how to make it for new rows.

    Attributes
    ----------
    names : list of str
        R's names of the columns.
    values : ndarray of shape (n, columns)
        The matrix.
    terms : tuple of CodedTerm
        The terms in order; the intercept is the term ``"1"``.
    variables : tuple
        The evaluated variables of the rows of the fit.
    """

    def __init__(self, terms: Terms, frame: pd.DataFrame, evaluator: Evaluator) -> None:
        self._nodes = terms.variables
        self._evaluator = evaluator
        self.variables: tuple[Value, ...] = tuple(
            evaluator.value(node, frame) for node in self._nodes
        )
        self._labels = [deparse(node) for node in self._nodes]
        for label, value in zip(self._labels, self.variables, strict=True):
            if isinstance(value, Factor) and len(value.levels) < 2 and value.coding is None:
                raise ValueError(
                    f"The factor {label!r} has one level only ({value.labels[0]!r}), so it has no "
                    "effect to estimate; leave it out of the formula."
                )
        self.names: list[str] = []
        coded: list[CodedTerm] = []
        if terms.intercept:
            self.names.append("(Intercept)")
            coded.append(CodedTerm("1", (), frozenset(), slice(0, 1)))
        for term, label, contrasts in zip(
            terms.terms, terms.labels, self._coding(terms), strict=True
        ):
            start = len(self.names)
            self.names += self._names(term, contrasts)
            coded.append(CodedTerm(label, term, contrasts, slice(start, len(self.names))))
        self.terms = tuple(coded)
        self.values = self._assemble(self.variables, len(frame))

    def rows(self, frame: pd.DataFrame) -> np.ndarray:
        """The matrix for the rows of another table."""
        values = tuple(self._evaluator.value(node, frame) for node in self._nodes)
        return self._assemble(values, len(frame))

    def is_factor(self, variable: int) -> bool:
        """Whether a variable is a factor."""
        return isinstance(self.variables[variable], Factor)

    def n_levels(self, variable: int) -> int:
        """Number of levels of a factor."""
        return len(self._factor(variable).levels)

    def width(self, variable: int) -> int:
        """Number of columns of a numeric variable."""
        value = self.variables[variable]
        return value.values.shape[1] if isinstance(value, Numeric) else 1

    def _factor(self, variable: int) -> Factor:
        value = self.variables[variable]
        assert isinstance(value, Factor)
        return value

    def level_rows(self, variable: int, *, by_contrasts: bool) -> np.ndarray:
        """Coding of each level of a factor, of shape (levels, columns)."""
        factor = self._factor(variable)
        return factor.contrasts()[0] if by_contrasts else np.eye(len(factor.levels))

    def _coding(self, terms: Terms) -> list[frozenset[int]]:
        coded = []
        for position, term in enumerate(terms.terms):
            earlier = [set(other) for other in terms.terms[:position]]
            contrasts = set()
            for variable in term:
                rest = set(term) - {variable}
                if not rest or any(rest <= other for other in earlier):
                    contrasts.add(variable)
            coded.append({variable for variable in contrasts if self.is_factor(variable)})
        if not terms.intercept:
            # Without an intercept the first factor of the formula spans it.
            for term, contrasts in zip(terms.terms, coded, strict=True):
                first = next((v for v in term if self.is_factor(v)), None)
                if first is not None:
                    contrasts.discard(first)
                    break
        return [frozenset(contrasts) for contrasts in coded]

    def _suffixes(self, variable: int, by_contrasts: bool) -> tuple[str, ...]:
        value = self.variables[variable]
        if isinstance(value, Numeric):
            return value.names
        return value.contrasts()[1] if by_contrasts else value.labels

    def _names(self, term: tuple[int, ...], contrasts: frozenset[int]) -> list[str]:
        names = [""]
        for number, v in enumerate(term):
            parts = [f"{self._labels[v]}{s}" for s in self._suffixes(v, v in contrasts)]
            # The first variable's columns vary fastest.
            names = parts if not number else [f"{name}:{part}" for part in parts for name in names]
        return names

    def _block(self, value: Value, by_contrasts: bool) -> np.ndarray:
        if isinstance(value, Numeric):
            return value.values
        coding = value.contrasts()[0] if by_contrasts else np.eye(len(value.levels))
        return np.asarray(coding[value.codes])

    def _assemble(self, values: Sequence[Value], rows: int) -> np.ndarray:
        out = np.empty((rows, len(self.names)))
        for term in self.terms:
            columns = np.ones((rows, 1))
            for v in term.variables:
                part = self._block(values[v], v in term.by_contrasts)
                columns = (part[:, :, None] * columns[:, None, :]).reshape(rows, -1)
            out[:, term.columns] = columns
        return out
