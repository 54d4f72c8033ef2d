"""What a mixed-model fit may have to say besides its numbers."""

from __future__ import annotations

__all__ = [
    "MixedModelConvergenceWarning",
    "MixedModelWarning",
    "SingularFitWarning",
    "result_warnings",
]

from collections.abc import Iterable

from ..procedure import ResultWarning, WarningCode


class MixedModelWarning(UserWarning):
    """A mixed model was fitted, but not quite as asked; the text says what differs."""


class SingularFitWarning(MixedModelWarning):
    """A variance component is zero or a correlation is ±1 at the optimum.

    The estimates are the maximum of the likelihood; inference on variance components
    on the boundary is not to be trusted.
    """


class MixedModelConvergenceWarning(MixedModelWarning):
    """The fit failed: every estimate and every p value of the result is NaN."""


_CODES: dict[type[Warning], WarningCode] = {
    MixedModelConvergenceWarning: "no-convergence",
    SingularFitWarning: "singular-fit",
}


def result_warnings(notes: Iterable[tuple[type[Warning], str]]) -> tuple[ResultWarning, ...]:
    """Notes on a fit as its result keeps them."""
    return tuple(ResultWarning(_CODES.get(kind, "model"), text) for kind, text in notes)
