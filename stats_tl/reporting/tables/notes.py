"""What stands below the tables: test, estimand, interval, correction, what is lacking."""

from __future__ import annotations

__all__ = [
    "CURVE_TESTS",
    "adjustment_note",
    "caution_notes",
    "curve_source",
    "data_notes",
    "exploratory_notes",
    "general_notes",
    "plan_notes",
    "secondary_notes",
    "significance_notes",
    "terminal_notes",
    "test_notes",
]

from collections.abc import Sequence

import pandas as pd

from ..evidence.options import AnalysisOptions
from ..rendering.labels import SYNTHETIC, join_words, plural
from ..results.material import Material

_CORRECTIONS = {
    "holm": "Holm’s correction",
    "hochberg": "Hochberg’s correction",
    "hommel": "Hommel’s correction",
    "bonferroni": "Bonferroni’s correction",
    "bh": "Benjamini and Hochberg’s false discovery rate",
    "by": "Benjamini and Yekutieli’s false discovery rate",
}
#: Tests that estimate how much patients matter for training.
CURVE_TESTS = ("learning-curve", "larger-variance")
_TESTS = {
    "repeat-delong": "DeLong’s test",
    "larger-variance": (
        "the test with the larger of DeLong’s and the learning-curve corrected variance"
    ),
    "learning-curve": "the learning-curve corrected test",
    "nadeau-bengio": "the corrected t test",
    "delong": "DeLong’s test",
    "obuchowski-rockette": "the Obuchowski-Rockette test with Hillis’ degrees of freedom",
}


def general_notes(material: Material) -> list[str]:
    """Notes for a table that describes all that was trained."""
    return data_notes(
        "all that was trained", lacking=material.lacking, synthetic=material.synthetic
    )


def test_notes(material: Material) -> list[str]:
    """Notes for a table of tests, which use complete runs only."""
    return [
        *caution_notes(material.comparisons, material.options),
        *plan_notes(material.options),
        *_complete_runs_notes(material),
    ]


def secondary_notes(material: Material) -> list[str]:
    """Notes for a table of secondary tests, which have cautions of their own."""
    return [*exploratory_notes(material.options), *_complete_runs_notes(material)]


def _complete_runs_notes(material: Material) -> list[str]:
    return data_notes(
        "the complete runs only", lacking=material.lacking, synthetic=material.synthetic
    )


def significance_notes(table: pd.DataFrame, options: AnalysisOptions) -> list[str]:
    """Notes on the numbers of a significance table, one sentence or a few each."""
    level = f"{100 * table['confidence_level'].iloc[0]:g} %"
    alpha = _level(options.alpha)
    crossed = (table["n_folds"] > 1).any()
    patients = table["n_patients"].notna().any()
    clustered = ", clustered by patient" if patients else ""
    average = "mean of the test folds’ AUCs, then of the repeats; " if crossed else ""
    notes = [
        f"AUC: {average}CI: {level} confidence interval, of an AUC on the logit scale, of a "
        "difference that of the adjusted test. Difference: candidate − reference, so that "
        "positive values favor the candidate."
    ]
    tests = []
    used = table["test"].isin(CURVE_TESTS)
    if table["pvalue_delong"].notna().any() and not used.any():
        variance = "its variance averaged over repeats" if crossed else "for paired curves"
        tests.append(f"DeLong: DeLong’s test, {variance}{clustered}.")
    if table["pvalue_corrected_t"].notna().any():
        tests.append("Corr. t: Nadeau and Bengio’s corrected resampled t test over folds.")
    if (table["test"] == "obuchowski-rockette").any():
        tests.append(f"MRMC: {_TESTS['obuchowski-rockette']}{clustered}.")
    if used.any():
        tests.append(
            f"Raw: the P value of {join_words([_TESTS[t] for t in _unique(table['test'])])}"
            f"{clustered}; the slope of the learning curve tells how much patients matter for "
            f"training; it was estimated {curve_source(table[used])}."
        )
    tests.append(adjustment_note(table, options))
    notes.append(" ".join(tests))
    notes.append(
        "The conclusions are about "
        + join_words(
            [f"{text}{_where(table, 'estimand', text)}" for text in _unique(table["estimand"])]
        )
        + "."
    )
    verdict = f"Verdict: superior or inferior where the adjusted P < {alpha}"
    if options.margin is None:
        verdict += ", else inconclusive; no margin was set, so that equivalence was not tested."
    else:
        verdict += (
            f"; else equivalent where two one-sided tests, adjusted likewise, place the difference "
            f"within ± {options.margin:g} (P < {alpha}), non-inferior where one of them places it "
            f"above −{options.margin:g} (P < {_level(options.alpha / 2)}); else inconclusive."
        )
    if (table["verdict"] == "identical").any():
        verdict += " Identical: both arms rank every positive case alike."
    notes.append(
        f"{verdict} Bold: the higher AUC where the adjusted P < {alpha}. SDD: smallest detectable "
        f"difference, which the test finds with {100 * options.power:g} % power at "
        f"two-sided {alpha}, before correction."
    )
    return notes


def terminal_notes(table: pd.DataFrame, options: AnalysisOptions) -> list[str]:
    """The notes without which the numbers on a terminal cannot be read."""
    _, tests, conclusions, *_ = significance_notes(table, options)
    margin = (
        "no equivalence margin was set"
        if options.margin is None
        else f"the equivalence margin is ± {options.margin:g}"
    )
    return [
        tests,
        f"SDD: smallest difference that the test detects with {100 * options.power:g} % power; "
        f"{margin}.",
        conclusions,
    ]


def data_notes(used: str, *, lacking: Sequence[str] = (), synthetic: bool = False) -> list[str]:
    """What limits every number of the report: gaps and made-up data.

    `used` says which cells of an incomplete study the numbers are computed from.
    """
    notes = [incomplete_note(lacking, used)] if lacking else []
    return [*notes, SYNTHETIC] if synthetic else notes


def caution_notes(table: pd.DataFrame, options: AnalysisOptions) -> list[str]:
    """What limits the tests: warnings of theirs, departures from the plan."""
    notes = []
    if table["n_patients"].isna().any():
        notes.append(
            "Caution: no patients are named, so that every case counts as a patient of its own; if "
            "some have several images, the tests take the results for more certain than they are."
        )
    if (table["n_folds"] <= 1).any():
        notes.append(
            "Taken as scores of one fixed test set, for no folds are named; out-of-fold scores of "
            "a cross-validation need the columns repeat and fold, and another test."
        )
    for text in _unique(pd.Series([w for row in table["warnings"] for w in row.split(" | ") if w])):
        rows = table["warnings"].str.contains(text, regex=False)
        tasks = _unique(table.loc[rows, "task"])
        where = "" if rows.all() or not all(tasks) else f" ({join_words(tasks)})"
        notes.append(f"Caution{where}: {text}.")
    return [*notes, *exploratory_notes(options)]


def exploratory_notes(options: AnalysisOptions) -> list[str]:
    """That the analysis was not planned, or not so; nothing where it was."""
    if options.departures:
        return [
            f"Exploratory: the analysis departs from its plan in {join_words(options.departures)}."
        ]
    if not options.planned:
        return ["No analysis plan was given: the comparisons are exploratory."]
    return []


def plan_notes(options: AnalysisOptions) -> list[str]:
    """The hash of the analysis plan, so that a registered one can be recognised."""
    if not options.plan_sha256:
        return []
    return [f"Analysis plan: sha256 {options.plan_sha256}, of {options.plan_source}."]


def incomplete_note(lacking: Sequence[str], used: str, most: int = 8) -> str:
    """The sentence that lists what an incomplete report leaves out."""
    more = f"; and {len(lacking) - most} more" if len(lacking) > most else ""
    return (
        f"Incomplete, computed from {used}; {plural(len(lacking), 'gap')}: "
        + "; ".join(lacking[:most])
        + more
        + "."
    )


def adjustment_note(table: pd.DataFrame, options: AnalysisOptions) -> str:
    """Which test the adjusted P value is of, by what correction, over what family."""
    tests = [f"{_TESTS[t]}{_where(table, 'test', t)}" for t in _unique(table["test"])]
    own, rest = (int((table["role"] == role).sum()) for role in ("primary", "secondary"))
    divided = table.loc[table["role"] != "primary", "family"]
    sizes = divided.value_counts()
    if options.families and len(sizes) > 1:
        low, high = sizes.min(), sizes.max()
        counts = f"{low}" if low == high else f"{low} to {high}"
        keys = join_words(options.families)
        family = f"the comparisons of each {keys} separately ({counts} each)"
        if own:
            family += (
                "; the primary one (†) is tested alone"
                if own == 1
                else (f"; the {own} primary ones (†) are a family of their own")
            )
    elif not (own and rest):
        family = plural(len(table), "comparison")
    elif own == 1:
        family = f"the {rest} secondary comparisons; the primary one (†) is tested alone"
    else:
        family = f"the {own} primary (†) and the {rest} secondary comparisons separately"
    if len(table) == 1:
        return f"Adjusted: the P value of {join_words(tests)}; one comparison needs no correction."
    if options.correction == "none":
        return f"Adjusted: the P value of {join_words(tests)}, without correction."
    return (
        f"Adjusted: the P value of {join_words(tests)}, "
        f"{_CORRECTIONS[options.correction]} over {family}."
    )


def curve_source(table: pd.DataFrame) -> str:
    """From what the slope of the learning curve was estimated."""
    low, high = int(table["n_half_repeats"].min()), int(table["n_half_repeats"].max())
    folds = "from how the AUC of a fold follows the ease of its cases"
    if high == 0:
        return f"{folds}, with a prior from the AUC"
    extra = plural(low, "extra repeat") if low == high else f"{low} to {high} extra repeats"
    return (
        f"{folds} and from {extra} of two-fold cross-validation, on half of the data, which are "
        "part of no AUC here"
    )


def _where(table: pd.DataFrame, column: str, value: str) -> str:
    """In which tasks a statement holds, if not in all."""
    rows = table[column] == value
    tasks = _unique(table.loc[rows, "task"])
    return "" if rows.all() or not all(tasks) else f" ({join_words(tasks)})"


def _unique(values: pd.Series) -> list[str]:
    return list(dict.fromkeys(map(str, values)))


def _level(alpha: float) -> str:
    return f"{alpha:g}".removeprefix("0")
