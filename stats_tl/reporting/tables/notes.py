"""What stands below the tables: test, estimand, interval, correction, what is lacking."""

from __future__ import annotations

__all__ = [
    "CURVE_TESTS",
    "SignificanceNotes",
    "adjustment_note",
    "curve_source",
    "exploratory_notes",
    "finding_note",
    "general_notes",
    "plan_notes",
    "secondary_notes",
    "significance_notes",
    "terminal_notes",
    "test_notes",
]

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from ..evidence.options import AnalysisOptions
from ..rendering.labels import SYNTHETIC, join_words, plural
from ..results.findings import (
    Finding,
    exploratory_findings,
    general_findings,
    plan_findings,
    secondary_findings,
    test_findings,
)
from ..results.material import Material

_CORRECTIONS = {
    "holm": "Holm’s correction",
    "hochberg": "Hochberg’s correction",
    "hommel": "Hommel’s correction",
    "bonferroni": "Bonferroni’s correction",
    "bh": "Benjamini and Hochberg’s false discovery rate",
    "by": "Benjamini and Yekutieli’s false discovery rate",
}
#: More gaps than this are counted, not listed.
_MOST_GAPS = 8
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


@dataclass(frozen=True)
class SignificanceNotes:
    """Notes on the numbers of a significance table, in the order in which they stand."""

    numbers: str
    tests: str
    conclusions: str
    verdicts: str

    def lines(self) -> list[str]:
        """All of them."""
        return [self.numbers, self.tests, self.conclusions, self.verdicts]


def general_notes(material: Material) -> list[str]:
    """Notes for a table that describes all that was trained."""
    return [finding_note(finding) for finding in general_findings(material)]


def test_notes(material: Material) -> list[str]:
    """Notes for a table of tests, which use complete runs only."""
    return [finding_note(finding) for finding in test_findings(material)]


def secondary_notes(material: Material) -> list[str]:
    """Notes for a table of secondary tests, which have cautions of their own."""
    return [finding_note(finding) for finding in secondary_findings(material)]


def finding_note(finding: Finding) -> str:
    """A finding as a sentence or two."""
    return _SENTENCES[finding.code](finding)


def _test_warning(finding: Finding) -> str:
    where = f" ({join_words(finding.tasks)})" if finding.tasks else ""
    return f"Caution{where}: {finding.values['warning']}."


def _departures(finding: Finding) -> str:
    departures = join_words(finding.values["departures"])
    return f"Exploratory: the analysis departs from its plan in {departures}."


def _plan(finding: Finding) -> str:
    return f"Analysis plan: sha256 {finding.values['sha256']}, of {finding.values['source']}."


def _incomplete(finding: Finding) -> str:
    """What an incomplete report leaves out."""
    used = "the complete runs only" if finding.values["complete_runs"] else "all that was trained"
    gaps = finding.values["gaps"]
    more = f"; and {len(gaps) - _MOST_GAPS} more" if len(gaps) > _MOST_GAPS else ""
    listed = "; ".join(gaps[:_MOST_GAPS])
    return f"Incomplete, computed from {used}; {plural(len(gaps), 'gap')}: {listed}{more}."


def _constant(text: str) -> Callable[[Finding], str]:
    return lambda finding: text


#: The sentence of every code.
_SENTENCES: dict[str, Callable[[Finding], str]] = {
    "unnamed-patients": _constant(
        "Caution: no patients are named, so that every case counts as a patient of its own; if "
        "some have several images, the tests take the results for more certain than they are."
    ),
    "single-test-set": _constant(
        "Taken as scores of one fixed test set, for no folds are named; out-of-fold scores of "
        "a cross-validation need the columns repeat and fold, and another test."
    ),
    "test-warning": _test_warning,
    "departures": _departures,
    "unplanned": _constant("No analysis plan was given: the comparisons are exploratory."),
    "plan": _plan,
    "incomplete": _incomplete,
    "synthetic": _constant(SYNTHETIC),
}


def significance_notes(table: pd.DataFrame, options: AnalysisOptions) -> SignificanceNotes:
    """Notes on the numbers of a significance table, one sentence or a few each."""
    level = f"{100 * table['confidence_level'].iloc[0]:g} %"
    alpha = _level(options.alpha)
    crossed = (table["n_folds"] > 1).any()
    patients = table["n_patients"].notna().any()
    clustered = ", clustered by patient" if patients else ""
    average = "mean of the test folds’ AUCs, then of the repeats; " if crossed else ""
    numbers = (
        f"AUC: {average}CI: {level} confidence interval, of an AUC on the logit scale, of a "
        "difference that of the adjusted test. Difference: candidate − reference, so that "
        "positive values favor the candidate."
    )
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
    conclusions = (
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
    verdict += (
        f" Bold: the higher AUC where the adjusted P < {alpha}. SDD: smallest detectable "
        f"difference, which the test finds with {100 * options.power:g} % power at "
        f"two-sided {alpha}, before correction."
    )
    return SignificanceNotes(numbers, " ".join(tests), conclusions, verdict)


def terminal_notes(table: pd.DataFrame, options: AnalysisOptions) -> list[str]:
    """The notes without which the numbers on a terminal cannot be read."""
    notes = significance_notes(table, options)
    margin = (
        "no equivalence margin was set"
        if options.margin is None
        else f"the equivalence margin is ± {options.margin:g}"
    )
    return [
        notes.tests,
        f"SDD: smallest difference that the test detects with {100 * options.power:g} % power; "
        f"{margin}.",
        notes.conclusions,
    ]


def exploratory_notes(options: AnalysisOptions) -> list[str]:
    """That the analysis was not planned, or not so; nothing where it was."""
    return [finding_note(finding) for finding in exploratory_findings(options)]


def plan_notes(options: AnalysisOptions) -> list[str]:
    """The hash of the analysis plan, so that a registered one can be recognised."""
    return [finding_note(finding) for finding in plan_findings(options)]


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
