"""ROC curves of every class against the rest."""

from __future__ import annotations

__all__ = ["roc_by_class"]

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..figures.curves import MOST_PANELS, CurveScores, panels
from ..figures.roc import draw_roc, roc_data
from ..figures.style import arm_styles, styled
from ..rendering.labels import Labels, plural
from ..rendering.numbers import format_number
from ..rendering.parts import Absent, Drawing
from .model import ClassFit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def roc_by_class(
    fit: ClassFit, names: tuple[str, ...], reference: str, *, labels: Labels, alpha: float
) -> Drawing | Absent:
    """A panel a class, of the first setting.

    Parameters
    ----------
    fit : ClassFit
    names : tuple of str
        The classes.
    reference : str
    labels : Labels
    alpha : float
        One less the level of the bands.
    """
    if fit.metric == "quadratic_kappa":
        return Absent("roc_by_class", "ROC curves", "grades have no ROC curve")
    own = fit.settings[0]
    order = [reference, *(arm for arm in own.aligned.arms if arm != reference)]
    units = own.aligned.groups if own.aligned.groups is not None else own.aligned.cases
    values = {arm: own.scores(arm) for arm in order}
    shown = names[:MOST_PANELS]
    curves = [
        CurveScores(
            title=f"{name} against the rest",
            setting=own.aligned.setting,
            reference=labels.arm(reference),
            y_true=own.labels == number,
            groups=pd.factorize(np.asarray(units))[0],
            folds=own.folds,
            scores={labels.arm(arm): values[arm][..., number] for arm in order},
            repeats=own.repeats,
        )
        for number, name in enumerate(shown)
    ]
    data = [roc_data(each, confidence_level=1 - alpha) for each in curves]
    rows = fit.by_class
    for key, word in own.aligned.setting.items():
        rows = rows[rows[key] == word]
    aucs = [_aucs(rows[rows["class"] == name], reference, labels) for name in shown]
    left = f" The first {len(shown)} of {plural(len(names), 'class', 'classes')} are shown."
    setting = ", ".join(labels.setting(own.aligned.setting, list(own.aligned.setting)))
    caption = (
        "ROC curves of every class against the rest"
        + (f" ({setting})" if setting and len(fit.settings) > 1 else "")
        + (
            ", averaged vertically over the test folds of a repeat and then over repeats; scores "
            "of different models were never ranked together"
            if own.cross_validated
            else ""
        )
        + f". Bands are pointwise {100 * (1 - alpha):g} % confidence bands for new cases; numbers "
        "are AUCs." + (left if len(shown) < len(names) else "")
    )
    alt = "; ".join(
        f"{name}: " + ", ".join(f"{arm} AUC {text}" for arm, text in of_class.items())
        for name, of_class in zip(shown, aucs, strict=True)
    )
    draw = partial(_draw, curves, data, aucs, labels.arm(reference))
    return Drawing(draw, caption, f"ROC curves. {alt}.")


def _aucs(rows: pd.DataFrame, reference: str, labels: Labels) -> dict[str, str]:
    """Arm → its AUC, as text."""
    found = {}
    for row in rows.to_dict("records"):
        found[labels.arm(reference)] = format_number(row["value_reference"])
        found[labels.arm(str(row["arm"]))] = format_number(row["value"])
    return found


def _draw(
    curves: list[CurveScores], data: list[pd.DataFrame], aucs: list[dict[str, str]], reference: str
) -> Figure:
    arms = list(curves[0].scores)
    styles: dict[str, dict[str, Any]] = arm_styles(arms, reference)
    with styled():
        figure, axes = panels(
            [own.title for own in curves],
            xlabel="1 − specificity (false positive rate)",
            ylabel="Sensitivity",
            key=[(arm, styles[arm]) for arm in arms],
        )
        for ax, own, texts in zip(axes, data, aucs, strict=True):
            draw_roc(own, ax=ax, reference=reference, aucs=texts)
    return figure
