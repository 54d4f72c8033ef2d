"""The results paragraphs: the numbers in sentences, with verdicts no stronger than the tests."""

from __future__ import annotations

__all__ = ["results_paragraphs"]

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ..rendering.labels import comparison_labels, join_words, plural
from ..rendering.numbers import format_count, format_interval, format_number, format_p
from ..rendering.parts import Section
from ..results.findings import test_findings
from ..results.material import Material
from ..tables.notes import finding_note

#: More comparisons than this are summarised instead of told one by one.
MOST_TOLD = 6


def results_paragraphs(material: Material, sections: Mapping[str, Section]) -> tuple[str, ...]:
    """Paragraphs of plain text, from the numbers of the tables.

    Parameters
    ----------
    material : Material
    sections : mapping of str to Section
        Tables of the report by name.
    """
    paragraphs = [
        " ".join(_sample(material)),
        " ".join(_comparisons(material)),
        " ".join(_mixed(material)),
        " ".join(_operating(material, sections)),
        " ".join(_subgroups(material, sections)),
        " ".join(_cautions(material)),
    ]
    return tuple(filter(None, paragraphs))


def _sample(material: Material) -> Iterator[str]:
    for row in material.sample.to_dict("records"):
        where = f"In {row['task']}, " if row["task"] else ""
        text = f"{where}{format_count(row['n_cases'])} images"
        if not math.isnan(row["n_patients"]):
            text += f" of {format_count(row['n_patients'])} patients"
        share = format_number(100 * row["prevalence"], 1)
        yield f"{text} were analysed; {format_count(row['n_events'])} ({share} %) had the event."


def _comparisons(material: Material) -> Iterator[str]:
    rows = material.comparisons
    primary = (rows["role"] == "primary").to_numpy()
    if primary.any() and not primary.all():
        yield from _told(material, rows[primary], "primary comparison")
        yield from _told(material, rows[~primary], "secondary comparison")
    else:
        yield from _told(material, rows, "comparison")


def _told(material: Material, rows: pd.DataFrame, what: str) -> Iterator[str]:
    if len(rows) > MOST_TOLD:
        yield from _summarised(rows, what)
        return
    labels = comparison_labels(material.comparisons)
    sizes = material.comparisons.groupby(["role", "family"])["arm"].transform("size")
    corrected = material.options.correction != "none"
    told = [
        _sentence(row, labels[n], "adjusted " if corrected and sizes[n] > 1 else "")
        for n, row in zip(rows.index, rows.to_dict("records"), strict=True)
    ]
    opening = f"{what.capitalize()}{'s' * (len(told) > 1)}" if " " in what else ""
    yield f"{opening}: {'; '.join(told)}." if opening else f"{'. '.join(told)}."


def _sentence(row: Mapping[Any, Any], label: tuple[str, str], many: str) -> str:
    arm, reference = row["arm"], row["reference"]
    words = [word for word in (row["task"], *label) if word and word != arm]
    where = f"In {', '.join(words)}, the" if words else "The"
    level = f"{100 * row['confidence_level']:g} % CI"
    text = (
        f"{where} AUC was {format_number(row['auc'])} with {arm} and "
        f"{format_number(row['auc_reference'])} with {reference}"
    )
    difference = format_number(row["difference"])
    if math.isnan(row["pvalue"]):
        return f"{text}; the variance of the difference, {difference}, cannot be estimated"
    interval = format_interval(row["difference_low"], row["difference_high"])
    return (
        f"{text}, a difference of {difference} ({level}, {interval}; {many}P "
        f"{_equals(row['pvalue_adjusted'], row['alpha'])}): {_verdict(row)}"
    )


def _equals(pvalue: float, alpha: float = 0.05) -> str:
    text = format_p(pvalue, alpha)
    return f"{text[0]} {text[1:]}" if text[0] in "<>" else f"= {text}"


def _verdict(row: Mapping[Any, Any]) -> str:
    arm, reference, margin = row["arm"], row["reference"], row["margin"]
    power = f"{100 * row['power']:g} %"
    detectable = (
        f"a difference of {format_number(row['smallest_detectable_difference'])} would have been "
        f"found with {power} power"
    )
    if row["verdict"] == "superior":
        return f"{arm} was superior to {reference}"
    if row["verdict"] == "inferior":
        return f"{arm} was inferior to {reference}"
    if row["verdict"] == "equivalent":
        return f"{arm} and {reference} were equivalent within ± {margin:g}"
    if row["verdict"] == "non-inferior":
        return (
            f"{arm} was not inferior to {reference} by {margin:g} or more; superiority was not "
            f"shown, and {detectable}"
        )
    if row["verdict"] == "identical":
        return "both arms rank every pair of cases alike"
    bound = "" if math.isnan(margin) else f" nor equivalence within ± {margin:g}"
    shown = "neither a difference" if bound else "no difference"
    return f"{shown}{bound} was shown; {detectable}"


def _summarised(rows: pd.DataFrame, what: str) -> Iterator[str]:
    counts = rows["verdict"].value_counts()
    order = [name for name in _ORDER if name in counts.index]
    order += sorted(set(counts.index) - set(order))
    low, high = rows["difference"].min(), rows["difference"].max()
    told = join_words([f"{counts[name]} {name}" for name in order])
    yield (
        f"Of {plural(len(rows), what)}, the candidate was {told} (adjusted P values); differences "
        f"in AUC went from {format_number(low)} to {format_number(high)}."
    )


_ORDER = ("superior", "inferior", "equivalent", "non-inferior", "inconclusive")


def _mixed(material: Material) -> Iterator[str]:
    mixed = material.mixed
    if mixed.reason:
        return
    shares = mixed.variance_components.sort_values("share", ascending=False)
    told = [
        f"{source[:1].lower() + source[1:]} {format_number(100 * share, 1)} %"
        for source, share in zip(shares["source"], shares["share"], strict=True)
    ]
    yield f"Of the variance of a fold’s AUC around the fixed effects, {join_words(told)}."
    for row in mixed.tests.to_dict("records"):
        df = f"{row['df_numerator']:g}, {format_number(row['df_denominator'], 1)}"
        yield (
            f"In this descriptive model, the interaction {row['effect']} had F({df}) = "
            f"{format_number(row['statistic'], 2)}, P {_equals(row['pvalue'])}."
        )


def _operating(material: Material, sections: Mapping[str, Section]) -> Iterator[str]:
    if "operating_points" not in sections:
        return
    rows = _of_primary(material, sections["operating_points"].numbers)
    if len(rows) > 2 * MOST_TOLD:
        significant = int((rows["pvalue_adjusted"] < rows["alpha"]).sum())
        yield (
            f"At thresholds fixed on tuning cases, {significant} of {len(rows)} differences in "
            "sensitivity or specificity had an adjusted P below alpha."
        )
        return
    labels = comparison_labels(rows.reset_index(drop=True))
    for number, row in enumerate(rows.to_dict("records")):
        words = [w for w in (*labels[number], row["task"]) if w and w != row["arm"]]
        where = f" ({', '.join(words)})" if len(rows) > 2 and words else ""
        a, b, difference = (
            format_number(100 * row[key], 1) for key in ("value", "value_reference", "difference")
        )
        interval = format_interval(100 * row["difference_low"], 100 * row["difference_high"], 1)
        yield (
            f"{row['metric'].capitalize()}{where} was {a} % with {row['arm']} and {b} % with "
            f"{row['reference']} (difference {difference} percentage points, "
            f"{100 * row['confidence_level']:g} % CI, {interval}; adjusted P "
            f"{_equals(row['pvalue_adjusted'], row['alpha'])})."
        )


def _of_primary(material: Material, numbers: pd.DataFrame) -> pd.DataFrame:
    """Rows of the primary comparisons, or all where none is primary."""
    rows = material.comparisons
    primary = rows[rows["role"] == "primary"]
    if primary.empty:
        return numbers
    keys = ["task", "backbone", "head", "unfreeze", "arm"]
    return numbers.merge(primary[keys].drop_duplicates(), on=keys)


def _subgroups(material: Material, sections: Mapping[str, Section]) -> Iterator[str]:
    if "subgroups" not in sections:
        return
    rows = sections["subgroups"].numbers
    if not rows["tested"].any():
        yield "Subgroups were described only; no test of interaction holds in this design."
        return
    keys = ["task", "backbone", "head", "unfreeze", "arm", "covariate"]
    tests = rows.drop_duplicates(keys).dropna(subset="interaction_pvalue")
    alpha = material.options.alpha
    found = tests[tests["interaction_pvalue_adjusted"] < alpha]
    if found.empty and len(tests):
        least = tests["interaction_pvalue_adjusted"].min()
        names = join_words(list(dict.fromkeys(tests["covariate"])))
        yield (
            f"No interaction with {names} was shown (smallest adjusted P {_equals(least, alpha)}), "
            "which does not show that the differences are equal."
        )
    for row in found.to_dict("records"):
        pvalue = _equals(row["interaction_pvalue_adjusted"], alpha)
        yield f"The difference varied with {row['covariate']} (interaction, adjusted P {pvalue})."


def _cautions(material: Material) -> Iterator[str]:
    """What stands below the table of comparisons; the plan is told in the methods."""
    for finding in test_findings(material):
        if finding.code != "plan":
            yield finding_note(finding)
