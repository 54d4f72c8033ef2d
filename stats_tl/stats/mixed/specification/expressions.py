"""The value of a variable of a formula, such as ``log(x + 1)`` or ``factor(k)``, in a table.

A variable is numeric (one or several columns) or a factor. Functions that depend on the
data (``scale``, ``poly``, ``factor``) keep what they found in the rows of the fit, so that
the same expression can be evaluated for new rows, as R's ``makepredictcall`` does.
"""

from __future__ import annotations

__all__ = ["Evaluator", "logit"]

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import scipy

from .coding import Factor, Numeric, Value, contrast_matrix, level_label, orthogonal_polynomials
from .syntax import Call, Constant, Name, Node, deparse


def logit(probability: np.ndarray) -> np.ndarray:
    """Log odds; available inside formulas, as in ``logit(auc) ~ arm + (1 | seed)``."""
    p = np.asarray(probability, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(p) - np.log1p(-p))


_NUMBERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "exp": np.exp,
    "expm1": np.expm1, "sqrt": np.sqrt, "abs": np.abs, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "tanh": np.tanh, "floor": np.floor, "ceiling": np.ceil, "sign": np.sign,
    "logit": logit, "plogis": lambda x: scipy.special.expit(x), "qlogis": logit,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power,
    "%%": np.mod, "%/%": np.floor_divide, "pmin": np.minimum, "pmax": np.maximum,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[[Any, Any], np.ndarray]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, ">": np.greater, "<=": np.less_equal,
    ">=": np.greater_equal,
}  # fmt: skip
#: What may be called with one and with two arguments.
_ONE: dict[str, Callable[..., np.ndarray]] = {
    **_NUMBERS, "+": np.positive, "-": np.negative, "!": lambda x: ~x.astype(bool),
}  # fmt: skip
_TWO: dict[str, Callable[..., np.ndarray]] = {
    **_ARITHMETIC, "&": np.logical_and, "|": np.logical_or,
    "log": lambda x, base: np.log(x) / np.log(base),
}  # fmt: skip
_OPERATORS = {"(", "%in%", *_ONE, *_TWO, *_COMPARISONS}
_OTHERS = (
    "I", "C", "as.factor", "as.integer", "as.numeric", "c", "dummy", "factor", "ifelse",
    "offset", "ordered", "poly", "relevel", "round", "scale",
)  # fmt: skip
_ADVICE = {
    "ns": "compute the basis beforehand (patsy.cr, formulaic's basis_spline) as columns of `data`",
    "bs": "compute the basis beforehand (patsy.bs, formulaic's basis_spline) as columns of `data`",
    "cut": "make the column with pandas.cut beforehand",
    "interaction": "write a:b, or make the column beforehand",
    "Q": "write the name between backticks",
    "center": "write scale(x, scale = FALSE)",
}


class Evaluator:
    """Evaluates the variables of formulas, and remembers what depends on the rows of the fit."""

    def __init__(self) -> None:
        self._state: dict[str, Any] = {}

    def value(self, node: Node, frame: pd.DataFrame) -> Value:
        """The variable `node` in the rows of `frame`."""
        value = self._evaluate(node, frame)
        if isinstance(value, Factor | Numeric):
            return value
        array = np.asarray(value)
        if array.ndim == 0:
            array = np.full(len(frame), array)
        if array.dtype == bool:
            return Factor(array.astype(int), (False, True))
        if array.dtype.kind in "OUS":
            levels, codes = np.unique(array.astype(str), return_inverse=True)
            return Factor(codes, tuple(self._remember(node, lambda: levels.tolist())))
        return Numeric(array.astype(float)[:, None])

    def numbers(self, node: Node, frame: pd.DataFrame) -> np.ndarray:
        """The variable as one number per row."""
        return np.broadcast_to(
            self._numeric(node, self._evaluate(node, frame)), (len(frame),)
        ).astype(float)

    def _remember(self, node: Node, make: Callable[[], Any]) -> Any:
        key = deparse(node)
        if key not in self._state:
            self._state[key] = make()
        return self._state[key]

    def _evaluate(self, node: Node, frame: pd.DataFrame) -> Any:
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Name):
            return _column(frame[node.name])
        method = getattr(self, f"_call_{node.function.replace('.', '_')}", None)
        if method is not None:
            return method(node, frame)
        return self._operator(node, frame)

    def _operator(self, node: Call, frame: pd.DataFrame) -> Any:
        name = node.function.removeprefix("np.")
        if name not in _OPERATORS:
            raise self._unknown(node)
        operands = [self._evaluate(operand, frame) for operand in node.operands]
        if name == "(":
            return operands[0]
        if len(operands) == 2 and (name == "%in%" or name in _COMPARISONS):
            return _compare(name, operands[0], operands[1])
        function = {1: _ONE, 2: _TWO}.get(len(operands), {}).get(name)
        if function is None:
            raise self._unknown(node)
        with np.errstate(all="ignore"):
            return function(*(self._numeric(node, operand) for operand in operands))

    @staticmethod
    def _unknown(node: Call) -> ValueError:
        name = node.function
        known = sorted({*_NUMBERS, *_OTHERS, "pmin", "pmax"})
        if name in known or name in _ARITHMETIC:
            return ValueError(
                f"`formula`: wrong number of arguments in {deparse(node)}; see R's help of {name}."
            )
        advice = _ADVICE.get(name, "compute the column beforehand and name it in the formula")
        return ValueError(
            f"`formula`: {name}() is not available in {deparse(node)}: {advice}. Available are "
            f"{', '.join(known)} and R's operators."
        )

    def _numeric(self, node: Node, value: Any) -> np.ndarray:
        if isinstance(value, Numeric) and value.values.shape[1] == 1:
            return value.values[:, 0]
        if isinstance(value, Factor) and value.logical:
            truth = np.array([label == "TRUE" for label in value.labels], dtype=float)
            return np.asarray(truth[value.codes])
        if isinstance(value, bool | int | float):
            return np.asarray(float(value))
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            raise ValueError(f"`formula`: {deparse(node)} needs a number, not a factor or text.")
        return value.astype(float)

    def _bound(
        self, node: Call, names: Sequence[str], frame: pd.DataFrame, lazy: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Arguments matched to `names` as R matches them: by name, then by position."""
        found: dict[str, Node] = {}
        for label, operand in node.arguments:
            if label:
                matches = [name for name in names if name.startswith(label)]
                if label not in names and len(matches) != 1:
                    raise ValueError(
                        f"`formula`: {node.function}() has no argument {label!r} in "
                        f"{deparse(node)}; it has {', '.join(names)}."
                    )
                found[label if label in names else matches[0]] = operand
        free = (name for name in names if name not in found)
        for label, operand in node.arguments:
            if not label:
                name = next(free, None)
                if name is None:
                    raise self._unknown(node)
                found[name] = operand
        if names[0] not in found:
            raise self._unknown(node)
        return {
            name: operand if name in lazy else self._evaluate(operand, frame)
            for name, operand in found.items()
        }

    # --- functions; each gets its call and the table ------------------------------

    def _call_I(self, node: Call, frame: pd.DataFrame) -> Any:  # noqa: N802 - R's name
        return self._bound(node, ["x"], frame)["x"]

    def _call_c(self, node: Call, frame: pd.DataFrame) -> Any:
        return np.array([self._evaluate(operand, frame) for operand in node.operands])

    def _call_round(self, node: Call, frame: pd.DataFrame) -> Any:
        bound = self._bound(node, ["x", "digits"], frame)
        return np.round(self._numeric(node, bound["x"]), int(bound.get("digits", 0)))

    def _call_ifelse(self, node: Call, frame: pd.DataFrame) -> Any:
        bound = self._bound(node, ["test", "yes", "no"], frame)
        if len(bound) < 3:
            raise self._unknown(node)
        return np.where(
            self._numeric(node, bound["test"]) != 0,
            *(_text(bound[key]) if _is_text(bound[key]) else bound[key] for key in ("yes", "no")),
        )

    def _call_as_numeric(self, node: Call, frame: pd.DataFrame) -> Any:
        value = self._bound(node, ["x"], frame)["x"]
        if isinstance(value, Factor) and not value.logical:
            raise ValueError(
                f"`formula`: {deparse(node)} would number the levels of a factor; make a column "
                "of numbers beforehand, so that it is clear which."
            )
        return self._numeric(node, value)

    def _call_as_integer(self, node: Call, frame: pd.DataFrame) -> Any:
        return np.trunc(self._call_as_numeric(node, frame))

    def _call_scale(self, node: Call, frame: pd.DataFrame) -> Any:
        bound = self._bound(node, ["x", "center", "scale"], frame)
        x = self._numeric(node, bound["x"])

        def moments() -> tuple[float, float]:
            center, scale = bound.get("center", True), bound.get("scale", True)
            middle = float(x.mean()) if center is True else float(center)
            rest = x - middle
            if scale is True:
                return middle, float(np.sqrt(rest @ rest / (len(x) - 1)))
            return middle, 1.0 if scale is False else float(scale)

        middle, width = self._remember(node, moments)
        return (x - middle) / width

    def _call_poly(self, node: Call, frame: pd.DataFrame) -> Any:
        bound = self._bound(node, ["x", "degree", "raw"], frame)
        x, degree = self._numeric(node, bound["x"]), bound.get("degree", 1.0)
        if not isinstance(bound.get("raw", False), bool) or isinstance(degree, np.ndarray):
            raise ValueError(
                f"`formula`: {deparse(node)}: poly() of several variables is not available; "
                "write poly(x, 2) * poly(z, 2), or compute the columns beforehand."
            )
        if not isinstance(degree, float) or degree < 1 or degree != int(degree):
            raise ValueError(f"`formula`: {deparse(node)}: the degree must be a whole number.")
        names = tuple(str(i + 1) for i in range(int(degree))) if degree > 1 else ("",)
        if bound.get("raw", False):
            return Numeric(np.column_stack([x ** (i + 1) for i in range(int(degree))]), names)
        known = self._state.get(deparse(node))
        values, coefficients = orthogonal_polynomials(x, int(degree), known)
        self._remember(node, lambda: coefficients)
        return Numeric(values, names)

    def _call_factor(self, node: Call, frame: pd.DataFrame) -> Any:
        bound = self._bound(node, ["x", "levels", "labels", "ordered"], frame)
        made = self._factor(node, bound["x"], bound.get("levels"))
        if "labels" in bound:
            labels = tuple(np.atleast_1d(bound["labels"]).tolist())
            if len(set(labels)) != len(made.levels):
                raise ValueError(f"`formula`: {deparse(node)} needs {len(made.levels)} labels.")
            made = replace(made, levels=labels)
        return replace(made, ordered=bool(bound.get("ordered", made.ordered)))

    _call_as_factor = _call_factor

    def _call_ordered(self, node: Call, frame: pd.DataFrame) -> Any:
        return replace(self._call_factor(node, frame), ordered=True)

    def _factor(self, node: Call, value: Any, chosen: Any = None) -> Factor:
        if isinstance(value, Factor):
            own = value
        else:
            array = np.asarray(value.values[:, 0] if isinstance(value, Numeric) else value)
            levels, codes = np.unique(array, return_inverse=True)
            own = Factor(codes, tuple(levels.tolist()))
        present = np.unique(own.codes)
        levels = (
            np.atleast_1d(chosen).tolist()
            if chosen is not None
            else self._remember(node, lambda: [own.levels[i] for i in present])
        )
        position = {level_label(level): i for i, level in enumerate(levels)}
        labels = own.labels
        unknown = [labels[i] for i in present if labels[i] not in position]
        if unknown:
            raise ValueError(
                f"`formula`: {deparse(node)} leaves out the level {unknown[0]!r}, which would be "
                "missing in its rows; drop these rows, or name the level."
            )
        recode = np.array([position.get(label, -1) for label in labels])
        return Factor(recode[own.codes], tuple(levels), own.ordered)

    def _call_relevel(self, node: Call, frame: pd.DataFrame) -> Any:
        bound = self._bound(node, ["x", "ref"], frame)
        made = bound["x"]
        reference = level_label(bound.get("ref"))
        if not isinstance(made, Factor) or reference not in made.labels:
            raise ValueError(
                f"`formula`: {deparse(node)} needs a factor and one of its levels as `ref`."
            )
        first = made.labels.index(reference)
        order = [first, *(i for i in range(len(made.levels)) if i != first)]
        return Factor(np.argsort(order)[made.codes], tuple(made.levels[i] for i in order))

    def _call_dummy(self, node: Call, frame: pd.DataFrame) -> Any:
        bound = self._bound(node, ["f", "levels"], frame)
        made = self._factor(node, bound["f"])
        wanted = np.atleast_1d(bound.get("levels", made.labels[1:])).tolist()
        at = [made.labels.index(level_label(level)) for level in wanted]
        names = tuple(map(str, wanted)) if len(wanted) > 1 else ("",)
        return Numeric((made.codes[:, None] == np.array(at)).astype(float), names)

    def _call_C(self, node: Call, frame: pd.DataFrame) -> Any:  # noqa: N802 - R's name
        bound = self._bound(node, ["object", "contr", "how.many", "base"], frame, lazy=["contr"])
        if "how.many" in bound:
            raise ValueError(f"`formula`: {deparse(node)}: how.many is not available.")
        made = self._factor(node, bound["object"])
        if "contr" not in bound:
            return made
        kind, base = bound["contr"], bound.get("base", 1.0)
        if isinstance(kind, Call):
            named = dict(kind.arguments)
            base_node = named.get("base")
            base = base_node.value if isinstance(base_node, Constant) else base
            kind = Name(kind.function)
        text = str(kind.value if isinstance(kind, Constant) else deparse(kind))
        text = text if text.startswith("contr.") else f"contr.{text}"
        if isinstance(base, str):
            base = float(made.labels.index(base) + 1) if base in made.labels else 0.0
        coding, names = contrast_matrix(text, len(made.levels), int(base))
        return replace(made, coding=coding, coding_names=names)


def _column(column: pd.Series) -> Any:
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        return Factor(codes, tuple(column.cat.categories), bool(column.cat.ordered))
    return column.to_numpy()


def _is_text(value: Any) -> bool:
    return isinstance(value, Factor | str) or np.asarray(value).dtype.kind in "OUS"


def _text(value: Any) -> np.ndarray:
    if isinstance(value, Factor):
        return np.asarray(np.asarray(value.labels)[value.codes])
    array = np.atleast_1d(np.asarray(value))
    return array if array.dtype.kind in "US" else np.array([level_label(v) for v in array.tolist()])


def _compare(name: str, left: Any, right: Any) -> np.ndarray:
    if name == "%in%":
        return np.isin(_text(left), _text(right))
    if _is_text(left) or _is_text(right):
        if name not in ("==", "!="):
            raise ValueError(f"`formula`: the levels of a factor have no order for {name!r}.")
        left, right = _text(left), _text(right)
    elif isinstance(left, Numeric) or isinstance(right, Numeric):
        left, right = (v.values[:, 0] if isinstance(v, Numeric) else v for v in (left, right))
    return np.asarray(_COMPARISONS[name](left, right))
