"""From a formula and a table to the matrices of the model y = Xb + Zu + e.

Coding is R's: treatment contrasts whose reference is the first level (alphabetical
for text, the first category for a categorical), coefficients named as R names them
(``pretrainradimagenet``, ``flagTRUE``, ``pretrainradimagenet:backboneB1``), aliased
columns of X dropped from the right, random terms ordered by their number of levels.
"""

from __future__ import annotations

__all__ = ["Column", "FixedDesign", "MixedDesign", "RandomTerm", "build_design", "logit"]

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec
from formulaic.errors import FormulaicError
from formulaic.parser.types import Term
from formulaic.transforms import TRANSFORMS
from formulaic.utils.variables import get_expression_variables

from .formula import MixedFormula, RandomTermFormula, ordered_terms

#: A column whose part outside the columns to its left is below this share is aliased (as in R).
ALIAS_TOLERANCE = 1e-7


def logit(probability: np.ndarray) -> np.ndarray:
    """Log odds; available inside formulas, as in ``logit(auc) ~ arm + (1 | seed)``."""
    p = np.asarray(probability, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(p) - np.log1p(-p)


CONTEXT = {"np": np, "logit": logit, "log": np.log, "sqrt": np.sqrt, "exp": np.exp}


@dataclass(frozen=True)
class Column:
    """One column of X: its R name, its term, and the level of each factor (None: numeric)."""

    name: str
    term: str
    levels: dict[str, str | None]
    reduced: dict[str, bool]


@dataclass(frozen=True)
class FixedDesign:
    """The fixed part: model matrix of the estimable coefficients and how to rebuild it.

    Attributes
    ----------
    matrix : ndarray of shape (n, p)
        X without its aliased columns.
    columns, kept, dropped : tuple
        Every column of the full matrix, and the indices kept and dropped.
    null_space : ndarray of shape (p + dropped, dropped)
        Basis of the null space of the full matrix: a linear function of the
        coefficients is estimable where it is orthogonal to it.
    spec : formulaic.ModelSpec
        Rebuilds the matrix for new rows.
    factors : dict
        Levels of each categorical variable of the fixed part.
    covariates : dict
        Mean of each numeric variable of the fixed part.
    """

    matrix: np.ndarray
    columns: tuple[Column, ...]
    kept: np.ndarray
    dropped: tuple[str, ...]
    null_space: np.ndarray
    spec: ModelSpec
    factors: dict[str, tuple]
    covariates: dict[str, float]

    @property
    def names(self) -> list[str]:
        """Names of the estimable coefficients."""
        return [self.columns[i].name for i in self.kept]

    def rows(self, data: pd.DataFrame) -> np.ndarray:
        """Full-width rows of X for the variables in `data`."""
        frame = data.copy()
        for name, levels in self.factors.items():
            frame[name] = pd.Categorical(frame[name], categories=list(levels))
        return np.asarray(self.spec.get_model_matrix(frame, context=CONTEXT), dtype=float)


@dataclass(frozen=True)
class RandomTerm:
    """Random effects with covariance matrix of their own: `coefficients` over `levels`.

    ``codes`` of shape (n,) is the level of each row, ``z`` of shape (n, k) the value of
    each coefficient's regressor.
    """

    formula: RandomTermFormula
    name: str
    coefficients: tuple[str, ...]
    levels: list
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

    @property
    def n_rows(self) -> int:
        """Number of observations."""
        return len(self.y)

    @property
    def n_parameters(self) -> int:
        """Fixed effects, covariance parameters and the residual variance."""
        return self.fixed.matrix.shape[1] + sum(t.n_parameters for t in self.random) + 1


def build_design(formula: MixedFormula, data: pd.DataFrame) -> MixedDesign:
    """Evaluate `formula` on `data`; ValueError names what is missing or cannot be fitted."""
    if not isinstance(data, pd.DataFrame):
        raise ValueError(f"`data` must be a pandas DataFrame, got {type(data).__name__}.")
    groups = list(dict.fromkeys(name for t in formula.random for name in t.factors))
    texts = [formula.response, formula.fixed, *(t.effects for t in formula.random)]
    variables = list(dict.fromkeys(name for text in texts for name in _variables(text, data)))
    frame = _prepare(data, variables, groups)
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
    return MixedDesign(formula, frame, y, fixed, _unique_names(random))


def _variables(text: str, data: pd.DataFrame) -> list[str]:
    """The columns that a formula's side reads, and whatever it names that is no column."""
    names: list[str] = []
    for expr in (factor.expr for term in ordered_terms(text) for factor in term.factors):
        if expr in data.columns:
            names.append(expr)
            continue
        for variable in sorted(map(str, get_expression_variables(expr, {}))):
            root = variable.split(".")[0]
            if root in data.columns:
                names.append(root)
            elif root not in CONTEXT and root not in TRANSFORMS:
                names.append(variable)
    return names


def _prepare(data: pd.DataFrame, variables: list[str], groups: list[str]) -> pd.DataFrame:
    """The columns in use, complete, with text and booleans as categoricals."""
    names = list(dict.fromkeys([*variables, *groups]))
    absent = [name for name in names if name not in data.columns]
    if absent:
        raise ValueError(
            f"`data` has no column {', '.join(map(repr, absent))} named in the formula; "
            f"its columns are {', '.join(map(repr, data.columns))}."
        )
    frame = data[names].reset_index(drop=True)
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


def _response(text: str, frame: pd.DataFrame) -> np.ndarray:
    table = frame[[text]] if text in frame.columns else _matrix(ordered_terms(f"0 + {text}"), frame)
    if table.shape[1] != 1:
        raise ValueError(f"`formula`: the response {text!r} must be one numeric column.")
    values = table.iloc[:, 0]
    if not pd.api.types.is_numeric_dtype(values.dtype):
        raise ValueError(f"`formula`: the response {text!r} must be numeric, got {values.dtype}.")
    y = np.asarray(values, dtype=float)
    bad = int((~np.isfinite(y)).sum())
    if bad:
        raise ValueError(
            f"The response {text!r} is not finite in {bad} of {len(y)} rows. On a logit scale an "
            "AUC of exactly 0 or 1 is infinite: model the raw AUC, or shrink it first, "
            "e.g. (auc * (n - 1) + 0.5) / n with n test cases."
        )
    return y


def _matrix(terms: list[Term], frame: pd.DataFrame) -> pd.DataFrame:
    try:
        return Formula(terms, _ordering="none").get_model_matrix(
            frame, context=CONTEXT, na_action="ignore"
        )
    except FormulaicError as error:
        raise ValueError(f"`formula` could not be evaluated: {error}") from error


def _columns(spec: ModelSpec, names: list[str]) -> tuple[Column, ...]:
    """Name the columns as R does and record which level of which factor each one codes."""
    columns: list[Column] = []
    for term, span in spec.term_slices.items():
        exprs = [f.expr for f in term.factors]
        if str(term) == "1":
            columns.append(Column("(Intercept)", "1", {}, {}))
            continue
        for name in names[span]:
            levels, reduced, parts, rest = {}, {}, [], name
            for i, expr in enumerate(exprs):
                end = rf":{re.escape(exprs[i + 1])}" if i + 1 < len(exprs) else "$"
                match = re.match(rf"{re.escape(expr)}(\[(T\.)?(.*?)\])?(?={end}|$)", rest)
                if match is None:  # a constant factor leaves no trace in the name
                    continue
                levels[expr] = match[3]
                reduced[expr] = match[2] is not None
                parts.append(f"{expr}{match[3] or ''}")
                rest = rest[match.end() + 1 :]
            columns.append(Column(":".join(parts), str(term), levels, reduced))
    return tuple(columns)


def _fixed(text: str, frame: pd.DataFrame) -> FixedDesign:
    terms = ordered_terms(text)
    if not terms:
        raise ValueError("`formula` has an empty fixed part; at least an intercept is needed.")
    table = _matrix(terms, frame)
    full = np.ascontiguousarray(table.to_numpy(dtype=float))
    if not np.isfinite(full).all():
        bad = [name for name in table.columns if not np.isfinite(table[name]).all()]
        raise ValueError(f"The fixed effects {', '.join(bad)} are not finite in every row.")
    columns = _columns(table.model_spec, list(table.columns))
    kept, dropped, null_space = _independent_columns(full)
    variables = _variables(text, frame)
    factors = {
        name: tuple(frame[name].cat.categories)
        for name in frame.columns
        if name in variables and isinstance(frame[name].dtype, pd.CategoricalDtype)
    }
    covariates = {
        name: float(frame[name].mean())
        for name in frame.columns
        if name in variables and name not in factors
    }
    return FixedDesign(
        matrix=full[:, kept],
        columns=columns,
        kept=kept,
        dropped=tuple(columns[i].name for i in dropped),
        null_space=null_space,
        spec=table.model_spec,
        factors=factors,
        covariates=covariates,
    )


def _independent_columns(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leftmost independent columns, the aliased ones, and a basis of the null space."""
    basis = np.empty((X.shape[0], 0))
    kept: list[int] = []
    dropped: list[int] = []
    for j, column in enumerate(X.T):
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        norm = np.linalg.norm(rest)
        if norm > ALIAS_TOLERANCE * np.linalg.norm(column):
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
    terms = ordered_terms(term.effects)
    if not terms:
        raise ValueError(f"`formula`: the random term {term} has no effects.")
    table = _matrix(terms, frame)
    z = np.ascontiguousarray(table.to_numpy(dtype=float))
    if not np.isfinite(z).all():
        raise ValueError(f"`formula`: the effects of {term} are not finite in every row.")
    names = tuple(c.name for c in _columns(table.model_spec, list(table.columns)))
    codes, levels = _group_codes(term, frame)
    n, k = len(frame), z.shape[1]
    if len(levels) < 2:
        raise ValueError(
            f"The grouping factor {term.group!r} has one level only; a variance between its levels "
            "cannot be estimated. Drop the term, or group by something that varies."
        )
    if len(levels) >= n:
        raise ValueError(
            f"The grouping factor {term.group!r} has {len(levels)} levels in {n} rows: one row a "
            "level cannot be told from the residual. Group by something that repeats."
        )
    if len(levels) * k >= n:
        raise ValueError(
            f"The random term {term} has {len(levels) * k} effects for {n} rows: its variances and "
            "the residual variance are not identifiable. Simplify its left side."
        )
    return RandomTerm(term, term.group, names, levels, codes, z)


def _group_codes(term: RandomTermFormula, frame: pd.DataFrame) -> tuple[np.ndarray, list]:
    """Level of each row and the levels in R's order (the last factor varies fastest)."""
    codes = np.zeros(len(frame), dtype=np.int64)
    labels: list[list] = []
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
        named.append(
            RandomTerm(term.formula, name, term.coefficients, term.levels, term.codes, term.z)
        )
    return tuple(named)
