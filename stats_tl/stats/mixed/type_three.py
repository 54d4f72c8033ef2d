r"""Type III hypotheses of the fixed terms, built from equally weighted marginal means.

The hypothesis of a term says that its marginal means, averaged with equal weights over
the levels of the factors that are not in it, lie in the span of the lower terms of the
model: equal means for ``arm`` in ``arm * bb``, no interaction for ``arm:bb``, equal means
of ``bb`` within every arm for ``arm:bb`` in ``arm / bb``. For a term with numeric variables
it is the same for the slopes; numeric variables outside the term are at zero, as in SAS
and lmerTest. Since marginal means do not depend on how a factor is coded, neither do the
hypotheses. What an empty cell makes inestimable is left out: the numerator degrees of
freedom count the rest.

References
----------
Searle SR, Speed FM, Milliken GA (1980). Population marginal means in the linear model.
The American Statistician 34:216. doi:10.1080/00031305.1980.10483031
"""

from __future__ import annotations

__all__ = ["type_three_hypotheses"]

import itertools

import numpy as np

from .specification.design import FixedDesign
from .specification.model_matrix import CodedTerm, ModelMatrix

_ESTIMABLE = 1e-8


def type_three_hypotheses(fixed: FixedDesign) -> dict[str, np.ndarray]:
    """A basis of each term's hypothesis, over the kept columns; no rows where none is estimable.

    Satterthwaite's denominator of a test with several degrees of freedom depends (slightly)
    on the basis, so lmerTest's is used: differences from the first level, and in a model
    with one factor as its only term the sequential ones of the Cholesky factor of X'X.
    """
    model = fixed.model
    terms = [term for term in model.terms if term.label != "1"]
    if len(terms) == 1 and not fixed.dropped and _one_factor(model, terms[0]):
        return {terms[0].label: _sequential(fixed, terms[0])}
    null_space = _null_space(fixed)
    hypotheses = {}
    for term in terms:
        if not np.isin(np.arange(len(model.names))[term.columns], fixed.kept).any():
            hypotheses[term.label] = np.empty((0, len(fixed.kept)))
            continue
        full = _estimable(_hypothesis(model, term), null_space)
        hypotheses[term.label] = full[:, fixed.kept]
    return hypotheses


def _one_factor(model: ModelMatrix, term: CodedTerm) -> bool:
    has_intercept = model.terms[0].label == "1"
    return has_intercept and len(term.variables) == 1 and model.is_factor(term.variables[0])


def _sequential(fixed: FixedDesign, term: CodedTerm) -> np.ndarray:
    """lmerTest's basis for a single factor, whatever its coding."""
    coding = fixed.model.level_rows(term.variables[0], by_contrasts=True)
    cells = np.column_stack([np.ones(len(coding)), coding])
    treatment = np.vstack([cells[:1], cells[1:] - cells[0]])
    X = fixed.matrix @ np.linalg.inv(treatment)
    R = np.linalg.qr(X, mode="r")
    return np.asarray((R / np.diag(R)[:, None])[1:] @ treatment)


def _null_space(fixed: FixedDesign) -> np.ndarray:
    """The null space without the terms that were dropped altogether: they count as absent."""
    model = fixed.model
    dropped = np.setdiff1d(np.arange(len(model.names)), fixed.kept)
    absent = np.concatenate(
        [
            np.arange(len(model.names))[term.columns]
            for term in model.terms
            if not np.isin(np.arange(len(model.names))[term.columns], fixed.kept).any()
        ]
        or [np.empty(0, dtype=int)]
    )
    return fixed.null_space[:, ~np.isin(dropped, absent)]


def _estimable(hypothesis: np.ndarray, null_space: np.ndarray) -> np.ndarray:
    """The part of the hypothesis that is orthogonal to the null space."""
    lost = hypothesis @ null_space
    if np.abs(lost).max(initial=0.0) < _ESTIMABLE:
        return hypothesis
    left, values, _ = np.linalg.svd(lost)
    rank = int((values > _ESTIMABLE * values.max()).sum())
    return np.asarray(left[:, rank:].T @ hypothesis)


def _hypothesis(model: ModelMatrix, term: CodedTerm) -> np.ndarray:
    """Rows over all columns of the model matrix."""
    factors = [v for v in term.variables if model.is_factor(v)]
    numeric = frozenset(term.variables) - frozenset(factors)
    contrasts = _contrasts(model, term, factors, numeric)
    blocks = []
    widths = [model.width(v) for v in sorted(numeric)]
    for choice in itertools.product(*(range(width) for width in widths)):
        cells = _cell_rows(model, factors, dict(zip(sorted(numeric), choice, strict=True)))
        blocks.append(contrasts @ cells)
    return np.vstack(blocks)


def _cell_rows(model: ModelMatrix, factors: list[int], chosen: dict[int, int]) -> np.ndarray:
    """Mean (or slope of the chosen numeric columns) in each cell of `factors`."""
    sizes = [model.n_levels(v) for v in factors]
    cells = int(np.prod(sizes))
    index = np.indices(sizes).reshape(len(sizes), cells)
    where = dict(zip(factors, index, strict=True))
    rows = np.zeros((cells, len(model.names)))
    for term in model.terms:
        numeric = {v for v in term.variables if not model.is_factor(v)}
        if numeric != set(chosen):
            continue  # a numeric variable outside the term is at zero, one inside it has a slope
        block: np.ndarray = np.ones((cells, 1))
        for v in term.variables:
            if v in chosen:
                part = np.zeros((cells, model.width(v)))
                part[:, chosen[v]] = 1.0
            else:
                coding = model.level_rows(v, by_contrasts=v in term.by_contrasts)
                average = np.broadcast_to(coding.mean(axis=0), (cells, coding.shape[1]))
                part = coding[where[v]] if v in where else average
            block = (part[:, :, None] * block[:, None, :]).reshape(cells, -1)
        rows[:, term.columns] = block
    return rows


def _contrasts(
    model: ModelMatrix, term: CodedTerm, factors: list[int], numeric: frozenset[int]
) -> np.ndarray:
    """Contrasts between the cells that are orthogonal to the lower terms of the model."""
    sizes = [model.n_levels(v) for v in factors]
    lower = [
        _functions_of(factors, sizes, other.variables)
        for other in model.terms
        if set(other.variables) < set(term.variables) and numeric <= set(other.variables)
    ]
    # Coded by contrasts, a factor has its margin in the model: `b` in ``0 + a + b`` the constant.
    margins = [set(term.variables) - {v} for v in factors if v in term.by_contrasts]
    lower += [_functions_of(factors, sizes, tuple(margin)) for margin in margins]
    below = np.hstack(lower) if lower else np.zeros((int(np.prod(sizes)), 1))
    U, values, _ = np.linalg.svd(below)
    rank = int((values > 1e-10).sum())
    complement = U[:, rank:].T
    # Differences from the first level span the same, where they do, and are lmerTest's.
    differences: np.ndarray = np.ones((1, 1))
    for v, size in zip(factors, sizes, strict=True):
        by_difference = v in term.by_contrasts
        part = np.eye(size)[1:] - np.eye(size)[:1] if by_difference else np.eye(size)
        differences = np.kron(differences, part)
    if len(differences) == len(complement) and np.abs(differences @ below).max() < 1e-10:
        return differences
    return np.asarray(complement)


def _functions_of(factors: list[int], sizes: list[int], own: tuple[int, ...]) -> np.ndarray:
    """Indicators of the cells of the factors that a lower term has."""
    out: np.ndarray = np.ones((1, 1))
    for v, size in zip(factors, sizes, strict=True):
        out = np.kron(out, np.eye(size) if v in own else np.ones((size, 1)))
    return out
