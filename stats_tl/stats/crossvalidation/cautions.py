"""Where the calibration study shows the repeated cross-validation test to fail or not to reach."""

from __future__ import annotations

__all__ = ["cautions"]

import math
from collections.abc import Iterator

from ..procedure import ResultWarning
from .arms import AUC
from .components import HALF, HALVINGS, CVComponents

# What the calibration study covers; outside of it the result carries a warning.
FEWEST_REPEATS, FEWEST_FOLDS = 5, 5
FEWEST_UNITS, FEWEST_MINORITY = 200, 20
NEAR_CHANCE = 0.6
#: Standard errors below zero from which on a learning curve falls.
CLEARLY = 2
#: An arm with an AUC below this is not near chance: its scores are those of the other class.
REVERSED = 0.4


def cautions(chosen: str, parts: CVComponents) -> tuple[ResultWarning, ...]:
    """Where the simulation study shows the chosen test to fail, or does not reach."""
    return (*_design_cautions(chosen, parts), *_data_cautions(chosen, parts), *parts.notes)


def _design_cautions(chosen: str, parts: CVComponents) -> Iterator[ResultWarning]:
    """Of the numbers of repeats and folds."""
    if parts.n_repeats == 1:
        yield ResultWarning(
            "one-repeat",
            "with one repeat only, no test based on the cases is valid (3 to 20 % false positives "
            "at a nominal 5 %); repeat the cross-validation at least five times"
            if chosen != "nadeau-bengio"
            else "with one repeat only, the split and the training run are not averaged out; "
            "repeat the cross-validation at least five times",
        )
    elif parts.n_repeats < FEWEST_REPEATS:
        yield ResultWarning(
            "few-repeats",
            f"there are only {parts.n_repeats} repeats, and error rates were studied with at least "
            f"{FEWEST_REPEATS}",
        )
    if parts.n_repeats > 1 and parts.n_partitions == 1:
        yield ResultWarning(
            "one-partition",
            "all repeats share one partition into folds, so that nothing shows how much the split "
            "matters; deal new folds in every repeat",
        )
    if parts.n_folds == 2:
        yield ResultWarning(
            "two-folds",
            "with two folds, models are trained on half of the cases; use five or ten",
        )
    elif parts.n_folds < FEWEST_FOLDS and chosen != "nadeau-bengio":
        yield ResultWarning(
            "few-folds",
            f"error rates were not studied with {parts.n_folds} folds; use five or ten",
        )


def _data_cautions(chosen: str, parts: CVComponents) -> Iterator[ResultWarning]:
    """Of the cases, their AUCs and the estimated variances."""
    unit = "cases" if parts.n_groups is None else "patients"
    rarer = "rarest" if parts.metric.needs == "class scores" else "rarer"
    if parts.n_units < FEWEST_UNITS or parts.n_minority < FEWEST_MINORITY:
        yield ResultWarning(
            "few-units",
            f"there are few {unit} ({parts.n_units}, with {parts.n_minority} of the {rarer} "
            f"class), and error rates were studied with at least {FEWEST_UNITS} ({FEWEST_MINORITY} "
            f"of the {rarer} class)",
        )
    if chosen in ("learning-curve", "larger-variance"):
        mean = sum(parts.aucs) / 2
        if parts.metric.name == AUC and mean <= NEAR_CHANCE and min(parts.aucs) >= REVERSED:
            yield ResultWarning(
                "near-chance",
                f"the mean AUC is {mean:.2f}, and near chance the influence of training cases is "
                "little more than an assumption",
            )
        yield from _source_cautions(parts)
        if parts.shared_variance < 0:
            yield ResultWarning(
                "negative-covariance",
                "the covariance between repeats was estimated as negative, and the least credible "
                "positive value was used",
            )
    if parts.straddling:
        yield ResultWarning(
            "straddling-patients",
            f"{parts.straddling} patient{'s have' if parts.straddling > 1 else ' has'} cases in "
            "different folds of a repeat, so that models were tested on patients they were trained "
            "on",
        )


def _source_cautions(parts: CVComponents) -> Iterator[ResultWarning]:
    """Of what was supplied to show how much training matters, and does not."""
    used = parts.elasticity_sources
    if parts.n_halvings and HALVINGS not in used:
        yield ResultWarning(
            "unusable-halvings",
            "the halvings were not used, since the scores of the halves show no variance that "
            "their repeats share; what training adds was estimated without them",
        )
    if not parts.n_half_repeats or HALVINGS in used:
        return
    if HALF not in used:
        yield ResultWarning(
            "unusable-half-sample",
            "the half-sample repeats were not used, since a mean AUC of 0, 0.5 or 1, or one on the "
            "other side of 0.5 than with more training cases, shows no learning curve",
        )
    elif used[HALF].value < -CLEARLY * math.sqrt(used[HALF].variance):
        yield ResultWarning(
            "falling-curve",
            "models trained on half of the cases were better than those trained on more, beyond "
            "what chance explains; the half-sample repeats may be of other models",
        )
