"""The scores that curves are drawn of, as predicted risks."""

from __future__ import annotations

__all__ = ["as_risks"]

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..results.clinical.risks import risk_rule
from .curves import CurveScores

if TYPE_CHECKING:
    from ..results.material import Material


def as_risks(
    settings: Sequence[CurveScores], material: Material
) -> tuple[list[CurveScores], str, str]:
    """The settings with logits of predicted risks as scores.

    Parameters
    ----------
    settings : sequence of CurveScores
    material : Material

    Returns
    -------
    risks : list of CurveScores
        Empty where the scores are no probabilities.
    note : str
        What was done to them.
    reason : str
        Why there are none.
    """
    rule = risk_rule(material)
    if rule.reason:
        return [], "", rule.reason
    risks = [
        dataclasses.replace(
            own,
            scores={arm: rule.as_logits(values, own.y_true) for arm, values in own.scores.items()},
        )
        for own in settings
    ]
    return risks, rule.note, ""
