"""Table 6: the difference within subgroups of cases, and whether it differs between them."""

from __future__ import annotations

__all__ = ["SUBGROUP_COLUMNS", "compare_subgroups", "subgroup_table", "subgroups"]

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from ...errors import UserError, suggest
from ...stats import adjust_pvalues, subgroup_auc_test
from ..evidence.alignment import SETTING, Aligned, complete_runs
from ..evidence.options import AnalysisOptions
from ..rendering.labels import comparison_labels, describe_unfreeze, join_words
from ..rendering.numbers import format_count, format_interval, format_number, format_p
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.material import Material

SUBGROUP_COLUMNS = (
    *SETTING,
    "arm",
    "reference",
    "covariate",
    "subgroup",
    "n_patients",
    "n_cases",
    "n_events",
    "auc",
    "auc_reference",
    "difference",
    "standard_error",
    "difference_low",
    "difference_high",
    "confidence_level",
    "interaction_statistic",
    "interaction_df",
    "interaction_pvalue",
    "interaction_pvalue_adjusted",
    "correction",
    "alpha",
    "n_unknown",
    "n_runs",
    "n_folds",
    "tested",
    "planned",
)
#: Positive and negative cases that a subgroup needs.
MIN_CASES = 10
MAX_LEVELS = 12
#: Below these the averaged variance is known to be too small for a test.
FEWEST_REPEATS, FEWEST_FOLDS = 5, 5


def subgroups(material: Material) -> Iterator[Section | Absent]:
    """The table of subgroups, from the material of a report.

    Subgroups that were named are compared in every primary comparison, or in all where there
    is no primary one. Where none was named, every covariate of at most twelve levels with two
    or more that have enough cases is used, if there is one comparison to look at in a task.
    """
    options = material.options
    rows = material.comparisons
    chosen = rows[rows["role"] == "primary"] if (rows["role"] == "primary").any() else rows
    if options.subgroups is None and chosen.groupby("task").size().max() > 1:
        yield _absent("none was named, and there is no single comparison in a task to look at")
        return
    frames = []
    for row in chosen.to_dict("records"):
        aligned = material.aligned(pd.Series(row))
        cases = material.evidence.cases(str(row["task"]))
        covariates = _covariates(cases, options.subgroups)
        if covariates:
            frames += list(
                compare_subgroups(aligned, row["arm"], row["reference"], covariates, options)
            )
    if options.subgroups and not frames:
        have = sorted({c for task in rows["task"] for c in _names(material, str(task))})
        raise UserError(
            f"subgroups {', '.join(options.subgroups)}: no such covariate; "
            + suggest(options.subgroups[0], have)
        )
    if not frames:
        yield _absent(
            "no covariate of the cases has 2 to "
            f"{MAX_LEVELS} levels with at least {MIN_CASES} positive and negative cases each"
            if options.subgroups is None
            else "the plan names none"
        )
        return
    numbers = pd.concat(frames, ignore_index=True)
    _adjust(numbers, options)
    table = subgroup_table(numbers, options, title=material.title, cautions=material.limits)
    yield Section(table, numbers[list(SUBGROUP_COLUMNS)])


def compare_subgroups(
    aligned: Aligned,
    arm: str,
    reference: str,
    covariates: Mapping[str, pd.Series],
    options: AnalysisOptions,
) -> Iterator[pd.DataFrame]:
    """Differences within the levels of each covariate, with a test of interaction.

    Parameters
    ----------
    aligned : Aligned
        Test scores of one setting.
    arm, reference : str
    covariates : mapping of str to Series
        Level of each case, by case identifier.
    options : AnalysisOptions

    Yields
    ------
    DataFrame
        One row a level, for each covariate; columns as :data:`SUBGROUP_COLUMNS` but for the
        adjusted P value.
    """
    runs, _ = complete_runs(aligned, arm, reference)
    if not len(runs):
        return
    a, b = aligned.arm(arm), aligned.arm(reference)
    folds = aligned.folds[a, runs]
    n_folds = len(np.unique(folds[0]))
    repeats = {aligned.runs[run][0] for run in runs}
    tested = n_folds == 1 or (len(repeats) >= FEWEST_REPEATS and n_folds >= FEWEST_FOLDS)
    for name, values in covariates.items():
        levels = values.reindex(aligned.cases).to_numpy(dtype=object)
        result = subgroup_auc_test(
            aligned.y_true, aligned.scores[a, runs], aligned.scores[b, runs], folds, levels,
            groups=aligned.patients, min_cases=MIN_CASES, confidence_level=1 - options.alpha,
        )  # fmt: skip
        interaction = result.interaction
        yield pd.DataFrame(
            {
                **aligned.setting,
                "arm": arm,
                "reference": reference,
                "covariate": name,
                **result.table[["subgroup"]],
                "n_patients": pd.to_numeric(result.table["n_groups"]),
                **result.table[["n_cases", "n_events"]],
                "auc": result.table["auc_a"],
                "auc_reference": result.table["auc_b"],
                **result.table[["difference", "standard_error"]],
                "difference_low": result.table["ci_low"],
                "difference_high": result.table["ci_high"],
                "confidence_level": 1 - options.alpha,
                "interaction_statistic": interaction.statistic if tested else math.nan,
                "interaction_df": interaction.df if tested else math.nan,
                "interaction_pvalue": interaction.pvalue if tested else math.nan,
                "correction": options.correction,
                "alpha": options.alpha,
                "n_unknown": result.n_unknown,
                "n_runs": len(runs),
                "n_folds": n_folds,
                "tested": tested,
                "planned": _planned(options),
            }
        )


def _planned(options: AnalysisOptions) -> bool:
    changed = any(text.startswith("subgroups ") for text in options.departures)
    return bool(options.planned and options.subgroups) and not changed


def _adjust(numbers: pd.DataFrame, options: AnalysisOptions) -> None:
    """Adjust the interaction tests, one a comparison and covariate, in place."""
    keys = [*SETTING, "arm", "covariate"]
    firsts = numbers.drop_duplicates(keys)
    adjusted = adjust_pvalues(firsts["interaction_pvalue"].to_numpy(float), options.correction)
    known = dict(zip(firsts[keys].itertuples(index=False, name=None), adjusted, strict=True))
    numbers["interaction_pvalue_adjusted"] = [
        known[key] for key in numbers[keys].itertuples(index=False, name=None)
    ]


def subgroup_table(
    numbers: pd.DataFrame,
    options: AnalysisOptions,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
) -> Table:
    """Subgroups to print, from the rows of :func:`compare_subgroups`."""
    level = f"{100 * (1 - options.alpha):g} %"
    labels = comparison_labels(numbers)
    several = len(numbers[[*SETTING, "arm"]].drop_duplicates()) > 1
    reference = str(numbers["reference"].iloc[0])
    arms = sorted(set(numbers["arm"].astype(str)))
    patients = numbers["n_patients"].notna().any()
    body: list[Row | Panel] = []
    before = ("", "")
    for number, row in enumerate(numbers.to_dict("records")):
        which = ", ".join(filter(None, [str(row["task"]), *labels[number]])) if several else ""
        if (which, row["covariate"]) != before:
            before = (which, row["covariate"])
            body.append(Panel(": ".join(filter(None, before))))
            shown = (format_p(row["interaction_pvalue"], options.alpha),
                     format_p(row["interaction_pvalue_adjusted"], options.alpha))  # fmt: skip
        body.append(_row(row, shown, bool(patients)))
        shown = ("", "")
    counts = [Column("Patients", "right")] if patients else []
    return Table(
        name="subgroups",
        caption=f"Difference in AUC within subgroups, {join_words(arms)} compared with {reference}"
        + ("" if several else _setting_words(numbers))
        + (f". {title}." if title else "."),
        columns=(
            Column("Subgroup", "wrap"),
            *counts,
            Column("Images", "right"),
            Column("Events", "right"),
            Column("Candidate", "decimal", "AUC"),
            Column("Reference", "decimal", "AUC"),
            Column("Difference", "decimal"),
            Column(f"{level} CI", "center"),
            Column("Raw", "p", "P of interaction"),
            Column("Adjusted", "p", "P of interaction"),
        ),
        body=tuple(body),
        notes=(*_notes(numbers, options), *cautions),
    )


def _row(row: dict, pvalues: tuple[str, str], patients: bool) -> Row:
    counts = [Cell(format_count(row["n_patients"]))] if patients else []
    return Row(
        (
            Cell(str(row["subgroup"])),
            *counts,
            Cell(format_count(row["n_cases"])),
            Cell(format_count(row["n_events"])),
            Cell(format_number(row["auc"])),
            Cell(format_number(row["auc_reference"])),
            Cell(format_number(row["difference"])),
            Cell(format_interval(row["difference_low"], row["difference_high"])),
            *map(Cell, pvalues),
        )
    )


def _setting_words(numbers: pd.DataFrame) -> str:
    """Backbone, head and depth of the only comparison, in brackets."""
    row = numbers.iloc[0]
    head = f"{row['head']} head" if row["head"] else ""
    words = filter(None, [row["backbone"], head, describe_unfreeze(str(row["unfreeze"]))])
    text = ", ".join(map(str, words))
    return f" ({text})" if text else ""


def _notes(numbers: pd.DataFrame, options: AnalysisOptions) -> list[str]:
    crossed = bool((numbers["n_folds"] > 1).any())
    clustered = ", clustered by patient" if numbers["n_patients"].notna().any() else ""
    averaged = ", averaged over runs" if (numbers["n_runs"] > 1).any() else ""
    pairs = " scored by one model" if crossed else ""
    notes = [
        f"AUC: share of the pairs of a positive and a negative case of the subgroup{pairs} that "
        "are ranked rightly. Difference: candidate − reference, so that positive values favor the "
        f"candidate; its interval from DeLong’s variance{clustered}{averaged}, not adjusted for "
        "the number of subgroups."
    ]
    tests = len(numbers.drop_duplicates([*SETTING, "arm", "covariate"]))
    if numbers["tested"].all():
        adjusted = (
            f"; adjusted: {options.correction.capitalize()} over the {tests} tests of the table"
            if options.correction != "none" and tests > 1
            else "; not adjusted"
        )
        notes.append(
            f"P of interaction: chi-square test that the differences of all subgroups of the "
            f"covariate are equal{adjusted}. A difference in one subgroup and none in another is "
            "no difference between them unless this test says so."
        )
    else:
        notes.append(
            f"No P values: with fewer than {FEWEST_REPEATS} repeats or {FEWEST_FOLDS} folds none "
            "is known to hold for subgroups; the intervals are then too narrow, for they take "
            "the training as given."
        )
    if numbers["auc"].isna().any():
        notes.append(
            f"–: fewer than {MIN_CASES} positive or negative cases; such subgroups have no part "
            "in the test."
        )
    unknown = numbers[numbers["n_unknown"] > 0].drop_duplicates("covariate")
    for row in unknown.to_dict("records"):
        notes.append(f"{row['covariate']} is not known for {row['n_unknown']} images.")
    if not numbers["planned"].all():
        notes.append("Exploratory: the plan names no such subgroups.")
    return notes


def _covariates(cases: pd.DataFrame, wanted: Sequence[str] | None) -> dict[str, pd.Series]:
    """Levels by case, of the covariates that were named or of all that qualify."""
    frame = cases.set_index("case")
    names = [c for c in frame.columns if c not in ("patient", "group", "y_true")]
    found = {}
    for name in names if wanted is None else [w for w in wanted if w in names]:
        values = frame[name].where(frame[name].notna(), None).map(str, na_action="ignore")
        levels = values.nunique()
        if wanted is not None and levels > MAX_LEVELS:
            raise UserError(
                f"subgroups {name}: {levels} levels, at most {MAX_LEVELS} can be compared; "
                "recode it into fewer"
            )
        counts = frame.groupby(values)["y_true"].agg(["sum", "size"])
        enough = (counts["sum"] >= MIN_CASES) & (counts["size"] - counts["sum"] >= MIN_CASES)
        if wanted is not None or (levels <= MAX_LEVELS and enough.sum() >= 2):
            found[name] = values
    return found


def _names(material: Material, task: str) -> list[str]:
    cases = material.evidence.cases(task)
    return [c for c in cases.columns if c not in ("case", "patient", "group", "y_true")]


def _absent(reason: str) -> Absent:
    return Absent("subgroups", "subgroups", reason)
