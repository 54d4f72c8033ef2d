"""Clinical metrics in sentences: how they were compared, and what was found."""

from __future__ import annotations

__all__ = ["clinical_methods", "clinical_results"]

from collections.abc import Iterator

import pandas as pd

from ..rendering.labels import CORRECTION_NAMES, join_words, plural, sentence_case
from ..rendering.numbers import equals_p, format_interval, format_number
from ..results.material import Material

#: More comparisons than this are counted instead of described one by one.
MOST_DESCRIBED = 2


def clinical_methods(material: Material, numbers: pd.DataFrame) -> Iterator[str]:
    """What was computed, and by which tests."""
    shown = numbers[numbers["value"].notna()]
    labels = list(dict.fromkeys(shown["label"]))
    if not labels:
        return
    yield sentence_case(f"{join_words(labels)} were compared as secondary metrics.")
    if (shown["n_folds"] > 1).any():
        yield (
            "They were computed within each test fold and averaged over folds, then over repeats, "
            "and tested with the variance of the influences of the cases [@efron1981]"
            + (
                "; with thresholds from tuning cases, by the corrected resampled t test over the "
                "folds [@nadeau2003]."
                if shown["threshold_rule"].ne("").any() and material.options.threshold is None
                else "."
            )
        )
    elif ((shown["n_repeats"] > 1) | (shown["n_seeds"] > 1)).any():
        yield "They were tested by the method of Obuchowski and Rockette [@obuchowski1995]."
    else:
        yield (
            "They were tested with the variance of the influences of the cases (the infinitesimal "
            "jackknife) [@efron1981], fitted models and thresholds fixed."
        )
    if material.options.correction != "none":
        yield (
            "Their P values were adjusted by "
            f"{CORRECTION_NAMES[material.options.correction]} over all of them."
        )
    if shown["metric"].eq("net_benefit").any():
        yield "Net benefit is that of decision curve analysis [@vickers2006]."


def clinical_results(material: Material, numbers: pd.DataFrame) -> Iterator[str]:
    """Which differences have an adjusted P value below the level, and the first metric."""
    tested = numbers[numbers["pvalue_adjusted"].notna()]
    if tested.empty:
        return
    rows = material.labels.applied(tested)
    alpha = material.options.alpha
    keys = ["task", "backbone", "head", "unfreeze", "arm"]
    groups = list(rows.groupby(keys, sort=False))
    adjusted = "adjusted P" if material.options.correction != "none" else "P"
    if len(groups) > MOST_DESCRIBED:
        found = int((rows["pvalue_adjusted"] < alpha).sum())
        yield (
            f"Of {plural(len(rows), 'difference')} in clinical metrics, {found} had "
            f"{'an ' if adjusted != 'P' else 'a '}{adjusted} below {alpha:g}."
        )
        return
    for _, own in groups:
        first = own.iloc[0]
        where = f"in {first['task']}, " if len(groups) > 1 and first["task"] else ""
        different = own[own["pvalue_adjusted"] < alpha]
        yield sentence_case(
            f"{where}{first['label']} was {format_number(first['value'])} with {first['arm']} and "
            f"{format_number(first['value_reference'])} with {first['reference']} (difference, "
            f"{format_number(first['difference'])}; {100 * first['confidence_level']:g} % CI, "
            f"{format_interval(first['difference_low'], first['difference_high'])}; {adjusted} "
            f"{equals_p(first['pvalue_adjusted'], alpha)})."
        )
        listed = join_words(list(different["label"]))
        yield (
            f"Of {plural(len(own), 'clinical metric')}, {len(different)} differed by {adjusted} < "
            f"{alpha:g}: {listed}."
            if len(different)
            else f"None of {plural(len(own), 'clinical metric')} differed by {adjusted} < {alpha:g}"
            ", which does not show that they are equal."
        )
