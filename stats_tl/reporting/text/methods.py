"""The methods paragraphs: what was done, in the past tense, and nothing that was not.

Every sentence depends on what the evidence holds. How predictions made elsewhere were trained is
not known, and the paragraph says so instead of describing it.
"""

from __future__ import annotations

__all__ = ["methods_paragraphs"]

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pandas as pd

from ..measures.study_metric import StudyMetric, further_metrics
from ..rendering.labels import (
    CORRECTION_NAMES,
    FAMILY_WORDS,
    RULES,
    SYNTHETIC,
    clustered_by,
    count_word,
    join_words,
    plural,
    short_head,
)
from ..rendering.numbers import format_count
from ..rendering.parts import Section
from ..results.material import Material
from ..results.pairs import has_own_intervals, of_hold_outs
from ..tables.notes import CURVE_TESTS, case_units, training_source
from .clinical import clinical_methods

_CITATIONS = {
    "holm": "[@holm1979]",
    "hochberg": "[@hochberg1988]",
    "hommel": "[@hommel1988]",
    "bonferroni": "[@dunn1961]",
    "bh": "[@benjamini1995]",
    "by": "[@benjamini2001]",
    "kenward-roger": "[@kenward1997]",
    "satterthwaite": "[@satterthwaite1946]",
}


def methods_paragraphs(material: Material, sections: Mapping[str, Section]) -> tuple[str, ...]:
    """Paragraphs of plain text with ``[@key]`` for citations.

    Parameters
    ----------
    material : Material
    sections : mapping of str to Section
        Tables of the report by name: what is not shown is not described.
    """
    paragraphs = [
        _design(material),
        _models(material),
        _primary(material),
        _secondary(material, sections),
        _clinical(material, sections),
        _plan(material),
    ]
    return tuple(filter(None, map(" ".join, paragraphs)))


# The data and the models


def _design(material: Material) -> Iterator[str]:
    arms = list(dict.fromkeys(material.shown["arm"]))
    reference = material.labels.arm(material.reference)
    yield f"We compared {join_words(arms)} with {reference} as the reference."
    for task, own in material.comparisons.groupby("task", sort=False):
        sample = material.sample[material.sample["task"].astype(str) == str(task)].iloc[0].to_dict()
        label = material.labels.task(str(task))
        where = f"For {label}, we" if label else "We"
        yield f"{where} analysed {_counts(sample)} in {_runs(own)}."
    if (material.comparisons["n_folds"] > 1).any() and material.evidence.source == "archive":
        yield _split_unit(material.sample)
    if material.synthetic:
        yield SYNTHETIC


def _counts(sample: Mapping[Any, Any]) -> str:
    events = sample["n_events"]
    patients = sample["n_patients"]
    unknown = "; patients unknown" if pd.isna(patients) else ""
    of = "" if pd.isna(patients) else f" of {_many(patients, 'patient')}"
    return (
        f"{_many(sample['n_cases'], 'image')}{of} ({format_count(events)} with the event{unknown})"
    )


def _many(count: float, noun: str) -> str:
    return f"{format_count(count)} {noun if count == 1 else noun + 's'}"


def _split_unit(sample: pd.DataFrame) -> str:
    patients = sample["n_patients"]
    images = "image"
    if sample.loc[patients.isna(), "n_groups"].notna().any():
        images = "image or group of related images"
    if patients.notna().all():
        return "All images of a patient were kept on the same side of every split."
    if patients.isna().all():
        return f"Patients are unknown, so that the splits were made by {images}."
    return (
        "All images of a patient were kept on the same side of every split where patients are "
        f"known; otherwise the splits were made by {images}."
    )


def _runs(own: pd.DataFrame) -> str:
    """Repeats, folds and seeds of the comparisons of a task."""
    n_repeats, n_folds, n_seeds = (
        int(own[f"n_{key}"].max()) for key in ("repeats", "folds", "seeds")
    )
    seeds = f", with {n_seeds} training seeds each" if n_seeds > 1 else ""
    if n_folds > 1:
        return f"{plural(n_repeats, 'repeat')} of {n_folds}-fold cross-validation{seeds}"
    if of_hold_outs(own).all():
        return f"{n_repeats} random hold-outs (Monte Carlo cross-validation){seeds}"
    runs = n_repeats * n_seeds
    if (own["test"] == "mrmc").all():
        return f"a study in which each of {runs} readers read all of them with every arm"
    return "one fixed test set" + (f", with {runs} training runs of each arm" if runs > 1 else "")


def _models(material: Material) -> Iterator[str]:
    if material.of_readers:
        yield (
            "The scores were given by readers; their experience, the order of reading and the time "
            "between readings are not known to this analysis."
        )
        return
    if material.evidence.source != "archive":
        yield (
            "The predictions were made by models trained elsewhere; how these were trained, tuned "
            "and selected is not known to this analysis."
        )
        return
    yield from _networks(material)
    yield (
        "The models of a pair differed only in their initial weights: they shared cases, "
        "splits, initialisation of the head, order of batches and augmentation."
    )
    yield from _weights(material)
    rules = {record["selection"]["rule"] for record in material.records}
    if rules == {"best-validation-auc"}:
        yield (
            "For each model, the epoch with the highest AUC on the tuning cases was kept; test "
            "cases had no part in this choice."
        )
    elif rules == {"last-epoch"}:
        yield "The last epoch of each model was kept."


def _networks(material: Material) -> Iterator[str]:
    cells, labels = material.evidence.cells, material.labels
    backbones = [labels.backbone(name) for name in sorted(set(cells["backbone"].astype(str)))]
    heads = [labels.head(name) for name in sorted(set(cells["head"].astype(str)))]
    depths = sorted(set(cells["unfreeze"].astype(str)), key=lambda d: (d == "all", d.zfill(3)))
    yield (
        f"The {_were('backbone', backbones)} {join_words(backbones)}, and the "
        f"{_were('classification head', heads)} {join_words(list(map(_head, heads)))}."
    )
    trained = [_depth(depth, labels.depth(depth)) for depth in depths]
    yield f"The backbones were {join_words(trained, 'or')}."


def _were(noun: str, names: list[str]) -> str:
    return f"{noun}s were" if len(names) > 1 else f"{noun} was"


def _head(label: str) -> str:
    """A head after "was": an adjective where its label is one, else with an article."""
    if short_head(label) != label:
        return short_head(label)
    return f"{'an' if label[:1].lower() in 'aeiou' else 'a'} {label}"


def _depth(depth: str, label: str) -> str:
    """A depth of training after "the backbones were"."""
    if depth == "0":
        return "kept frozen"
    if depth == "1":
        return "fine-tuned in their last stage"
    if depth == "all":
        return "fine-tuned in all stages"
    if depth.isdigit():
        return f"fine-tuned in their last {count_word(int(depth))} stages"
    return f"trained as “{label}”"


def _weights(material: Material) -> Iterator[str]:
    """Sources of the weights, and the work that published them."""
    sources = {arm["name"]: arm.get("source") for arm in material.evidence.plan.get("arms", [])}
    named = []
    for name, source in sorted(sources.items()):
        label, known = material.labels.arm(name), _SOURCES.get(str(source), str(source))
        named.append(label if label == known else f"{label} ({known})")
    if named:
        yield (
            f"The initial weights were {join_words(named)}; their files, hashes and licences are "
            "listed in the reproducibility table."
        )
    if "radimagenet" in sources.values():
        yield "The RadImageNet weights are those of Mei et al. [@mei2022]."


_SOURCES = {
    "imagenet": "ImageNet",
    "radimagenet": "RadImageNet",
    "random": "random initialisation",
    "checkpoint": "from a checkpoint file",
}


# The primary test


def _primary(material: Material) -> Iterator[str]:
    rows, options = material.comparisons, material.options
    yield _definition(rows, material.metric)
    yield from _tests(rows, material.metric)
    for estimand in dict.fromkeys(rows["estimand"]):
        yield f"The conclusions apply to {estimand}."
    by = material.metric
    scale = "with the same variance" if has_own_intervals(rows).all() else by.scale
    single = "a single AUC" if by.is_auc else by.one
    logs = " of logarithms," if by.logarithmic else ""
    yield (
        f"Confidence intervals have a level of {100 * (1 - options.alpha):g} %, and those of "
        f"{single} were computed {scale}. Differences are{logs} candidate − reference, and "
        f"tests are two-sided at a level of {options.alpha:g}."
    )
    yield from _families(material)
    if options.margin is None:
        yield "No equivalence margin was set, so that equivalence was not tested."
    else:
        yield (
            f"Differences within ± {options.margin:g} were considered negligible (equivalence "
            "margin); equivalence was tested by two one-sided tests [@schuirmann1987]."
        )
    yield (
        "The smallest detectable difference is the difference that the test would detect with "
        f"{100 * options.power:g} % power, given the observed standard error."
    )


def _definition(rows: pd.DataFrame, by: StudyMetric) -> str:
    if not by.is_auc:
        return _metric_definition(rows, by)
    if (rows["n_folds"] > 1).any():
        return (
            "Because the scores of different folds come from different models, areas under the "
            "ROC curve (AUCs) were computed within each test fold and averaged over folds, then "
            "over repeats [@ledell2015]."
        )
    if of_hold_outs(rows).any():
        return (
            "Areas under the ROC curve (AUCs) were computed within each hold-out and averaged over "
            "hold-outs."
        )
    return "Areas under the ROC curve (AUCs) were computed on the test cases."


def _metric_definition(rows: pd.DataFrame, by: StudyMetric) -> str:
    where = "on the test cases"
    if (rows["n_folds"] > 1).any():
        where = (
            "within each test fold, because the scores of different folds come from different "
            "models, and averaged over folds, then over repeats"
        )
    elif of_hold_outs(rows).any():
        where = "within each hold-out and averaged over hold-outs"
    threshold = ""
    if by.threshold is not None:
        threshold = f" at the threshold {by.threshold:g}"
    elif by.by_case:
        threshold = " at thresholds set on the tuning cases of each model"
    return f"The primary metric was the {by.label}{threshold}, computed {where}."


def _tests(rows: pd.DataFrame, by: StudyMetric) -> Iterator[str]:
    patients = clustered_by(rows["clustered_by"], " [@obuchowski1997]")
    held_out = of_hold_outs(rows)
    if held_out.any():
        yield (
            f"Differences in {by.label} were tested by the corrected resampled t test over the "
            "random hold-outs [@nadeau2003]; all other cases were taken to have been training "
            "cases."
        )
    for test in dict.fromkeys(rows.loc[~held_out, "test"]):
        text = _TESTS.get(test, "Differences were tested by the {test} test{patients}.")
        yield text.format(patients=patients, test=test, what=by.label)
    used = rows[rows["test"].isin(CURVE_TESTS)]
    if len(used):
        yield (
            f"How much {case_units(used)} matter as training cases was estimated "
            f"{training_source(used, by)}."
        )


_TESTS = {
    "repeat-delong": "Differences in {what} were tested by DeLong’s test [@delong1988], with the "
    "variance of a repeat averaged over repeats{patients}.",
    "learning-curve": "Differences in {what} were tested by the learning-curve corrected test for "
    "repeated cross-validation [@stats_tl; @bates2024]{patients}.",
    "larger-variance": "Differences in {what} were tested with the larger of two variances, the "
    "repeat-averaged variance of DeLong [@delong1988] and the learning-curve corrected variance "
    "[@stats_tl]{patients}.",
    "nadeau-bengio": "Differences in {what} were tested by the corrected resampled t test over the "
    "folds [@nadeau2003].",
    "delong": "Differences in {what} were tested by DeLong’s test for paired curves "
    "[@delong1988]{patients}.",
    "paired-metric": "Differences in {what} were tested by a paired test, with the variance of the "
    "cases’ influences (infinitesimal jackknife) [@efron1981]{patients}.",
    "mrmc": "Differences in {what} were tested by the method of Obuchowski and Rockette "
    "[@obuchowski1995], with readers and cases as random and Hillis’s degrees of freedom "
    "[@hillis2007]{patients}.",
    "obuchowski-rockette": "Differences in {what} were tested by the method of Obuchowski and "
    "Rockette [@obuchowski1995], with training runs as readers and Hillis’s degrees of freedom "
    "[@hillis2007]{patients}.",
}


def _families(material: Material) -> Iterator[str]:
    """The primary comparison, and how P values were adjusted."""
    rows, options = material.comparisons, material.options
    own = int((rows["role"] == "primary").sum())
    if own:
        were = "s were those" if own > 1 else " was that"
        yield f"The primary comparison{were}{_which(material)}."
    rest = len(rows) - own
    if len(rows) < 2:
        return
    if options.correction == "none":
        yield "P values were not adjusted for the number of comparisons."
        return
    method = f"{CORRECTION_NAMES[options.correction]} {_CITATIONS[options.correction]}"
    families = [FAMILY_WORDS[key] for key in options.families]
    within = f" within each {join_words(families)}" if families else ""
    if own > 1 and rest:
        yield (
            f"P values were adjusted by {method}, separately for primary and secondary comparisons"
            + (f", the latter{within}." if within else ".")
        )
    elif own == 1 and rest == 1:
        yield "The P value of the secondary comparison needed no adjustment."
    else:
        of = "P values of the secondary comparisons" if own == 1 else "P values"
        yield f"{of} were adjusted by {method}{within}."


def _which(material: Material) -> str:
    """The primary comparison after "was that"."""
    chosen, labels = material.options.primary, material.labels
    arm = f" of {labels.arm(chosen['arm'])}" if "arm" in chosen else ""
    keys = [key for key in ("backbone", "head", "unfreeze") if key in chosen]
    model = labels.setting(chosen, keys)
    task = f" in {labels.task(chosen['task'])}" if "task" in chosen else ""
    return f"{arm}{f' with {join_words(model)}' if model else ''}{task}"


# Secondary analyses, and the plan


def _secondary(material: Material, present: Collection[str]) -> Iterator[str]:
    if "metrics" in present:
        yield from _metrics(material)
    if "mixed_model" in present:
        yield from _mixed(material)
    if "all_pairs" in present:
        adjusted = material.options.correction != "none"
        yield (
            "All pairs of arms were compared by the same test, "
            + ("with P values adjusted for all pairs." if adjusted else "without adjustment.")
        )
    if "sensitivity" in present:
        yield (
            "In a sensitivity analysis, the comparison was repeated without the test cases that an "
            "audit of the data had found affected, from the scores of the same models."
        )
    if "operating_points" in present:
        yield _operating(material)
    if "subgroups" in present:
        yield from _subgroups(material)


def _metrics(material: Material) -> Iterator[str]:
    named = join_words([own.label for own in further_metrics(material.options)])
    adjusted = material.options.correction != "none"
    yield (
        f"The arms were also compared by secondary metrics ({named}) in the same way, "
        + ("with P values adjusted within their table." if adjusted else "without adjustment.")
    )


def _clinical(material: Material, sections: Mapping[str, Section]) -> Iterator[str]:
    if "clinical" in sections:
        yield from clinical_methods(material, sections["clinical"].numbers)


def _mixed(material: Material) -> Iterator[str]:
    mixed = material.mixed
    rule = f"{RULES.get(mixed.ddf, mixed.ddf)} degrees of freedom {_CITATIONS.get(mixed.ddf, '')}"
    fixed = "fixed effects" if len(mixed.fixed) > 1 else "a fixed effect"
    effects = f"{fixed} of {join_words(mixed.fixed)}"
    if mixed.random:
        effects += (
            "," if len(mixed.fixed) > 1 else ""
        ) + f" and random intercepts of {join_words(mixed.random)}"
    yield (
        "To describe sources of variance, the AUCs of the test folds were analysed with a linear "
        f"mixed model [@bates2015] with {effects}, fitted by restricted maximum likelihood with "
        f"{rule.strip()}. This model is descriptive and was not used to test differences between "
        "arms."
    )


def _operating(material: Material) -> str:
    target = material.options.target_sensitivity
    at = (
        "the largest Youden index [@youden1950]"
        if target is None
        else f"a sensitivity of {100 * target:g} %"
    )
    given = material.options.threshold
    where = (
        f"thresholds set on the tuning cases of each model at {at}"
        if given is None
        else f"a threshold of {given:g}, which was given"
    )
    return (
        f"Sensitivity and specificity were compared at {where}, "
        f"{_operating_test(material.comparisons)}; the confidence intervals of each arm are "
        "Wilson’s [@wilson1927], at the effective number of cases."
    )


def _operating_test(rows: pd.DataFrame) -> str:
    if (rows["n_folds"] > 1).any():
        return (
            "by the corrected resampled t test over the folds [@nadeau2003], which is "
            "conservative in this setting"
        )
    if ((rows["n_repeats"] > 1) | (rows["n_seeds"] > 1)).any():
        return "with the variance of Obuchowski and Rockette [@obuchowski1995]"
    if rows["clustered_by"].ne("").all():
        return "by Obuchowski’s test of paired proportions of clustered data [@obuchowski1998]"
    return "by McNemar’s exact test [@mcnemar1947]"


def _subgroups(material: Material) -> Iterator[str]:
    yield (
        "Differences within subgroups were estimated from pairs of cases of the same subgroup, and "
        "subgroups were compared by a chi-square test of interaction where such a test is valid."
    )
    planned = "" if material.options.subgroups_planned else "not "
    yield f"Subgroup analyses were {planned}prespecified."


def _plan(material: Material) -> Iterator[str]:
    options = material.options
    if options.planned:
        # The whole hash stands below the table of comparisons.
        which = f" (SHA-256 {options.plan_sha256[:12]}…, of {options.plan_source})"
        yield (
            f"The analysis followed a plan{which if options.plan_sha256 else ''}; whether it was "
            "registered before the results were known is not recorded in the data."
        )
        if options.departures:
            yield (
                f"It departed from the plan in {join_words(options.departures)}, and is therefore "
                "exploratory."
            )
    else:
        yield "No analysis plan was given, so that the comparisons are exploratory."
    if material.lacking:
        yield (
            f"The study was incomplete ({plural(len(material.lacking), 'gap')}); the comparisons "
            "used complete runs only."
        )
    yield "The analysis was done with stats_tl [@stats_tl]."
