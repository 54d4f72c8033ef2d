"""The difference within subgroups of cases, and whether it differs between them."""

from __future__ import annotations

__all__ = [
    "FEWEST_FOLDS",
    "FEWEST_REPEATS",
    "MAX_LEVELS",
    "MIN_CASES",
    "SUBGROUP_COLUMNS",
    "compare_all_subgroups",
    "compare_subgroups",
]

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from ...errors import UserError, suggest
from ...stats import adjust_pvalues, subgroup_auc_test
from ..evidence.alignment import SETTING, Aligned, complete_runs
from ..evidence.options import AnalysisOptions
from ..rendering.parts import Absent
from .material import IDENTIFIERS, Material, analysed_cases

SUBGROUP_COLUMNS = (
    *SETTING,
    "arm",
    "reference",
    "covariate",
    "subgroup",
    "n_patients",
    "clustered_by",
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


def compare_all_subgroups(material: Material) -> pd.DataFrame | Absent:
    """Differences within the subgroups of a study, or why it has none.

    Subgroups that were named are compared in every primary comparison, or in all where there
    is no primary one. Where none was named, every covariate of at most twelve levels with two
    or more that have enough cases is used, if there is one comparison to look at in a task.

    Returns
    -------
    DataFrame or Absent
        Rows of :func:`compare_subgroups`, with the columns :data:`SUBGROUP_COLUMNS`.

    Raises
    ------
    UserError
        If a covariate was named that the cases do not have, or one of too many levels.
    """
    options = material.options
    if not material.metric.is_auc:
        return _absent(f"it is of AUCs, and the arms are compared by the {material.metric.label}")
    rows = material.comparisons
    chosen = rows[rows["role"] == "primary"] if (rows["role"] == "primary").any() else rows
    if options.subgroups is None and chosen.groupby("task").size().max() > 1:
        return _absent(
            "no subgroups were named, and a task has several comparisons, of which none is primary"
        )
    frames = []
    for row in chosen.to_dict("records"):
        aligned = material.aligned(pd.Series(row))
        cases = analysed_cases(material.evidence, str(row["task"]))
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
        return _absent(
            "no covariate of the cases has 2 to "
            f"{MAX_LEVELS} levels with at least {MIN_CASES} positive and negative cases each"
            if options.subgroups is None
            else "the plan names no subgroups"
        )
    return _adjusted(pd.concat(frames, ignore_index=True), options)[list(SUBGROUP_COLUMNS)]


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
        One row per level, for each covariate; columns as :data:`SUBGROUP_COLUMNS` but for the
        adjusted P value.
    """
    runs, _ = complete_runs(aligned, arm, reference)
    if not len(runs) or aligned.hold_outs:
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
            groups=aligned.groups, min_cases=MIN_CASES, confidence_level=1 - options.alpha,
        )  # fmt: skip
        interaction = result.interaction
        yield pd.DataFrame(
            {
                **aligned.setting,
                "arm": arm,
                "reference": reference,
                "covariate": name,
                **result.table[["subgroup"]],
                "n_patients": _patients(aligned, levels, result.table["subgroup"]),
                "clustered_by": aligned.unit,
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
                "planned": options.subgroups_planned,
            }
        )


def _patients(aligned: Aligned, levels: np.ndarray, subgroups: pd.Series) -> list[float]:
    """Patients of each subgroup; NaN where they are unknown."""
    if aligned.patients is None:
        return [math.nan] * len(subgroups)
    known = aligned.patients
    return [float(len(set(known[levels == level].tolist()))) for level in subgroups]


def _adjusted(numbers: pd.DataFrame, options: AnalysisOptions) -> pd.DataFrame:
    """The rows with adjusted interaction tests, one a comparison and covariate."""
    keys = [*SETTING, "arm", "covariate"]
    firsts = numbers.drop_duplicates(keys)
    adjusted = adjust_pvalues(firsts["interaction_pvalue"].to_numpy(float), options.correction)
    known = dict(zip(firsts[keys].itertuples(index=False, name=None), adjusted, strict=True))
    own = [known[key] for key in numbers[keys].itertuples(index=False, name=None)]
    return numbers.assign(interaction_pvalue_adjusted=own)


def _covariates(cases: pd.DataFrame, wanted: Sequence[str] | None) -> dict[str, pd.Series]:
    """Levels by case, of the covariates that were named or of all that qualify."""
    frame = cases.set_index("case")
    names = [c for c in frame.columns if c not in IDENTIFIERS]
    found = {}
    for name in names if wanted is None else [w for w in wanted if w in names]:
        values = frame[name].where(frame[name].notna(), None).map(str, na_action="ignore")
        levels = values.nunique()
        if wanted is not None and levels > MAX_LEVELS:
            raise UserError(
                f"subgroups {name}: {levels} levels, but at most {MAX_LEVELS} can be compared; "
                "recode it into fewer"
            )
        counts = frame.groupby(values)["y_true"].agg(["sum", "size"])
        enough = (counts["sum"] >= MIN_CASES) & (counts["size"] - counts["sum"] >= MIN_CASES)
        if wanted is not None or (levels <= MAX_LEVELS and enough.sum() >= 2):
            found[name] = values
    return found


def _names(material: Material, task: str) -> list[str]:
    cases = analysed_cases(material.evidence, task)
    return [c for c in cases.columns if c not in IDENTIFIERS]


def _absent(reason: str) -> Absent:
    return Absent("subgroups", "subgroup analysis", reason)
