"""What stands below the tables: test, estimand, interval, correction, and what limits them."""

from __future__ import annotations

__all__ = [
    "CURVE_TESTS",
    "SignificanceNotes",
    "adjustment_note",
    "case_units",
    "caution_notes",
    "exploratory_notes",
    "finding_note",
    "general_notes",
    "plan_notes",
    "secondary_notes",
    "significance_notes",
    "terminal_notes",
    "test_notes",
    "training_source",
]

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from ..evidence.options import AnalysisOptions
from ..measures.study_metric import AUC, StudyMetric, primary_metric
from ..rendering.labels import (
    CORRECTION_NAMES,
    FAMILY_WORDS,
    SYNTHETIC,
    Labels,
    clustered_by,
    join_words,
    plural,
)
from ..rendering.numbers import MISSING, format_count, format_interval, format_number
from ..results.comparisons import NO_VERDICT
from ..results.findings import (
    CAUTIONS,
    Finding,
    exploratory_findings,
    general_findings,
    plan_findings,
    secondary_findings,
    test_findings,
)
from ..results.material import Material
from ..results.pairs import has_own_intervals, of_hold_outs

#: More gaps than this are counted, not listed.
_MOST_GAPS = 8
#: Tests that estimate how much cases matter for training.
CURVE_TESTS = ("learning-curve", "larger-variance")
_TESTS = {
    "repeat-delong": "DeLong’s test",
    "larger-variance": (
        "the test with the larger of DeLong’s and the learning-curve corrected variance"
    ),
    "learning-curve": "the learning-curve corrected test",
    "nadeau-bengio": "Nadeau and Bengio’s corrected resampled t test",
    "delong": "DeLong’s test",
    "paired-metric": "the paired test with the variance of the cases’ influences",
    "obuchowski-rockette": "the Obuchowski–Rockette test with Hillis’s degrees of freedom",
    "mrmc": "the Obuchowski–Rockette test, with readers and cases as random and Hillis’s degrees "
    "of freedom",
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
    return [finding_note(finding, material.labels) for finding in general_findings(material)]


def test_notes(material: Material) -> list[str]:
    """Notes for a table of tests, which use complete runs only."""
    return [finding_note(finding, material.labels) for finding in test_findings(material)]


def secondary_notes(material: Material) -> list[str]:
    """Notes for a table of secondary tests, which have cautions of their own."""
    return [finding_note(finding, material.labels) for finding in secondary_findings(material)]


def caution_notes(material: Material) -> list[str]:
    """What a reader of any comparison must know first: of the data and of the scores."""
    found = [f for f in test_findings(material) if f.code in CAUTIONS]
    return [finding_note(finding, material.labels) for finding in found]


def finding_note(finding: Finding, labels: Labels | None = None) -> str:
    """A finding as a sentence or two, with labels in place of names."""
    return _SENTENCES[finding.code](finding, labels or Labels())


def _unknown_patients(finding: Finding, labels: Labels) -> str:
    crossed = (
        "images of one patient may lie on both sides of a split, and AUCs may be too high; "
        if finding.values.get("crossed")
        else ""
    )
    return (
        f"Caution{_where_tasks(finding, labels)}: patients are unknown. If some have several "
        f"images, {crossed}intervals are too narrow and P values too small."
    )


def _audit(finding: Finding, labels: Labels) -> str:
    where = _where_tasks(finding, labels)
    return f"Caution{where}: {finding.values['found']}; {finding.values['effect']}."


def _leakage(finding: Finding, labels: Labels) -> str:
    patients = finding.values["patients"]
    have = "1 patient has" if patients == 1 else f"{format_count(patients)} patients have"
    return (
        f"LEAKAGE{_where_tasks(finding, labels)}: {have} cases on both sides of a split, so that "
        "models were tested on patients they were trained on. AUCs are too high, intervals and "
        "P values mean nothing, and no verdict is given."
    )


def _reversed(finding: Finding, labels: Labels) -> str:
    values = finding.values
    arm = labels.arm(values["arm"])
    others = [labels.arm(name) for name in values["others"]]
    only = (
        f" The scores of {join_words(others)} are not reversed, so that the difference between "
        "them would be another one."
        if others
        else ""
    )
    return (
        f"Caution{_where_tasks(finding, labels)}: the AUC with {arm} is below 0.5 "
        f"({format_number(values['auc'])}; CI, {format_interval(values['low'], values['high'])}). "
        f"Are its scores the probability of the other class?{only}"
    )


_LOOKS = {
    "labels": (
        "the scores with {arm} take two values only and look like labels. Their AUC is that of one "
        "operating point, the mean of sensitivity and specificity, and says nothing of how well "
        "cases are ranked"
    ),
    "saturated": (
        "of the scores with {arm}, {share:.0f} % are exactly 0 or 1. Cases with the same score are "
        "not ranked, so that the AUC is close to that of one operating point"
    ),
    "confidence": (
        "all scores with {arm} lie between 0.5 and 1, which looks like the confidence in the "
        "predicted class; an AUC needs the probability of the positive class"
    ),
}


def _score_problem(finding: Finding, labels: Labels) -> str:
    values = finding.values
    text = _LOOKS[values["kind"]].format(arm=labels.arm(values["arm"]), share=100 * values["share"])
    return f"Caution{_where_tasks(finding, labels)}: {text}."


def _where_tasks(finding: Finding, labels: Labels) -> str:
    tasks = [labels.task(task) for task in finding.tasks]
    return f" ({join_words(tasks)})" if tasks else ""


def _test_warning(finding: Finding, labels: Labels) -> str:
    return f"Caution{_where_tasks(finding, labels)}: {finding.values['warning']}."


def _departures(finding: Finding, labels: Labels) -> str:
    departures = join_words(finding.values["departures"])
    return f"The analysis is exploratory, because it departs from its plan in {departures}."


def _plan(finding: Finding, labels: Labels) -> str:
    values = finding.values
    return f"The SHA-256 of {values['source']} is {values['sha256']}."


def _incomplete(finding: Finding, labels: Labels) -> str:
    """What an incomplete report leaves out."""
    used = "complete runs only" if finding.values["complete_runs"] else "all that was trained"
    gaps = finding.values["gaps"]
    more = f"; and {len(gaps) - _MOST_GAPS} more" if len(gaps) > _MOST_GAPS else ""
    listed = "; ".join(gaps[:_MOST_GAPS])
    there = "is 1 gap" if len(gaps) == 1 else f"are {len(gaps)} gaps"
    return (
        f"The study is incomplete, and these results are from {used}. There {there}: "
        f"{listed}{more}."
    )


def _constant(text: str) -> Callable[[Finding, Labels], str]:
    return lambda finding, labels: text


#: The sentence of every code.
_SENTENCES: dict[str, Callable[[Finding, Labels], str]] = {
    "unknown-patients": _unknown_patients,
    "leakage": _leakage,
    "audit": _audit,
    "reversed": _reversed,
    "score-problem": _score_problem,
    "single-test-set": _constant(
        "Scores were treated as those of one fixed test set, because no folds were named; "
        "out-of-fold scores of a cross-validation need the columns repeat and fold, and are "
        "tested differently."
    ),
    "test-warning": _test_warning,
    "departures": _departures,
    "unplanned": _constant("No analysis plan was given; the comparisons are exploratory."),
    "plan": _plan,
    "incomplete": _incomplete,
    "synthetic": _constant(SYNTHETIC),
}


def significance_notes(table: pd.DataFrame, options: AnalysisOptions) -> SignificanceNotes:
    """Notes on the numbers of a significance table, a few sentences each."""
    return SignificanceNotes(
        numbers=_numbers_note(table, primary_metric(options)),
        tests=" ".join(
            [*_test_sentences(table, primary_metric(options)), adjustment_note(table, options)]
        ),
        conclusions=_conclusions_note(table),
        verdicts=_verdicts_note(table, options),
    )


def _numbers_note(table: pd.DataFrame, by: StudyMetric) -> str:
    level = f"{100 * table['confidence_level'].iloc[0]:g} %"
    crossed = (table["n_folds"] > 1).any()
    average = f"{by.values} are means over test folds, then over repeats. " if crossed else ""
    held_out = of_hold_outs(table)
    if held_out.any():
        average += f"{by.values} of random hold-outs are means over these. "
    own = has_own_intervals(table).all()
    scale = "with the variance of the same test" if own else by.scale
    sign = "positive" if by.higher_is_better else "negative"
    logarithms = " of logarithms," if by.logarithmic else ""
    return (
        f"{average}Confidence intervals (CI) have a level of {level}; those of {by.one} were "
        f"computed {scale}, and those of a difference belong to the test that is "
        f"adjusted. Differences are{logarithms} candidate − reference, so that {sign} values "
        "favour the candidate."
    )


def _test_sentences(table: pd.DataFrame, by: StudyMetric) -> Iterator[str]:
    """Which tests the columns of P values are from."""
    crossed = (table["n_folds"] > 1).any()
    clustered = clustered_by(table["clustered_by"])
    used = table["test"].isin(CURVE_TESTS)
    if table["pvalue_delong"].notna().any() and not used.any():
        variance = "with the variance averaged over repeats" if crossed else "for paired curves"
        yield f"“DeLong” is DeLong’s test {variance}{clustered}."
    held_out = of_hold_outs(table)
    if table.loc[~held_out, "pvalue_corrected_t"].notna().any():
        yield "“Corr. t” is Nadeau and Bengio’s corrected resampled t test over folds."
    if held_out.any():
        yield (
            "“Corr. t” is Nadeau and Bengio’s corrected resampled t test over the random "
            "hold-outs; all other cases are taken to have been training cases."
        )
    for test in ("obuchowski-rockette", "mrmc"):
        if (table["test"] == test).any():
            yield f"“MRMC” is {_TESTS[test]}{clustered}."
    if used.any():
        tests = join_words([_TESTS[test] for test in _unique(table["test"])])
        yield (
            f"“Raw” is the P value of {tests}{clustered}; how much {case_units(table)} "
            "matter as training cases, which out-of-fold scores do not show, was estimated "
            f"{training_source(table[used], by)}."
        )


def _conclusions_note(table: pd.DataFrame) -> str:
    estimands = [f"{text}{_where(table, 'estimand', text)}" for text in _unique(table["estimand"])]
    return f"The conclusions apply to {'; and to '.join(estimands)}."


def _verdicts_note(table: pd.DataFrame, options: AnalysisOptions) -> str:
    alpha, power = _level(options.alpha), f"{100 * options.power:g} %"
    by = primary_metric(options)
    sentences = [f"A verdict is superior or inferior where the adjusted P < {alpha}."]
    if options.margin is None:
        sentences.append(
            "It is otherwise inconclusive; no margin was set, so that equivalence was not tested."
        )
    else:
        margin = f"{options.margin:g}"
        beyond = "above −" if by.higher_is_better else "below "
        sentences.append(
            "It is otherwise equivalent where two one-sided tests, with the same adjustment, "
            f"place the difference within ± {margin} (P < {alpha}), non-inferior where one of "
            f"them places it {beyond}{margin} (P < {_level(options.alpha / 2)}), and else "
            "inconclusive."
        )
    if (table["verdict"] == NO_VERDICT).any():
        sentences.append("No verdict is given where patients are on both sides of a split.")
    if (table["verdict"] == "identical").any():
        sentences.append(f"Identical arms {by.alike}.")
    sentences.append(
        f"The {by.better} {by.label} is in bold where the adjusted P < {alpha}. SDD is the "
        f"smallest detectable difference, which the test detects with {power} power at a two-sided "
        f"level of {alpha} without adjustment."
    )
    if table["smallest_detectable_difference"].isna().any():
        sentences.append(
            f"It is not given ({MISSING}) where it could not be estimated or is larger than any "
            "possible difference."
        )
    return " ".join(sentences)


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
        f"SDD is the smallest difference that the test detects with {100 * options.power:g} % "
        f"power; {margin}.",
        notes.conclusions,
    ]


def exploratory_notes(options: AnalysisOptions) -> list[str]:
    """That the analysis was not planned, or not so; nothing where it was."""
    return [finding_note(finding) for finding in exploratory_findings(options)]


def plan_notes(options: AnalysisOptions) -> list[str]:
    """The hash of the analysis plan, so that a registered one can be recognised."""
    return [finding_note(finding) for finding in plan_findings(options)]


def adjustment_note(table: pd.DataFrame, options: AnalysisOptions) -> str:
    """Which test the adjusted P value is of, by what method, over what family."""
    tests = join_words(
        [f"{_TESTS[test]}{_where(table, 'test', test)}" for test in _unique(table["test"])]
    )
    if len(table) == 1:
        return (
            f"“Adjusted” is the P value of {tests}, which as the only comparison needs no "
            "adjustment."
        )
    if options.correction == "none":
        return f"“Adjusted” is the P value of {tests}, without adjustment."
    return (
        f"“Adjusted” is the P value of {tests}, adjusted by "
        f"{CORRECTION_NAMES[options.correction]} over {_family(table, options)}."
    )


def _family(table: pd.DataFrame, options: AnalysisOptions) -> str:
    """The comparisons over which P values were adjusted."""
    own, rest = (int((table["role"] == role).sum()) for role in ("primary", "secondary"))
    sizes = table.loc[table["role"] != "primary", "family"].value_counts()
    if options.families and len(sizes) > 1:
        low, high = sizes.min(), sizes.max()
        counts = f"{low}" if low == high else f"{low} to {high}"
        keys = join_words([FAMILY_WORDS[key] for key in options.families])
        family = f"the comparisons of each {keys} separately ({counts} each)"
        if own:
            family += (
                "; the primary comparison (†) is tested alone"
                if own == 1
                else f"; the {own} primary comparisons (†) are a family of their own"
            )
        return family
    if not (own and rest):
        return f"the {plural(len(table), 'comparison')}"
    if own == 1:
        secondary = f"the {plural(rest, 'secondary comparison')}"
        return f"{secondary}; the primary comparison (†) is tested alone"
    return f"the {own} primary (†) and the {plural(rest, 'secondary comparison')} separately"


def training_source(table: pd.DataFrame, by: StudyMetric = AUC) -> str:
    """From what the influence of training cases was estimated, after "was estimated"."""
    measured = table["n_halvings"] > 0
    if measured.all():
        return _halvings(table)
    if measured.any():
        rest = _pieces(table[~measured], by)
        return f"{_halvings(table[measured])}, and in the other comparisons {rest}"
    return _pieces(table, by)


def _halvings(table: pd.DataFrame) -> str:
    """Halvings, after "was estimated"; they stand in for all else."""
    low, high = int(table["n_halvings"].min()), int(table["n_halvings"].max())
    number = f"{low}" if low == high else f"{low} to {high}"
    text = (
        f"from {number} random divisions of the {case_units(table)} into halves, each half "
        "cross-validated by itself, whose models are part of no other number"
    )
    if (table["n_half_repeats"] > 0).any():
        text += " (the extra repeats of two-fold cross-validation were not used beside them)"
    return text


def _pieces(table: pd.DataFrame, by: StudyMetric) -> str:
    """What the influence of training cases is pieced together from, after "was estimated"."""
    low, high = int(table["n_half_repeats"].min()), int(table["n_half_repeats"].max())
    folds = (
        f"from the variation of scores between repeats and the dependence of fold {by.label} on "
        "case difficulty"
    )
    if high == 0:
        return f"{folds}, combined with {'an AUC-dependent' if by.is_auc else 'a'} prior"
    extra = plural(low, "extra repeat") if low == high else f"{low} to {high} extra repeats"
    return (
        f"{folds} and from {extra} of two-fold cross-validation on half of the data, which are "
        "part of no other number"
    )


def case_units(table: pd.DataFrame) -> str:
    """What the cases of comparisons are drawn from, in the plural."""
    return "patients" if table["n_patients"].notna().all() else "images"


def _where(table: pd.DataFrame, column: str, value: str) -> str:
    """In which tasks a statement holds, if not in all."""
    rows = table[column] == value
    tasks = _unique(table.loc[rows, "task"])
    return "" if rows.all() or not all(tasks) else f" ({join_words(tasks)})"


def _unique(values: pd.Series) -> list[str]:
    return list(dict.fromkeys(map(str, values)))


def _level(alpha: float) -> str:
    return f"{alpha:g}".removeprefix("0")
