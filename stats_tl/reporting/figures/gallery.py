"""The figures of a report: for each a function from the material to a figure with its caption.

A figure that the study does not allow is replaced by the reason. Captions say what a band or a
bar is, and what it is not.
"""

from __future__ import annotations

__all__ = ["FIGURES"]

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..rendering.labels import clustered_by, comparison_labels, plural, varies
from ..rendering.numbers import MINUS, format_interval, format_number
from ..rendering.parts import Absent, Drawing
from ..results.material import Material
from ..results.pairs import PairComponents
from .calibration import calibration_data, calibration_summary, draw_calibration
from .curves import CurveScores, curve_settings, panels
from .decision import decision_data, draw_decision, highest_threshold
from .detectable import (
    detectable_data,
    draw_detectable_difference,
    draw_power,
    repeat_styles,
    single_test_data,
)
from .differences import differences_figure
from .forest import forest_data, forest_figure
from .ranks import rank_table, ranks_data, ranks_figure
from .risks import as_risks
from .roc import draw_roc, roc_data
from .style import GREY, arm_styles, styled, warning_lines
from .variance import variance_data, variance_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_CURVES = "no setting has a complete run of all its arms with both classes in every fold"
_NO_FOLDS = "the scores are not from cross-validation with a partition of the cases"


def forest(material: Material) -> Drawing | Absent:
    """Differences with their intervals."""
    table = material.shown
    draw = partial(
        forest_figure,
        material.comparisons,
        labels=material.labels,
        metric=material.metric.label,
        **_warnings(material),
    )
    sign = "positive" if material.metric.higher_is_better else "negative"
    caption = (
        f"Differences in {material.metric.difference} (candidate {MINUS} {_reference(material)}) "
        f"with {_level(material)} "
        f"confidence intervals; {sign} values favour the candidate. Filled symbols mark an "
        f"adjusted P < {table['alpha'].iloc[0]:g}."
    )
    if not math.isnan(table["margin"].iloc[0]):
        caption += f" The grey band is the equivalence margin, ± {table['margin'].iloc[0]:g}."
    listed = "; ".join(
        f"{name}: {row['text']}"
        for name, row in zip(
            _names(table), forest_data(material.comparisons).to_dict("records"), strict=True
        )
    )
    return Drawing(draw, caption, f"Forest plot. {listed}.")


def roc(material: Material) -> Drawing | Absent:
    """ROC curves with a band for new patients and the spread over repeats."""
    if not material.metric.is_auc:
        return Absent("roc", "ROC curves", _other(material))
    settings, why = curve_settings(material)
    if not settings:
        return Absent("roc", "ROC curves", _NO_CURVES)
    level = 1 - material.options.alpha
    data = [roc_data(scores, confidence_level=level) for scores in settings]

    def draw(number: int, ax: Any) -> None:
        aucs = _auc_texts(material, settings[number])
        draw_roc(data[number], ax=ax, reference=_reference(material), aucs=aucs)

    whole = partial(
        _curve_figure,
        material,
        settings,
        draw,
        xlabel="1 − specificity (false positive rate)",
        ylabel="Sensitivity",
    )
    crossed = any(len(np.unique(s.folds[0])) > 1 for s in settings)
    several = any(len(s.folds) > 1 for s in settings)
    run = "reader" if material.of_readers else "training run"
    average = ""
    if crossed:
        average = ", averaged vertically over the test folds of a repeat"
        average += " and then over repeats" if several else ""
        average += "; scores of different models were never ranked together"
    elif several:
        average = f", averaged vertically over {run}s"
    caption = (
        f"ROC curves{average}. Bands are pointwise {_level(material)} confidence bands for new "
        f"{_units(material)}{_clustered(material)}, from the variance of one "
        f"{'repeat' if crossed else run}; they do not cover the whole curve "
        "simultaneously, and their overlap is not a test of a difference."
    )
    if several:
        what = "repeats" if crossed else f"{run}s"
        varying = f"{'splitting and ' if crossed else ''}training on"
        if material.of_readers:
            varying = "reading"
        caption += (
            f" Thin lines are the lowest and highest of the {what} at each point; they show the "
            f"variability of {varying} the same {_units(material)} "
            "and are not a confidence interval."
        )
    caption += f" Numbers are AUCs ({_level(material)} confidence interval).{_shown(why)}"
    alt = "; ".join(
        f"{scores.title or 'all cases'}: "
        + ", ".join(
            f"{arm} AUC {text}, sensitivity {_at(frame, arm, 0.1)} at a false positive rate of "
            f".10 and {_at(frame, arm, 0.3)} at .30"
            for arm, text in _auc_texts(material, scores).items()
        )
        for scores, frame in zip(settings, data, strict=True)
    )
    return Drawing(whole, caption, f"ROC curves. {alt}.")


def differences(material: Material) -> Drawing | Absent:
    """Folds and repeats of every comparison."""
    table = material.shown
    components = material.components
    if not any(components):
        return Absent("differences", "figure of differences per fold and repeat", _NO_FOLDS)
    draw = partial(
        differences_figure,
        material.comparisons,
        components,
        labels=material.labels,
        metric=material.metric.label,
        **_warnings(material),
    )
    caption = (
        f"Differences in {material.metric.difference} (candidate {MINUS} {_reference(material)}) "
        "of each test fold (dots) and repeat (bars, one lane each); the black line is the mean of "
        "all. Folds of a repeat share most of their training cases, and repeats share all cases, "
        "so that the dots are not independent observations and their spread is not a confidence "
        "interval."
    )
    listed = []
    for name, parts in zip(_names(table), components, strict=True):
        if parts is None:
            continue
        values = parts.differences
        means = values.mean(axis=1)
        listed.append(
            f"{name}: folds {format_interval(values.min(), values.max())}, repeats "
            f"{format_interval(means.min(), means.max())}, mean {format_number(values.mean())}"
        )
    return Drawing(draw, caption, f"Dot plot of differences. {'; '.join(listed)}.")


def variance(material: Material) -> Drawing | Absent:
    """Components of the variance of a difference, and shares in the mixed model."""
    table, mixed = material.shown, material.mixed
    components = material.components
    layout, parts = variance_data(material.comparisons, components, labels=material.labels)
    if not len(layout) and mixed.reason:
        why = _NO_FOLDS if not any(components) else "at least two repeats are needed"
        return Absent("variance", "figure of the components of variance", why)
    units = _units(material)
    draw = partial(
        variance_figure,
        layout,
        parts,
        mixed.variance_components,
        units=units,
        metric=material.metric.label,
        **_warnings(material),
    )
    caption, listed = "Sources of variance.", []
    if len(layout):
        caption += (
            f" Coloured bars show the variance of a difference in {material.metric.label}, for one "
            "repeat and for all. "
            f"Variance between {units} is shared by all repeats, and only more {units} reduce it; "
            f"the part of {units} as training cases cannot be seen in out-of-fold scores and was "
            "estimated from how scores vary with the folds. Variance between splits and trainings "
            "falls with the number of repeats. The line is the squared standard error used by the "
            "test."
        )
        shared = [own.parts.shared_variance for own in components if own is not None]
        if any(value < 0 for value in shared):
            caption += " Negative estimates are drawn as zero."
        names = [n for n, own in zip(_names(table), components, strict=True) if _repeated(own)]
        totals = parts.pivot_table(index=["row", "repeats"], columns="source", values="variance")
        for row, name in enumerate(names):
            one = totals.loc[row].iloc[0] * 1e4
            listed.append(
                f"{name}: {units} as test cases {one['patients']:.1f}, as training cases "
                f"{one['learning']:.1f}, splits and training of one repeat "
                f"{one['splits'] + one['seeds']:.1f} (× 10⁻⁴)"
            )
    if not mixed.reason:
        caption += " Grey bars show shares of the variance of fold AUCs in the mixed model."
        listed += [
            f"{row['source']}: {100 * row['share']:.0f} %"
            for row in mixed.variance_components.to_dict("records")
        ]
    return Drawing(draw, caption, f"Bar charts. {'; '.join(listed)}.")


def calibration(material: Material) -> Drawing | Absent:
    """Reliability curves with calibration intercept and slope."""
    settings, why = curve_settings(material)
    if not settings:
        return Absent("calibration", "calibration curves", _NO_CURVES)
    risks, note, reason = as_risks(settings, material)
    if reason:
        return Absent("calibration", "calibration curves", reason)
    level = 1 - material.options.alpha
    summaries = [calibration_summary(scores, confidence_level=level) for scores in risks]

    def draw(number: int, ax: Any) -> None:
        data = calibration_data(risks[number], confidence_level=level)
        draw_calibration(data, summaries[number], ax=ax, reference=_reference(material))

    whole = partial(
        _curve_figure,
        material,
        risks,
        draw,
        xlabel="Predicted risk",
        ylabel="Observed proportion of events",
    )
    caption = (
        "Calibration curves: observed proportion of events against predicted risk, in groups of "
        "equal size; every case was predicted by models that were not trained on it. Bars are "
        f"{_level(material)} confidence intervals{_clustered(material)}, curves are logistic "
        "recalibrations, and the diagonal is perfect calibration; a is the calibration intercept "
        "(ideal, 0; below 0, risks are too high) and b the calibration slope (ideal, 1; below 1, "
        f"risks are too extreme). {note}".rstrip()
        + _shown(why)
    )
    alt = "; ".join(
        f"{scores.title or 'all cases'}: "
        + ", ".join(
            f"{row['arm']} intercept {format_number(row['intercept'], 2)} "
            f"({format_interval(row['intercept_low'], row['intercept_high'], 2)}), slope "
            f"{format_number(row['slope'], 2)} "
            f"({format_interval(row['slope_low'], row['slope_high'], 2)})"
            for row in summary.to_dict("records")
        )
        for scores, summary in zip(risks, summaries, strict=True)
    )
    return Drawing(whole, caption, f"Calibration curves. {alt}.")


def decision(material: Material) -> Drawing | Absent:
    """Net benefit over thresholds of risk."""
    settings, why = curve_settings(material)
    if not settings:
        return Absent("decision", "decision curves", _NO_CURVES)
    risks, note, reason = as_risks(settings, material)
    if reason:
        return Absent("decision", "decision curves", reason)
    level = 1 - material.options.alpha
    data = [decision_data(scores, confidence_level=level) for scores in risks]
    several = any(len(scores.folds) > 1 for scores in risks)
    most = highest_threshold(data)

    def draw(number: int, ax: Any) -> None:
        draw_decision(data[number], ax=ax, reference=_reference(material), most=most)

    whole = partial(
        _curve_figure,
        material,
        risks,
        draw,
        xlabel="Threshold of risk",
        ylabel="Net benefit",
        aspect=0.75,
        more=[("treat all; treat none (horizontal line)", {"color": GREY, "linestyle": "-"})],
    )
    caption = (
        "Decision curves: net benefit of intervening where the predicted risk reaches a threshold"
        f"{', averaged over repeats' if several else ''}. Bands are pointwise "
        f"{_level(material)} confidence bands{_clustered(material)}; grey lines are intervention "
        "in all cases and in none. Risks were not recalibrated: where a curve lies below the grey "
        f"lines, acting on the risks would do harm at that threshold. {note}".rstrip()
        + _shown(why)
    )
    listed = []
    for scores, frame in zip(risks, data, strict=True):
        rows = frame[np.isclose(frame["threshold"], 0.2)]
        texts = [
            f"{row['arm']} {format_number(row['net_benefit'])}" for row in rows.to_dict("records")
        ]
        everyone = format_number(rows["treat_all"].iloc[0])
        listed.append(
            f"{scores.title or 'all cases'}: net benefit at a threshold of 20 %: "
            f"{', '.join(texts)}, acting in all cases {everyone}"
        )
    return Drawing(whole, caption, f"Decision curves. {'; '.join(listed)}.")


def critical_difference(material: Material) -> Drawing | Absent:
    """Average ranks over tasks."""
    if not material.metric.is_auc:
        return Absent("critical_difference", "critical-difference diagram", _other(material))
    table, reason = rank_table(material.aucs, labels=material.labels)
    if reason:
        return Absent("critical_difference", "critical-difference diagram", reason)
    alpha = material.options.alpha
    ranks, cliques, critical = ranks_data(table, alpha=alpha)
    draw = partial(ranks_figure, table, alpha=alpha, **_warnings(material))
    caption = (
        f"Critical-difference diagram: average ranks of the AUC over {len(table)} tasks, which are "
        "the sampling units; rank 1 is best. Methods joined by a bar differ by less than the "
        f"critical difference of Nemenyi’s test ({format_number(critical, 2)}; family-wise level, "
        f"{alpha:g}). A bar means that a difference was not shown, not that the methods are equal."
    )
    listed = ", ".join(f"{row.method} {row.rank:.2f}" for row in ranks.itertuples())
    joined = "; ".join(
        f"no difference shown: {', '.join(ranks['method'].iloc[start : stop + 1])}"
        for start, stop in cliques
    )
    return Drawing(draw, caption, f"Average ranks: {listed}. {joined}.")


def detectable(material: Material) -> Drawing | Absent:
    """Power over differences, patients and repeats."""
    table, options = material.shown, material.options
    chosen, names = _few(table), _names(table)
    titles, draws, listed = [], [], []
    styles: dict[int, dict[str, Any]] = {}
    bands = False
    grouped = (table["clustered_by"] == "group").any()
    unit = "group" if grouped else _units(material).removesuffix("s")
    for number in chosen:
        row, parts = table.iloc[number], material.components[number]
        if not row["standard_error"] > 0:
            continue
        units = int(row["n_cases"] if math.isnan(row["n_groups"]) else row["n_groups"])
        repeats: list[int] = [1]
        if parts is not None and (_repeated(parts) or row["test"] == "nadeau-bengio"):
            repeats = [parts.parts.n_repeats, max(20, 2 * parts.parts.n_repeats)]
            curve, sizes = detectable_data(
                parts.parts,
                method=row["test"],
                standard_error=row["standard_error"],
                n_repeats=repeats,
                alpha=options.alpha,
                power=options.power,
            )
        elif row["test"] in ("delong", "paired-metric"):
            curve, sizes = single_test_data(
                row["standard_error"], units, alpha=options.alpha, power=options.power
            )
        else:
            continue
        name = names[number] if len(chosen) > 1 else ""
        titles += [f"{name} power".strip().capitalize() if not name else f"{name}: power"]
        titles += ["Detectable difference"]
        draws.append((curve, sizes, units))
        styles |= repeat_styles(repeats)
        own = sizes[(sizes["n_units"] == units) & (sizes["n_repeats"] == repeats[0])].iloc[0]
        bands = bands or own["low"] < own["high"]
        listed.append(
            f"{names[number]}: with {plural(units, unit)} a difference of "
            f"{format_interval(own['low'], own['high']) if bands else format_number(own['low'])} "
            f"is detected with {100 * options.power:g} % power"
        )
    if not draws:
        return Absent(
            "detectable",
            "figure of detectable differences",
            "the design gives no components of variance (it has one run, several training runs on "
            "one test set, or no variance)",
        )
    several = set(styles) != {1}
    key = [(plural(count, "repeat"), style) for count, style in styles.items()] if several else []

    def draw() -> Figure:
        with styled():
            figure, axes = panels(
                titles,
                xlabel=(f"True difference in {material.metric.label}", f"{unit.capitalize()}s"),
                key=key,
                notes=warning_lines(**_warnings(material)),
                gap=0.42,
                right=0.14,
            )
            for number, (curve, sizes, units) in enumerate(draws):
                margin = options.margin
                draw_power(curve, ax=axes[2 * number], power=options.power, margin=margin)
                draw_detectable_difference(sizes, ax=axes[2 * number + 1], present=units)
        return figure

    power = f"{100 * options.power:g} %"
    caption = (
        "Detectable differences. Left: the power of the test depends on the true difference, at "
        f"the number of {unit}s of this study; the horizontal line marks {power}. Right: the "
        f"smallest difference detected with {power} power depends on the number of {unit}s; the "
        "vertical line marks this study."
        + (" The grey band is the equivalence margin." if options.margin is not None else "")
    )
    if bands:
        caption += (
            " Coloured bands cover the 95 % interval of how much a case matters as a training case."
        )
    caption += (
        " The curves take the variances of this study as known; they are no second verdict on "
        "its P values."
    )
    if len(chosen) < len(table):
        primary = (table["role"].iloc[chosen] == "primary").all()
        caption += _shown(
            "the primary comparison"
            if primary
            else "the first comparison of each task in the order of the tables, at most two"
        )
    return Drawing(draw, caption, f"Power curves. {'; '.join(listed)}.")


def _curve_figure(
    material: Material,
    settings: Sequence[CurveScores],
    draw: Callable[[int, Any], None],
    *,
    more: Sequence[tuple[str, dict[str, Any]]] = (),
    **options: Any,
) -> Figure:
    arms = list(dict.fromkeys(arm for scores in settings for arm in scores.scores))
    styles = arm_styles(arms, _reference(material))
    with styled():
        figure, axes = panels(
            [scores.title for scores in settings],
            key=[*((arm, styles[arm]) for arm in arms), *more],
            notes=warning_lines(**_warnings(material)),
            **options,
        )
        for number, ax in enumerate(axes):
            draw(number, ax)
    return figure


def _auc_texts(material: Material, scores: CurveScores) -> dict[str, str]:
    """AUC with its interval for every arm of a setting, as in the significance table."""
    own = material.comparisons
    for key, word in scores.setting.items():
        own = own[own[key].astype(str) == word]
    shown = material.shown.loc[own.index]
    texts = {scores.reference: _estimate(shown.iloc[0], "auc_reference")}
    return texts | {str(row["arm"]): _estimate(row, "auc") for _, row in shown.iterrows()}


def _other(material: Material) -> str:
    """Why there is no figure of AUCs."""
    return f"it is of AUCs, and the arms are compared by the {material.metric.label}"


def _estimate(row: pd.Series, name: str) -> str:
    text = format_number(row[name])
    if math.isnan(row[f"{name}_low"]):
        return text
    return f"{text} ({format_interval(row[f'{name}_low'], row[f'{name}_high'])})"


def _names(table: pd.DataFrame) -> list[str]:
    labels = comparison_labels(table)
    several = varies(table["task"])
    return [
        ", ".join(filter(None, [task if several else "", *label]))
        for task, label in zip(table["task"].astype(str), labels, strict=True)
    ]


def _few(table: pd.DataFrame) -> list[int]:
    """The primary comparison, else the first of each task; two at most."""
    primary = np.flatnonzero(table["role"] == "primary")
    if len(primary):
        return [int(number) for number in primary[:2]]
    return [int(numbers[0]) for numbers in table.groupby("task", sort=False).indices.values()][:2]


def _at(data: pd.DataFrame, arm: str, rate: float) -> str:
    row = data[(data["arm"] == arm) & np.isclose(data["fpr"], rate)].iloc[0]
    return format_number(row["tpr"], 2)


def _repeated(parts: PairComponents | None) -> bool:
    return parts is not None and not math.isnan(parts.parts.repeat_variance)


def _units(material: Material) -> str:
    """What the cases are drawn from: patients where all are known."""
    return "patients" if material.shown["n_patients"].notna().all() else "images"


def _clustered(material: Material) -> str:
    return clustered_by(material.shown["clustered_by"])


def _reference(material: Material) -> str:
    return material.labels.arm(material.reference)


def _level(material: Material) -> str:
    return f"{100 * (1 - material.options.alpha):g} %"


def _shown(why: str) -> str:
    return f" The figure shows {why}." if why else ""


def _warnings(material: Material) -> dict[str, bool]:
    return {"synthetic": material.synthetic, "incomplete": bool(material.lacking)}


#: Figures by the name of their files, in the order of the report.
FIGURES: dict[str, Callable[[Material], Drawing | Absent]] = {
    "forest": forest,
    "roc": roc,
    "differences": differences,
    "variance": variance,
    "calibration": calibration,
    "decision": decision,
    "critical_difference": critical_difference,
    "detectable": detectable,
}
