"""Values of variables, numeric or factor, and the contrasts by which factors are coded."""

from __future__ import annotations

__all__ = ["Factor", "Numeric", "Value", "contrast_matrix", "level_label", "orthogonal_polynomials"]

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Numeric:
    """Values of shape (n, k), and what each column adds to the variable's name."""

    values: np.ndarray
    names: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Factor:
    """Level of each row, the levels, and the coding that was asked for.

    ``coding`` is an (L, c) matrix with ``coding_names``; None is R's default, treatment
    contrasts, or polynomial ones where `ordered`.
    """

    codes: np.ndarray
    levels: tuple[object, ...]
    ordered: bool = False
    coding: np.ndarray | None = None
    coding_names: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The levels as text, as R prints them."""
        return tuple(map(level_label, self.levels))

    @property
    def logical(self) -> bool:
        """Whether these are R's TRUE and FALSE, which count as 1 and 0 in arithmetic."""
        return set(self.labels) <= {"FALSE", "TRUE"}

    def contrasts(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """The coding where the term's margin is in the model."""
        if self.coding is not None:
            return self.coding, self.coding_names
        if self.ordered:
            return contrast_matrix("contr.poly", len(self.levels))
        return np.eye(len(self.levels))[:, 1:], self.labels[1:]


Value = Numeric | Factor


def level_label(level: object) -> str:
    """A level as R prints it: whole numbers without decimals, booleans in capitals."""
    if isinstance(level, bool | np.bool_):
        return "TRUE" if level else "FALSE"
    if isinstance(level, float | np.floating):
        return f"{float(level):.15g}"
    return str(level)


def contrast_matrix(kind: str, n: int, base: int = 1) -> tuple[np.ndarray, tuple[str, ...]]:
    """R's ``contr.treatment``, ``contr.SAS``, ``contr.sum``, ``contr.helmert``, ``contr.poly``.

    The columns are named as ``C(f, contr.treatment)`` names them in R: by position.
    """
    numbered = tuple(str(i + 1) for i in range(n - 1))
    if kind in ("contr.treatment", "contr.SAS"):
        reference = (n if kind == "contr.SAS" else base) - 1
        if not 0 <= reference < n:
            raise ValueError(f"`formula`: base = {base} is no position among {n} levels.")
        kept = [i for i in range(n) if i != reference]
        return np.eye(n)[:, kept], tuple(str(i + 1) for i in kept)
    if kind == "contr.sum":
        return np.vstack([np.eye(n - 1), -np.ones(n - 1)]), numbered
    if kind == "contr.helmert":
        matrix = -np.triu(np.ones((n, n - 1)))
        matrix[np.arange(1, n), np.arange(n - 1)] = np.arange(1, n)
        return matrix, numbered
    if kind == "contr.poly":
        values, _ = orthogonal_polynomials(np.arange(1.0, n + 1), n - 1, None)
        return values, tuple([".L", ".Q", ".C"][: n - 1] + [f"^{i}" for i in range(4, n)])
    raise ValueError(
        f"`formula`: unknown contrasts {kind!r}; there are contr.treatment, contr.SAS, contr.sum, "
        "contr.helmert and contr.poly."
    )


def orthogonal_polynomials(
    x: np.ndarray, degree: int, known: tuple[np.ndarray, np.ndarray] | None
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """R's ``poly``: columns of unit norm by the three-term recurrence, and its coefficients."""
    if known is None and len(np.unique(x)) <= degree:
        raise ValueError(
            f"`formula`: a polynomial of degree {degree} needs more than {degree} distinct values."
        )
    alpha = np.zeros(degree) if known is None else known[0]
    norm2 = np.ones(degree + 2) if known is None else known[1]
    previous, current = np.zeros_like(x), np.ones_like(x)
    columns = []
    for j in range(degree):
        if known is None:
            norm2[j + 1] = current @ current
            alpha[j] = (x * current) @ current / norm2[j + 1]
        lower = norm2[j + 1] / norm2[j] if j else 0.0
        previous, current = current, (x - alpha[j]) * current - lower * previous
        columns.append(current)
    if known is None:
        norm2[degree + 1] = current @ current
    return np.column_stack(columns) / np.sqrt(norm2[2:]), (alpha, norm2)
