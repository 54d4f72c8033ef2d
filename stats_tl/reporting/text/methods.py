"""The methods paragraphs: what was done, in the past tense, and nothing that was not.

Every sentence depends on what the evidence holds. Of predictions made elsewhere the training
is not known, and the paragraph says so instead of describing it.
"""

from __future__ import annotations

__all__ = ["methods_paragraphs"]

from collections.abc import Collection, Iterator
from typing import Any

import pandas as pd

from ..rendering.labels import RULES, SYNTHETIC, describe_unfreeze, join_words, plural
from ..rendering.numbers import format_count
from ..results.material import Material
from ..tables.notes import CURVE_TESTS, curve_source

_CORRECTIONS = {
    "holm": "Holm’s method [@holm1979]",
    "hochberg": "Hochberg’s method [@hochberg1988]",
    "hommel": "Hommel’s method [@hommel1988]",
    "bonferroni": "Bonferroni’s method [@dunn1961]",
    "bh": "Benjamini and Hochberg’s false discovery rate [@benjamini1995]",
    "by": "Benjamini and Yekutieli’s false discovery rate [@benjamini2001]",
}


def methods_paragraphs(material: Material, present: Collection[str]) -> tuple[str, ...]:
    """Paragraphs of plain text with ``[@key]`` for citations.

    Parameters
    ----------
    material : Material
    present : collection of str
        Names of the tables of the report: what is not shown is not described.
    """
    paragraphs = [
        " ".join(_design(material)),
        " ".join(_models(material)),
        " ".join(_primary(material)),
        " ".join(_secondary(material, present)),
        " ".join(_plan(material)),
    ]
    return tuple(filter(None, paragraphs))


def _design(material: Material) -> Iterator[str]:
    arms = list(dict.fromkeys(material.comparisons["arm"].astype(str)))
    yield f"We compared {join_words(arms)} with {material.reference} as the reference."
    rows = material.comparisons
    samples = {str(row["task"]): row for row in material.sample.to_dict("records")}
    for task, own in rows.groupby(rows["task"].astype(str), sort=False):
        sample = samples[str(task)]
        first = own.iloc[0]
        patients = (
            f" of {format_count(sample['n_patients'])} patients"
            if pd.notna(sample["n_patients"])
            else ""
        )
        where = f"In {task}, " if task else ""
        text = f"{where}{format_count(sample['n_cases'])} images{patients}"
        text += f" ({format_count(sample['n_events'])} images with the event)"
        yield f"{text} were used, in {_runs(own)}."
        if first["n_folds"] > 1 and hasattr(material.evidence, "records"):
            yield (
                "All images of a patient were kept on one side of every split."
                if pd.notna(sample["n_patients"])
                else "No patients were named, so that splits were by image."
            )
    if material.synthetic:
        yield SYNTHETIC


def _runs(own: pd.DataFrame) -> str:
    """Repeats, folds and seeds of the comparisons of a task."""
    n_repeats, n_folds, n_seeds = (
        int(own[f"n_{key}"].max()) for key in ("repeats", "folds", "seeds")
    )
    seeds = f" with {n_seeds} training seeds each" if n_seeds > 1 else ""
    if n_folds > 1:
        return f"{plural(n_repeats, 'repeat')} of {n_folds}-fold cross-validation{seeds}"
    runs = n_repeats * n_seeds
    return "one test set" + (f" with {runs} training runs of each arm" if runs > 1 else "")


def _models(material: Material) -> Iterator[str]:
    evidence = material.evidence
    if not hasattr(evidence, "records"):
        yield (
            "The predictions were made by models that were trained elsewhere; how they were "
            "trained, tuned and selected is not known to this analysis."
        )
        return
    cells = evidence.cells
    backbones = sorted(set(cells["backbone"].astype(str)))
    heads = sorted(set(cells["head"].astype(str)))
    depths = sorted(set(cells["unfreeze"].astype(str)))
    yield (
        f"{_plural_of('Backbone', backbones)} {join_words(backbones)}, "
        f"{_plural_of('classification head', heads)} {join_words(heads)}, "
        f"and the backbone was trained to the depth{'s' * (len(depths) > 1)} "
        f"{join_words([describe_unfreeze(depth) for depth in depths])}."
    )
    yield (
        "The models of a pair differed in the initial weights only: they shared patients, split, "
        "initial head, order of batches and augmentation."
    )
    plan: dict[str, Any] = evidence.plan
    sources = {arm["name"]: arm.get("source") for arm in plan.get("arms", [])}
    named = [
        name if source == name else f"{name} ({source})"
        for name, source in sorted(sources.items())
        if source
    ]
    if named:
        yield (
            f"Sources of the weights: {join_words(named)}; files, hashes and licences are "
            "tabulated."
        )
    if "radimagenet" in sources.values():
        yield "RadImageNet weights are those of Mei et al. [@mei2022]."
    rules = {record["selection"]["rule"] for record in material.records}
    if rules == {"best-validation-auc"}:
        yield (
            "The epoch with the best AUC on the tuning cases was kept; test cases had no part in "
            "that choice."
        )
    elif rules == {"last-epoch"}:
        yield "The last epoch was kept."


def _plural_of(word: str, names: list[str]) -> str:
    return f"{word}s were" if len(names) > 1 else f"{word} was"


def _primary(material: Material) -> Iterator[str]:
    rows, options = material.comparisons, material.options
    level = f"{100 * (1 - options.alpha):g} %"
    clustered = rows["n_patients"].notna().all()
    patients = ", clustered by patient [@obuchowski1997]" if clustered else ""
    if (rows["n_folds"] > 1).any():
        yield (
            "Scores of different folds come from different models, so that areas under the ROC "
            "curve (AUC) were computed within each test fold and averaged over folds, then over "
            "repeats [@ledell2015]."
        )
    else:
        yield "Areas under the ROC curve (AUC) were computed on the test cases."
    for test in dict.fromkeys(rows["test"]):
        used = rows[rows["test"] == test]
        yield _TESTS.get(test, "The difference was tested by the {test} test{patients}.").format(
            patients=patients,
            test=test,
            source=curve_source(used) if test in CURVE_TESTS else "",
        )
    for estimand in dict.fromkeys(rows["estimand"]):
        yield f"The conclusions are about {estimand}."
    yield (
        f"Intervals have level {level}, those of a single AUC on the logit scale; differences are "
        f"candidate − reference; tests are two-sided at {options.alpha:g}."
    )
    primary = int((rows["role"] == "primary").sum())
    if primary:
        named = join_words(
            [describe_unfreeze(w) if k == "unfreeze" else w for k, w in options.primary.items()]
        )
        were = "s were those" if primary > 1 else " was that"
        yield f"The primary comparison{were} of {named}."
    if len(rows) > 1:
        if options.correction == "none":
            yield "P values were not adjusted for the number of comparisons."
        else:
            within = f" within each {join_words(options.families)}" if options.families else ""
            apart = " secondary" if primary else ""
            yield (
                f"P values of the{apart} comparisons were adjusted by "
                f"{_CORRECTIONS[options.correction]}{within}."
            )
    if options.margin is None:
        yield "No margin of equivalence was set, and equivalence was not tested."
    else:
        yield (
            f"Differences within ± {options.margin:g} were taken as irrelevant; equivalence was "
            "tested by two one-sided tests [@schuirmann1987]."
        )
    yield (
        "The smallest detectable difference is the one that the test finds with "
        f"{100 * options.power:g} % power at the standard error that was observed."
    )


_TESTS = {
    "repeat-delong": "The difference was tested by DeLong’s test [@delong1988], the variance of "
    "one repeat averaged over repeats{patients}.",
    "learning-curve": "The difference was tested by the learning-curve corrected test for repeated "
    "cross-validation [@stats_tl; @bates2024]{patients}; the slope of the learning curve was "
    "estimated {source}.",
    "larger-variance": "The difference was tested with the larger of the repeat-averaged variance "
    "of DeLong [@delong1988] and the learning-curve corrected variance [@stats_tl]{patients}; the "
    "slope of the learning curve was estimated {source}.",
    "nadeau-bengio": "The difference was tested by the corrected resampled t test over the folds "
    "[@nadeau2003].",
    "delong": "The difference was tested by DeLong’s test for paired curves "
    "[@delong1988]{patients}.",
    "obuchowski-rockette": "The difference was tested by the method of Obuchowski and Rockette "
    "[@obuchowski1995] with training runs as readers and Hillis’ degrees of freedom "
    "[@hillis2007]{patients}.",
}


def _secondary(material: Material, present: Collection[str]) -> Iterator[str]:
    mixed, options = material.mixed, material.options
    if "mixed_model" in present:
        cite = {"kenward-roger": "[@kenward1997]", "satterthwaite": "[@satterthwaite1946]"}
        rule = f"{RULES.get(mixed.ddf, mixed.ddf)} degrees of freedom {cite.get(mixed.ddf, '')}"
        yield (
            "To describe where the variance comes from, the AUCs of the test folds were modelled "
            f"by a linear mixed model [@bates2015] fitted by restricted maximum likelihood, with "
            f"{rule.strip()}: {mixed.described}. It is not the test between arms."
        )
    if "all_pairs" in present:
        yield "All pairs of arms were compared by the same test, adjusted over all pairs."
    if "operating_points" in present:
        at = (
            "the largest Youden index [@youden1950]"
            if options.target_sensitivity is None
            else f"a sensitivity of {100 * options.target_sensitivity:g} %"
        )
        yield (
            f"Sensitivity and specificity were compared at thresholds set at {at} on the tuning "
            f"cases of each model, {_operating_test(material)}; intervals of each arm are "
            "Wilson’s [@wilson1927] at the effective number of cases."
        )
    if "subgroups" in present:
        planned = bool(options.planned and options.subgroups) and not options.departures
        yield (
            "Differences within subgroups were estimated from pairs of cases of the subgroup, "
            "with a chi-square test of interaction"
            + ("." if planned else "; the subgroups were not planned.")
        )


def _operating_test(material: Material) -> str:
    rows = material.comparisons
    if (rows["n_folds"] > 1).any():
        return (
            "by the corrected resampled t test over the folds [@nadeau2003], which is "
            "conservative here"
        )
    if ((rows["n_repeats"] > 1) | (rows["n_seeds"] > 1)).any():
        return "with the variance of Obuchowski and Rockette [@obuchowski1995]"
    if rows["n_patients"].notna().all():
        return "by McNemar’s test for clustered data [@durkalski2003]"
    return "by McNemar’s exact test [@mcnemar1947]"


def _plan(material: Material) -> Iterator[str]:
    options = material.options
    if options.planned:
        # The whole hash stands below the table of comparisons.
        which = f" (sha256 {options.plan_sha256[:12]}…, of {options.plan_source})"
        yield (
            f"The analysis followed a plan{which if options.plan_sha256 else ''}; whether it was "
            "registered before the results were known is not recorded in the data."
        )
        if options.departures:
            yield (
                f"It departed from the plan in {join_words(options.departures)}, and is "
                "exploratory."
            )
    else:
        yield "No analysis plan was given; the comparisons are exploratory."
    if material.lacking:
        yield (
            f"The study was incomplete ({plural(len(material.lacking), 'gap')}); comparisons used "
            "the complete runs only."
        )
    yield "The analysis was done with stats_tl [@stats_tl]."
