"""From a formula and a table to the matrices of the model y = Xb + Zu + e.

Coding and names are R's (see `model_matrix`): treatment contrasts whose reference is the
first level (alphabetical for text, the first category for a categorical), polynomial
contrasts for ordered categoricals, aliased columns of X dropped from the right, random
terms ordered by their number of levels.
"""

from __future__ import annotations

__all__ = ["FixedDesign", "MixedDesign", "RandomTerm", "build_design", "prepare"]

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .expressions import Evaluator
from .formula import MixedFormula, RandomTermFormula
from .model_matrix import ModelMatrix
from .syntax import Call, Name, Node, deparse, names_in, parse
from .terms import Terms, expand_terms

#: A column whose part outside the columns to its left is below this share is aliased (as in R).
ALIAS_TOLERANCE = 1e-7

#: A column whose deviations from its mean are below this share of it is constant.
_CONSTANT = 1e-12


@dataclass(frozen=True)
class FixedDesign:
    """The fixed part: model matrix of the estimable coefficients and how to rebuild it.

    Attributes
    ----------
    matrix : ndarray of shape (n, p)
        X without its aliased columns.
    model : ModelMatrix
        The full matrix: its columns, its terms, and its rows for new data.
    kept : ndarray
        Indices of the columns of the full matrix that were kept.
    dropped : tuple of str
        Names of the others.
    null_space : ndarray of shape (p + dropped, dropped)
        Basis of the null space of the full matrix: a linear function of the
        coefficients is estimable where it is orthogonal to it.
    factors : dict
        Levels of each categorical variable of the fixed part.
    covariates : dict
        Mean of each numeric variable of the fixed part.
    offset : ndarray of shape (n,)
        Sum of the ``offset()`` terms.
    """

    matrix: np.ndarray
    model: ModelMatrix
    kept: np.ndarray
    dropped: tuple[str, ...]
    null_space: np.ndarray
    factors: Mapping[str, tuple[object, ...]]
    covariates: Mapping[str, float]
    offset: np.ndarray
    _offsets: tuple[Node, ...]
    _dtypes: Mapping[str, pd.CategoricalDtype]
    _evaluator: Evaluator

    @property
    def names(self) -> list[str]:
        """Names of the estimable coefficients."""
        return [self.model.names[i] for i in self.kept]

    def rows(self, data: pd.DataFrame) -> np.ndarray:
        """Full-width rows of X for the variables in `data`."""
        return self.model.rows(self._typed(data))

    def offset_of(self, data: pd.DataFrame) -> np.ndarray:
        """The offset for the variables in `data`."""
        return _offset(self._offsets, self._typed(data), self._evaluator)

    def _typed(self, data: pd.DataFrame) -> pd.DataFrame:
        return data.assign(
            **{name: data[name].astype(dtype) for name, dtype in self._dtypes.items()}
        )


@dataclass(frozen=True)
class RandomTerm:
    """Random effects with covariance matrix of their own: `coefficients` over `levels`.

    ``codes`` of shape (n,) is the level of each row, ``z`` of shape (n, k) the value of
    each coefficient's regressor.
    """

    formula: RandomTermFormula
    name: str
    coefficients: tuple[str, ...]
    levels: list[object]
    codes: np.ndarray
    z: np.ndarray

    @property
    def n_levels(self) -> int:
        """Number of levels of the grouping factor."""
        return len(self.levels)

    @property
    def n_parameters(self) -> int:
        """Number of covariance parameters."""
        k = len(self.coefficients)
        return k * (k + 1) // 2


@dataclass(frozen=True)
class MixedDesign:
    """Everything the solver and the inference need to know of the data."""

    formula: MixedFormula
    data: pd.DataFrame = field(repr=False)
    y: np.ndarray = field(repr=False)
    fixed: FixedDesign = field(repr=False)
    random: tuple[RandomTerm, ...] = field(repr=False)
    weights: np.ndarray = field(repr=False)

    @property
    def n_rows(self) -> int:
        """Number of observations."""
        return len(self.y)

    @property
    def n_parameters(self) -> int:
        """Fixed effects, covariance parameters and the residual variance."""
        return int(self.fixed.matrix.shape[1]) + sum(t.n_parameters for t in self.random) + 1


def build_design(
    formula: MixedFormula, data: pd.DataFrame, weights: str | ArrayLike | None = None
) -> MixedDesign:
    """Evaluate `formula` on `data`; ValueError names what is missing or cannot be fitted."""
    if not isinstance(data, pd.DataFrame):
        raise ValueError(f"`data` must be a pandas DataFrame, got {type(data).__name__}.")
    groups = list(dict.fromkeys(name for t in formula.random for name in t.factors))
    nodes = [formula.response, formula.fixed, *(parse(t.effects) for t in formula.random)]
    variables = list(dict.fromkeys(name for node in nodes for name in _variables(node)))
    frame = prepare(data, variables, groups)
    prior = _prior_weights(weights, data)
    y = _response(formula.response, frame)
    fixed = _fixed(formula.fixed, frame)
    n, p = fixed.matrix.shape
    if p >= n:
        raise ValueError(f"`data` has {n} rows, too few for {p} fixed effects.")
    random = [_random(t, frame) for t in formula.random]
    sizes = [term.n_levels for term in random]
    if sizes != sorted(sizes, reverse=True):
        # lme4's order: by size, and where that is a change, ties reversed.
        order = np.argsort(sizes, kind="stable")[::-1]
        random = [random[i] for i in order]
    return MixedDesign(formula, frame, y, fixed, _unique_names(random), prior)


def _prior_weights(weights: str | ArrayLike | None, data: pd.DataFrame) -> np.ndarray:
    if weights is None:
        return np.ones(len(data))
    if isinstance(weights, str):
        if weights not in data.columns:
            raise ValueError(f"`weights`: `data` has no column {weights!r}.")
        weights = data[weights].to_numpy()
    try:
        values = np.asarray(weights, dtype=float)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (len(data),) or not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(
            "`weights` must name a column or hold one positive number per row of `data`: the "
            "residual variance of a row is sigma squared over its weight."
        )
    return values


def _variables(node: Node) -> list[str]:
    """The columns that an expression reads."""
    terms = expand_terms(node)
    return [name for part in (*terms.variables, *terms.offsets) for name in _columns_of(part)]


def _columns_of(node: Node) -> list[str]:
    """Names in an expression, without those of contrasts (``C(arm, contr.sum)``)."""
    if isinstance(node, Call) and node.function == "C":
        return [name for operand in node.operands[:1] for name in _columns_of(operand)]
    if isinstance(node, Call):
        return [name for operand in node.operands for name in _columns_of(operand)]
    return list(names_in(node))


def prepare(data: pd.DataFrame, variables: list[str], groups: list[str]) -> pd.DataFrame:
    """The columns in use, complete, with text and booleans as categoricals."""
    names = list(dict.fromkeys([*variables, *groups]))
    absent = [name for name in names if name not in data.columns]
    if absent:
        raise ValueError(
            f"`data` has no column {', '.join(map(repr, absent))} named in the formula; "
            f"its columns are {', '.join(map(repr, data.columns))}."
        )
    frame = pd.DataFrame({name: _native(data[name]).reset_index(drop=True) for name in names})
    if frame.empty:
        raise ValueError("`data` has no rows.")
    missing = frame.isna().sum()
    missing = missing[missing > 0]
    if len(missing):
        counts = ", ".join(f"{name!r}: {count}" for name, count in missing.items())
        raise ValueError(
            f"`data` has missing values in {int(frame.isna().any(axis=1).sum())} of {len(frame)} "
            f"rows ({counts}). Rows are never dropped silently: drop them "
            "(data.dropna(subset=...)) or impute them, and report which."
        )
    return frame.assign(**{name: _as_factor_or_number(frame[name]) for name in names})


def _native(column: pd.Series) -> pd.Series:
    """The column in this machine's byte order, the only one that pandas can select from."""
    dtype = column.dtype
    if not isinstance(dtype, np.dtype) or dtype.isnative:
        return column
    return pd.Series(column.to_numpy().astype(dtype.newbyteorder("=")))


def _as_factor_or_number(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.remove_unused_categories()
    column = column.infer_objects()
    if pd.api.types.is_bool_dtype(column.dtype):
        text = np.where(column.to_numpy(dtype=bool), "TRUE", "FALSE")
        return pd.Series(pd.Categorical(text), index=column.index)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.astype(float) if pd.api.types.is_extension_array_dtype(column) else column
    try:
        return column.astype("category").cat.remove_unused_categories()
    except TypeError as error:
        raise ValueError(f"`data[{column.name!r}]` mixes types: {error}") from error


def _response(node: Node, frame: pd.DataFrame) -> np.ndarray:
    text = deparse(node)
    if isinstance(node, Name) and isinstance(frame[node.name].dtype, pd.CategoricalDtype):
        kind = frame[node.name].cat.categories.dtype
        raise ValueError(f"`formula`: the response {text!r} must be numeric, got {kind}.")
    y = Evaluator().numbers(node, frame)
    bad = int((~np.isfinite(y)).sum())
    if bad:
        raise ValueError(
            f"The response {text!r} is not finite in {bad} of {len(y)} rows. On a logit scale an "
            "AUC of exactly 0 or 1 is infinite: model the raw AUC, or shrink it first, "
            "e.g. (auc * (n - 1) + 0.5) / n with n test cases."
        )
    return y


def _offset(nodes: tuple[Node, ...], frame: pd.DataFrame, evaluator: Evaluator) -> np.ndarray:
    total = np.zeros(len(frame))
    for node in nodes:
        total = total + evaluator.numbers(node, frame)
    return total


def _fixed(node: Node, frame: pd.DataFrame) -> FixedDesign:
    terms, evaluator = expand_terms(node), Evaluator()
    if not terms.terms and not terms.intercept:
        raise ValueError("`formula` has an empty fixed part; at least an intercept is needed.")
    model = ModelMatrix(terms, frame, evaluator)
    finite = np.isfinite(model.values).all(axis=0)
    if not finite.all():
        bad = [name for name, good in zip(model.names, finite, strict=True) if not good]
        raise ValueError(f"The fixed effects {', '.join(bad)} are not finite in every row.")
    kept, dropped, null_space = _independent_columns(model.values, terms.intercept)
    offset = _offset(terms.offsets, frame, evaluator)
    if not np.isfinite(offset).all():
        raise ValueError("`formula`: the offset is not finite in every row.")
    read = [name for name in _variables(node) if name in frame.columns]
    dtypes: dict[str, pd.CategoricalDtype] = {}
    for name in read:
        dtype = frame[name].dtype
        if isinstance(dtype, pd.CategoricalDtype):
            dtypes[name] = dtype
    factors: dict[str, tuple[object, ...]] = {
        name: tuple(dtype.categories) for name, dtype in dtypes.items()
    }
    for name in _converted(terms):
        factors.setdefault(name, tuple(np.unique(frame[name]).tolist()))
    return FixedDesign(
        matrix=model.values[:, kept],
        model=model,
        kept=kept,
        dropped=tuple(model.names[i] for i in dropped),
        null_space=null_space,
        # In the order of the table's columns in the formula.
        factors={name: factors[name] for name in frame.columns if name in factors},
        covariates={
            name: float(frame[name].mean())
            for name in frame.columns
            if name in read and name not in factors
        },
        offset=offset,
        _offsets=terms.offsets,
        _dtypes=dtypes,
        _evaluator=evaluator,
    )


def _converted(terms: Terms) -> list[str]:
    """Columns that the formula itself makes a factor, as ``factor(k)``."""
    found: list[str] = []

    def visit(node: Node) -> None:
        if isinstance(node, Call):
            if node.function in ("factor", "as.factor", "ordered", "C"):
                found.extend(o.name for o in node.operands[:1] if isinstance(o, Name))
            for operand in node.operands:
                visit(operand)

    for variable in terms.variables:
        visit(variable)
    return found


def _independent_columns(
    X: np.ndarray, intercept: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leftmost independent columns, the aliased ones, and a basis of the null space.

    Beside an intercept a column counts by its deviations from its mean, so that a year or
    a time stamp is not taken for a constant (which R does from a mean of 1e7 standard
    deviations on).
    """
    size = np.linalg.norm(X, axis=0)
    if intercept:
        spread = np.linalg.norm(X[:, 1:] - X[:, 1:].mean(axis=0), axis=0)
        size[1:] = np.where(spread > _CONSTANT * size[1:], spread, np.inf)
    basis = np.empty((X.shape[0], 0))
    kept: list[int] = []
    dropped: list[int] = []
    for j, column in enumerate(X.T):
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        norm = np.linalg.norm(rest)
        if norm > ALIAS_TOLERANCE * size[j]:
            basis = np.column_stack([basis, rest / norm])
            kept.append(j)
        else:
            dropped.append(j)
    null_space = np.zeros((X.shape[1], len(dropped)))
    if dropped:
        null_space[kept] = -np.linalg.lstsq(X[:, kept], X[:, dropped], rcond=None)[0]
        null_space[dropped] = np.eye(len(dropped))
    return np.array(kept, dtype=int), np.array(dropped, dtype=int), null_space


def _random(term: RandomTermFormula, frame: pd.DataFrame) -> RandomTerm:
    terms = expand_terms(parse(term.effects))
    if terms.offsets or not (terms.terms or terms.intercept):
        raise ValueError(f"`formula`: the random term {term} has no effects, or an offset.")
    model = ModelMatrix(terms, frame, Evaluator())
    z = np.ascontiguousarray(model.values)
    if not np.isfinite(z).all():
        raise ValueError(f"`formula`: the effects of {term} are not finite in every row.")
    codes, levels = _group_codes(term, frame)
    n, k = len(frame), z.shape[1]
    if len(levels) < 2:
        raise ValueError(
            f"The grouping factor {term.group!r} has one level only; a variance between its levels "
            "cannot be estimated. Drop the term, or group by something that varies."
        )
    if len(levels) >= n:
        raise ValueError(
            f"The grouping factor {term.group!r} has {len(levels)} levels in {n} rows: one row per "
            "level cannot be distinguished from the residual. Group by something that repeats."
        )
    if len(levels) * k >= n:
        raise ValueError(
            f"The random term {term} has {len(levels) * k} effects for {n} rows: its variances and "
            "the residual variance are not identifiable. Simplify its left side."
        )
    return RandomTerm(term, term.group, tuple(model.names), levels, codes, z)


def _group_codes(term: RandomTermFormula, frame: pd.DataFrame) -> tuple[np.ndarray, list[object]]:
    """Level of each row and the levels in R's order (the last factor varies fastest)."""
    codes = np.zeros(len(frame), dtype=np.int64)
    labels: list[list[object]] = []
    for name in term.factors:
        part, levels = pd.factorize(frame[name], sort=True)
        codes = codes * len(levels) + part
        labels.append(list(levels))
    used, codes = np.unique(codes, return_inverse=True)
    if len(labels) == 1:
        return codes, [labels[0][i] for i in used]
    where = np.unravel_index(used, [len(levels) for levels in labels])
    parts = [[str(levels[i]) for i in index] for levels, index in zip(labels, where, strict=True)]
    return codes, [":".join(names) for names in zip(*parts, strict=True)]


def _unique_names(terms: list[RandomTerm]) -> tuple[RandomTerm, ...]:
    """``g``, ``g.1``, … where several terms share a grouping factor, as lme4 prints them."""
    seen: dict[str, int] = {}
    named = []
    for term in terms:
        count = seen.get(term.name, 0)
        seen[term.name] = count + 1
        name = term.name if count == 0 else f"{term.name}.{count}"
        named.append(replace(term, name=name))
    return tuple(named)
