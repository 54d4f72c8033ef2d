"""The paragraphs on several classes."""

from __future__ import annotations

__all__ = ["class_methods", "class_results"]

from collections.abc import Mapping
from typing import Any

from ..rendering.labels import join_words, plural, sentence_case
from ..rendering.numbers import equals_p, format_interval, format_number
from ..tables.notes import exploratory_notes
from .settings import Kind
from .tables import ClassTables

_DEFINED = {
    "roc_auc_ovr": (
        "the macro-averaged one-versus-rest area under the receiver operating characteristic curve "
        "(AUC), the mean over classes of the AUC of each class against all others"
    ),
    "roc_auc_ovo": (
        "the M of Hand and Till [@handtill2001], the mean over pairs of classes of the areas under "
        "the receiver operating characteristic curve (AUC) between them"
    ),
    "quadratic_kappa": (
        "the quadratically weighted kappa of the grades with the reference grades [@fleiss1969]"
    ),
}


def class_methods(tables: ClassTables) -> tuple[str, ...]:
    """Paragraphs on the analysis, with ``[@key]`` for citations."""
    fit, options, arm = tables.fit, tables.options, tables.labels.arm
    arms = join_words(list(dict.fromkeys(arm(str(own)) for own in fit.comparisons["arm"])))
    units = "patients" if fit.clustered else "cases"
    clustered = ", with patients as the independent units [@obuchowski1997]" * fit.clustered
    crossed = (
        f"by a repeated cross-validation test{clustered}, whose variance adds what training on "
        f"other {units} contributes [@nadeau2003; @ledell2015]; values were computed within test "
        "folds, so that scores of different models were never compared"
    )
    paired = (
        "by a paired test with the variance of the cases’ influences"
        + " [@delong1988]" * (fit.metric != "quadratic_kappa")
        + clustered
    )
    several = (
        "by the test of Obuchowski and Rockette [@obuchowski1995; @hillis2007] with {} and "
        f"{units} as random"
    )
    tests: dict[Kind, str] = {
        "cross-validation": crossed,
        "readers": several.format("readers"),
        "training runs": several.format("training runs"),
        "reader": paired,
        "models": paired,
    }
    test = join_words(list(dict.fromkeys(tests[kind] for kind in fit.kinds)), "or, by design,")
    texts = [
        f"We compared {arms} with {arm(str(options.reference))} in {join_words(fit.designs)}. The "
        f"measure was {_DEFINED[fit.metric]}, compared {test}."
    ]
    if fit.metric == "roc_auc_ovr":
        texts.append("The M of Hand and Till [@handtill2001] is given beside it.")
    if len(fit.by_class):
        texts.append(
            "Each class was compared with the rest by its AUC [@delong1988], with P values "
            "adjusted over classes and comparisons."
            if options.correction != "none"
            else "Each class was compared with the rest by its AUC [@delong1988]."
        )
    if len(fit.omnibus):
        texts.append(
            "All arms were compared at once by a Wald test of their differences, followed by "
            "pairwise comparisons."
        )
    texts.append(f"{tables.adjustment(fit.comparisons, judged=True)} The analysis was done with "
                 "stats_tl [@stats_tl].")  # fmt: skip
    return tuple(filter(None, (" ".join(texts), " ".join(exploratory_notes(options)))))


def class_results(tables: ClassTables) -> tuple[str, ...]:
    """Paragraphs with every difference."""
    fit, alpha = tables.fit, tables.options.alpha
    counts = ", ".join(
        f"{row['class']} {plural(int(row['n_cases']), 'case')}"
        for row in fit.sample.drop_duplicates("class").to_dict("records")
    )
    opening = f"There were {plural(fit.sample['class'].nunique(), 'class', 'classes')} ({counts})."
    if fit.metric == "quadratic_kappa":
        opening = f"The reference grades were {counts}."
    if fit.sample["task"].nunique() > 1:
        opening = ""  # in the table, task by task
    main = [_sentence(tables, row) for row in fit.comparisons.to_dict("records")]
    omnibus = [
        sentence_case(
            f"{_where(tables, row, fit.omnibus)}the {tables.metric} "
            f"{'differed' if row['pvalue'] < alpha else 'did not differ significantly'} between "
            f"the {row['arms']} arms (P {equals_p(row['pvalue'], alpha)})."
        )
        for row in fit.omnibus.to_dict("records")
        if row["pvalue"] == row["pvalue"]
    ]
    found = fit.by_class
    classes = [
        sentence_case(
            f"{_where(tables, row, found)}for {row['class']} against the rest, {tables.pair(row)} "
            f"was {format_number(row['difference'])} ({tables.level}, "
            f"{format_interval(row['difference_low'], row['difference_high'])}; adjusted P "
            f"{equals_p(row['pvalue_adjusted'], alpha)})."
        )
        for row in found.to_dict("records")
        if row["pvalue_adjusted"] < alpha
    ]
    if len(found) and not classes:
        classes = ["No class by itself differed significantly between arms after adjustment."]
    return tuple(filter(None, (opening, " ".join(main), " ".join(omnibus), " ".join(classes))))


def _sentence(tables: ClassTables, row: Mapping[Any, Any]) -> str:
    arm, options = tables.labels.arm, tables.options
    where = _where(tables, row, tables.fit.comparisons)
    return sentence_case(
        f"{where}the {tables.metric} was {format_number(row['value'])} with "
        f"{arm(str(row['arm']))} and {format_number(row['value_reference'])} with "
        f"{arm(str(row['reference']))} (difference, {format_number(row['difference'])}; "
        f"{tables.level}, {format_interval(row['difference_low'], row['difference_high'])}; P "
        f"{equals_p(row['pvalue_adjusted'], options.alpha)}): {row['verdict']}."
    )


def _where(tables: ClassTables, row: Mapping[Any, Any], table: Any) -> str:
    phrase = tables.setting(row, table)
    return f"in {phrase}, " if phrase else ""
