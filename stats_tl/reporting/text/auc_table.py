"""The paragraphs on a table of AUCs, where no scores were kept."""

from __future__ import annotations

__all__ = ["grid_methods", "grid_results"]

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..evidence.options import AnalysisOptions
from ..rendering.labels import RULES, join_words, sentence_case
from ..rendering.numbers import equals_p, format_interval, format_number
from ..tables.notes import exploratory_notes


def grid_methods(effects: pd.DataFrame, ddf: str, options: AnalysisOptions) -> tuple[str, ...]:
    """Paragraphs on the models, with ``[@key]`` for citations.

    Parameters
    ----------
    effects : DataFrame
        Differences as in :class:`~stats_tl.reporting.GridFit`, with labels in place of names.
    ddf : str
        Rule of the degrees of freedom.
    options : AnalysisOptions
    """
    arms = join_words(list(dict.fromkeys(filter(None, effects["arm"]))))
    backbones = (
        " Differences within backbones are from a second model with the interaction of arm and "
        "backbone."
        if effects["backbone"].ne("").any()
        else ""
    )
    paragraphs = (
        f"We compared {arms} with {effects['reference'].iloc[0]} as the reference. AUCs of "
        "matched configurations were analysed by linear mixed models with a random intercept of "
        "the configuration [@bates2015], fitted by restricted maximum likelihood with "
        f"{RULES.get(ddf, ddf)} degrees of freedom [@kenward1997].{backbones} Scores of "
        "cases were not available, so that the conclusions do not extend to other patients. The "
        "analysis was done with stats_tl [@stats_tl].",
        " ".join(exploratory_notes(options)),
    )
    return tuple(filter(None, paragraphs))


def grid_results(effects: pd.DataFrame, remarks: Sequence[str], alpha: float) -> tuple[str, ...]:
    """Paragraphs with every difference and the remarks on the models; arguments as above."""
    sentences = [_sentence(row, alpha) for row in effects.to_dict("records")]
    return tuple(filter(None, (" ".join(sentences), " ".join(remarks))))


def _sentence(row: Mapping[Any, Any], alpha: float) -> str:
    model = f"with {row['backbone']}" if row["backbone"] else ""
    where = " ".join(filter(None, [model, f"in {row['task']}" if row["task"] else ""]))
    opening = f"{where}, the" if where else "the"
    if row["effect"].endswith("(F test)"):
        return sentence_case(
            f"{opening} interaction of arm and backbone had P {equals_p(row['pvalue'], alpha)}."
        )
    level = f"{100 * row['confidence_level']:g} % CI"
    return sentence_case(
        f"{opening} mean difference in AUC ({row['effect']}) was "
        f"{format_number(row['estimate'])} (SE, {format_number(row['standard_error'])}; {level}, "
        f"{format_interval(row['ci_low'], row['ci_high'])}; P {equals_p(row['pvalue'], alpha)})."
    )
