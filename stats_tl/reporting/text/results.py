"""The results paragraphs: the numbers in sentences, with verdicts no stronger than the tests."""

from __future__ import annotations

__all__ = ["results_paragraphs"]

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from ..measures.study_metric import StudyMetric
from ..rendering.labels import (
    count_word,
    join_words,
    plural,
    sentence_case,
    setting_phrase,
    varies,
)
from ..rendering.numbers import equals_p, format_count, format_interval, format_number
from ..rendering.parts import Section
from ..results.comparisons import NO_VERDICT
from ..results.findings import test_findings
from ..results.material import Material
from ..results.verdicts import reversed_arms
from ..tables.notes import finding_note
from .clinical import clinical_results

#: More comparisons than this are summarised instead of described one by one.
MOST_DESCRIBED = 6
_KEYS = ("backbone", "head", "unfreeze")


def results_paragraphs(material: Material, sections: Mapping[str, Section]) -> tuple[str, ...]:
    """Paragraphs of plain text, from the numbers of the tables.

    Parameters
    ----------
    material : Material
    sections : mapping of str to Section
        Tables of the report by name.
    """
    rows = material.shown
    primary = (rows["role"] == "primary").to_numpy()
    if primary.any() and not primary.all():
        compared = [
            _compared(material, rows[primary], "primary comparison"),
            _compared(material, rows[~primary], "secondary comparison"),
        ]
    else:
        compared = [_compared(material, rows, "comparison")]
    paragraphs = [
        _sample(material),
        *compared,
        _metrics(material, sections),
        _mixed(material),
        _sensitivity(material, sections),
        _operating(material, sections),
        _clinical(material, sections),
        _subgroups(material, sections),
        _cautions(material),
    ]
    return tuple(filter(None, map(" ".join, paragraphs)))


def _sample(material: Material) -> Iterator[str]:
    for row in material.labels.applied(material.sample).to_dict("records"):
        opening = f"The {row['task']} data comprised" if row["task"] else "The data comprised"
        text = f"{opening} {_many(row['n_cases'], 'image')}"
        known = not math.isnan(row["n_patients"])
        text += f" of {_many(row['n_patients'], 'patient')}" if known else " (patients unknown)"
        share = format_number(100 * row["prevalence"], 1)
        yield f"{text}; {_many(row['n_events'], 'image')} ({share} %) had the event."


def _many(count: float, noun: str) -> str:
    return f"{format_count(count)} {noun if count == 1 else noun + 's'}"


# Comparisons


def _compared(material: Material, rows: pd.DataFrame, what: str) -> Iterator[str]:
    """Sentences on the comparisons of one role."""
    if len(rows) > 1:
        yield from _summary(rows, what)
    if len(rows) > MOST_DESCRIBED:
        low, high = rows["difference"].min(), rows["difference"].max()
        what = material.metric.difference
        yield f"Differences in {what} ranged from {format_number(low)} to {format_number(high)}."
        return
    every = material.shown
    sizes = every.groupby(["role", "family"])["arm"].transform("size")
    corrected = material.options.correction != "none"
    where = _where(every)
    for number, row in zip(rows.index, rows.to_dict("records"), strict=True):
        adjusted = "adjusted " if corrected and sizes[number] > 1 else ""
        opening = where[number]
        if what.startswith("primary") and len(rows) == 1:
            particulars = setting_phrase(row, ("task", *_KEYS) if varies(every["task"]) else _KEYS)
            opening = "In the primary comparison" + (f" ({particulars})" if particulars else "")
        yield _sentence(row, opening, adjusted, material.metric)


def _where(rows: pd.DataFrame) -> list[str]:
    """How the sentence of each comparison begins: what distinguishes it from the others."""
    keys = [key for key in _KEYS if varies(rows[key])]
    several = varies(rows["task"])
    openings = []
    for row in rows.to_dict("records"):
        first, *rest = [*(str(row[key]) for key in keys if row[key]), ""]
        rest = [word for word in rest if word]
        model = f"{first} ({', '.join(rest)})" if rest else first
        task = f"in {row['task']}" if several and row["task"] else ""
        parts = [f"with {model}" if model else "", task]
        openings.append(sentence_case(" ".join(filter(None, parts))))
    return openings


def _sentence(row: Mapping[Any, Any], opening: str, adjusted: str, by: StudyMetric) -> str:
    arm, reference = row["arm"], row["reference"]
    averaged = row["n_folds"] > 1 or row["n_repeats"] * row["n_seeds"] > 1
    value = f"mean {by.label}" if averaged else f"the {by.label}"
    text = (
        f"{opening + ', ' if opening else ''}{value} was {format_number(row['auc'])} with {arm} "
        f"and {format_number(row['auc_reference'])} with {reference}"
    )
    text = sentence_case(text)
    difference = format_number(row["difference"])
    if math.isnan(row["pvalue"]):
        return (
            f"{text} (difference, {difference}); the variance of the difference could not be "
            "estimated."
        )
    interval = format_interval(row["difference_low"], row["difference_high"])
    logs = " of logarithms" if by.logarithmic else ""
    numbers = (
        f"difference{logs}, {difference}; {100 * row['confidence_level']:g} % CI, {interval}; "
        f"{adjusted}P {equals_p(row['pvalue_adjusted'], row['alpha'])}"
    )
    return f"{text} ({numbers}){_verdict(row, by)}."


def _verdict(row: Mapping[Any, Any], by: StudyMetric) -> str:
    """The conclusion that the tests allow, as the end of a sentence."""
    arm, reference, margin = row["arm"], row["reference"], row["margin"]
    if row["verdict"] in ("superior", "inferior"):
        turned = reversed_arms(row) if by.is_auc else ()
        doubt = f", unless the scores of {join_words(turned)} are reversed" if turned else ""
        return f", in favour of {arm if row['verdict'] == 'superior' else reference}{doubt}"
    if row["verdict"] == "equivalent":
        return f"; the two were equivalent within ± {margin:g}"
    if row["verdict"] == "identical":
        return f"; both {by.alike}"
    if row["verdict"] == NO_VERDICT:
        return "; no verdict is given, because patients are on both sides of splits"
    power = f"with {100 * row['power']:g} % power"
    detectable = (
        f"even the largest possible difference would not have been detected {power}"
        if math.isnan(row["smallest_detectable_difference"])
        else "the test would have detected a difference of "
        f"{format_number(row['smallest_detectable_difference'])} {power}"
    )
    if row["verdict"] == "non-inferior":
        return (
            f"; {arm} was non-inferior to {reference} at a margin of {margin:g}, but superiority "
            f"was not shown, and {detectable}"
        )
    bound = "" if math.isnan(margin) else f" nor equivalence within ± {margin:g}"
    shown = f"neither a difference{bound} was shown" if bound else "no difference was shown"
    return f"; {shown}, and {detectable}"


def _summary(rows: pd.DataFrame, what: str) -> Iterator[str]:
    """How many comparisons had which verdict."""
    total, counts = len(rows), rows["verdict"].value_counts().to_dict()
    arms = list(dict.fromkeys(rows["arm"]))
    arm = arms[0] if len(arms) == 1 else "the candidate"
    reference = rows["reference"].iloc[0] if len(arms) == 1 else "the reference"
    conclusive = sum(counts.get(name, 0) for name in _CONCLUSIVE)
    if not conclusive and not set(counts) - {"inconclusive"}:
        yield (
            f"Neither {what} was conclusive."
            if total == 2
            else f"None of the {plural(total, what)} was conclusive."
        )
        return
    margin = rows["margin"].iloc[0]
    phrases = {
        "superior": f"superior to {reference}",
        "inferior": f"inferior to {reference}",
        "equivalent": f"equivalent to {reference} within ± {margin:g}",
        "non-inferior": f"only non-inferior to {reference} at a margin of {margin:g}",
    }
    clauses = [
        f"{phrase} in {_of(counts[name], total, what)}"
        for name, phrase in phrases.items()
        if counts.get(name)
    ]
    if clauses:
        yield sentence_case(f"{arm} was {join_words(clauses)}{_adjusted(rows)}.")
    for name, sentence in _OTHERS.items():
        if counts.get(name):
            yield sentence_case(f"{_of(counts[name], total, what)} {sentence(counts[name])}.")


def _adjusted(rows: pd.DataFrame) -> str:
    corrected = rows["correction"].iloc[0] != "none"
    return " by adjusted P values" if corrected else " by unadjusted P values"


def _of(count: int, total: int, what: str) -> str:
    """ "all 4 comparisons", "both comparisons", "one of the 8 comparisons"."""
    if count == total:
        return f"both {what}s" if total == 2 else f"all {plural(total, what)}"
    return f"{count_word(count)} of the {plural(total, what)}"


_CONCLUSIVE = ("superior", "inferior", "equivalent", "non-inferior")
_OTHERS: dict[str, Callable[[int], str]] = {
    "inconclusive": lambda n: f"{'was' if n == 1 else 'were'} inconclusive",
    NO_VERDICT: lambda _: "had no verdict, because patients are on both sides of splits",
    "identical": lambda _: "had arms that rank every pair of cases in the same way",
    "not estimable": lambda _: "had no estimable variance",
}


# Secondary analyses


def _metrics(material: Material, sections: Mapping[str, Section]) -> Iterator[str]:
    if "metrics" not in sections:
        return
    rows = sections["metrics"].numbers
    alpha = material.options.alpha
    found = rows[rows["pvalue_adjusted"] < alpha]
    several = plural(len(rows), "comparison")
    names = join_words(
        sorted({str(label)[:1].lower() + str(label)[1:] for label in found["label"]})
    )
    yield (
        f"By secondary metrics, {_none_or(len(found))} of {several} had an adjusted P value below "
        f"{alpha:g}" + (f" ({names})." if len(found) else ".")
    )


def _mixed(material: Material) -> Iterator[str]:
    mixed = material.mixed
    if mixed.reason:
        return
    shares = mixed.variance_components.sort_values("share", ascending=False)
    if shares["share"].notna().all() and len(shares) > 1:
        first, *rest = [
            (SOURCE_PHRASES.get(source, source.lower()), f"{format_number(100 * share, 1)} %")
            for source, share in zip(shares["source"], shares["share"], strict=True)
        ]
        others = [f"{source} for {share}" for source, share in rest]
        listed = f"{', '.join(others[:-1])}, and {others[-1]}" if len(others) > 1 else others[0]
        text = f"{first[0]} accounted for {first[1]} of the variance of fold AUCs around the fixed"
        yield sentence_case(f"{text} effects{',' if len(others) > 1 else ' and'} {listed}.")
    for row in mixed.tests.to_dict("records"):
        df = f"{row['df_numerator']:g}, {format_number(row['df_denominator'], 1)}"
        yield (
            f"In this descriptive model, the {row['effect']} interaction had F({df}) = "
            f"{format_number(row['statistic'], 2)} (P {equals_p(row['pvalue'])})."
        )


#: Variance components in a sentence.
SOURCE_PHRASES = {
    "Residual (arm × fold, training noise)": "residual variation (arm × fold, training noise)",
    "Fold within repeat (test cases)": "test cases (fold within repeat)",
    "Repeat (split)": "the split (repeat)",
    "Seed within fold": "training seeds",
    "Task": "differences between tasks",
    "Task × arm (variation of the arm’s effect)": "variation of the arm’s effect between tasks",
    "Backbone": "differences between backbones",
    "Backbone × arm (variation of the arm’s effect)": (
        "variation of the arm’s effect between backbones"
    ),
    "Head and depth": "differences between heads and depths of training",
    "Head and depth × arm (variation of the arm’s effect)": (
        "variation of the arm’s effect between heads and depths of training"
    ),
}


def _sensitivity(material: Material, sections: Mapping[str, Section]) -> Iterator[str]:
    if "sensitivity" not in sections:
        return
    rows = material.labels.applied(sections["sensitivity"].numbers)
    others = rows[rows["n_left_out"] > 0].reset_index(drop=True)
    if len(others) > MOST_DESCRIBED:
        yield "The sensitivity analysis stands in its table."
        return
    for opening, row in zip(_where(others), others.to_dict("records"), strict=True):
        interval = format_interval(row["difference_low"], row["difference_high"])
        images = _many(row["n_left_out"], "image")
        yield sentence_case(
            f"{opening + ', ' if opening else ''}{row['analysis']} ({images} left out), the "
            f"difference was {format_number(row['difference'])} ({100 * row['confidence_level']:g} "
            f"% CI, {interval}; P {equals_p(row['pvalue_adjusted'], row['alpha'])})."
        )


def _operating(material: Material, sections: Mapping[str, Section]) -> Iterator[str]:
    if "operating_points" not in sections:
        return
    rows = _of_primary(material, sections["operating_points"].numbers)
    rows = material.labels.applied(rows).reset_index(drop=True)
    if len(rows) > 2 * MOST_DESCRIBED:
        significant = int((rows["pvalue_adjusted"] < rows["alpha"]).sum())
        yield (
            f"At {_thresholds(material)}, {_none_or(significant)} of the {len(rows)} "
            "differences in sensitivity or specificity had an adjusted P value below "
            f"{rows['alpha'].iloc[0]:g}."
        )
        return
    openings = _where(rows)
    for opening, row in zip(openings, rows.to_dict("records"), strict=True):
        a, b, difference = (
            format_number(100 * row[key], 1) for key in ("value", "value_reference", "difference")
        )
        interval = format_interval(100 * row["difference_low"], 100 * row["difference_high"], 1)
        text = (
            f"{opening + ', ' if opening else ''}{row['metric']} was {a} % with {row['arm']} and "
            f"{b} % with {row['reference']} (difference, {difference} percentage points; "
            f"{100 * row['confidence_level']:g} % CI, {interval}; adjusted P "
            f"{equals_p(row['pvalue_adjusted'], row['alpha'])})."
        )
        yield sentence_case(text)


def _clinical(material: Material, sections: Mapping[str, Section]) -> Iterator[str]:
    if "clinical" in sections:
        yield from clinical_results(material, sections["clinical"].numbers)


def _thresholds(material: Material) -> str:
    given = material.options.threshold
    return "thresholds set on tuning cases" if given is None else f"a threshold of {given:g}"


def _none_or(count: int) -> str:
    return "none" if count == 0 else count_word(count)


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
    rows = material.labels.applied(sections["subgroups"].numbers)
    if not rows["tested"].any():
        yield (
            "Subgroups are only described, because no test of interaction is known to be valid in "
            "this design."
        )
        return
    keys = ["task", "backbone", "head", "unfreeze", "arm", "covariate"]
    tests = rows.drop_duplicates(keys).dropna(subset="interaction_pvalue")
    alpha = material.options.alpha
    found = tests[tests["interaction_pvalue_adjusted"] < alpha]
    if found.empty and len(tests):
        yield _no_interaction(tests, alpha)
    openings = _where(rows.drop_duplicates(keys[:-1]).reset_index(drop=True))
    named = dict(
        zip(map(tuple, rows[keys[:-1]].drop_duplicates().to_numpy()), openings, strict=True)
    )
    for row in found.to_dict("records"):
        opening = named[tuple(row[key] for key in keys[:-1])]
        text = (
            f"{opening + ', ' if opening else ''}the difference varied with {row['covariate']} "
            f"(P for interaction {equals_p(row['interaction_pvalue_adjusted'], alpha)}"
            f"{', adjusted' if len(tests) > 1 else ''})."
        )
        yield sentence_case(text)


def _no_interaction(tests: pd.DataFrame, alpha: float) -> str:
    least = equals_p(tests["interaction_pvalue_adjusted"].min(), alpha)
    names = join_words(list(dict.fromkeys(tests["covariate"])), "or")
    which = "smallest adjusted P" if len(tests) > 1 else "P"
    return (
        f"No interaction with {names} was shown ({which} {least}), which does not mean that the "
        "differences are equal."
    )


#: What the methods say already.
_IN_METHODS = ("plan", "unplanned", "departures")


def _cautions(material: Material) -> Iterator[str]:
    """What stands below the table of comparisons and not in the methods."""
    for finding in test_findings(material):
        if finding.code not in _IN_METHODS:
            yield finding_note(finding, material.labels)
