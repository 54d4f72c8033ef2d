"""The components of every comparison of a report, as figures of folds and variance take them."""

from __future__ import annotations

__all__ = ["pair_components"]

from ..results.material import Material
from ..results.pairs import PairComponents


def pair_components(material: Material) -> list[PairComponents | None]:
    """Components of each row of the comparisons; None where there is no cross-validation."""
    return list(material.components)
