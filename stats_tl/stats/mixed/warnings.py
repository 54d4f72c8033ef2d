"""What a mixed-model fit may have to say besides its numbers."""

from __future__ import annotations

__all__ = ["MixedModelConvergenceWarning", "MixedModelWarning", "SingularFitWarning"]


class MixedModelWarning(UserWarning):
    """A mixed model was fitted, but not quite as asked; the text says what differs."""


class SingularFitWarning(MixedModelWarning):
    """A variance component is zero or a correlation is ±1 at the optimum.

    The estimates are the maximum of the likelihood; inference on variance components
    on the boundary is not to be trusted.
    """


class MixedModelConvergenceWarning(MixedModelWarning):
    """The fit failed: every estimate and every p value of the result is NaN."""
