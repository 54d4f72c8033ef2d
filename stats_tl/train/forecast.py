"""What training cells would take: time, and room for what is kept of the frozen stages."""

from __future__ import annotations

__all__ = ["Forecast", "forecast_cells"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..study.cells import DESIGNS, Cell
from .planning.units import plan_units


@dataclass(frozen=True)
class Forecast:
    """What a run of the pending cells would keep, and how long it would take.

    Attributes
    ----------
    caches : tuple of str
        Sentences on what is kept of the frozen stages.
    seconds : float or None
        Wall time; None where other machines would do the work.
    design_seconds : dict of str to float
        The share of each design beside the cross-validation that has cells.
    """

    caches: tuple[str, ...] = ()
    seconds: float | None = None
    design_seconds: dict[str, float] = field(default_factory=dict)


def forecast_cells(
    cells: Sequence[Cell],
    n_cases: Mapping[str, int],
    measured: Mapping[tuple[str, ...], float],
    *,
    device: str | None,
    jobs: int,
    cache_bytes: int,
) -> Forecast:
    """What training `cells` would take.

    Parameters
    ----------
    cells : sequence of Cell
    n_cases : mapping of str to int
        Cases by task.
    measured : mapping of (task, backbone, head, unfreeze, arm) to float
        Mean seconds of archived cells, divided by their training cases.
    device : str or None
        None if other machines, which are not asked, would do the work.
    jobs : int
        Workers that share the work.
    cache_bytes : int
        Largest set of activations kept for one feature pass.
    """
    import torch

    from .planning.estimate import estimate_seconds
    from .prepare import describe_caches

    caches = tuple(describe_caches(plan_units(cells), n_cases, cache_bytes))
    if device is None:
        return Forecast(caches=caches)

    def seconds(own: Sequence[Cell]) -> float:
        return estimate_seconds(own, n_cases, measured, device=torch.device(device), jobs=jobs)

    whole = seconds(cells)
    shares = {}
    for design in DESIGNS[1:]:
        others = [cell for cell in cells if cell.setting.design != design]
        if len(others) < len(cells):
            shares[design] = whole - seconds(others)
    return Forecast(caches=caches, seconds=whole, design_seconds=shares)
