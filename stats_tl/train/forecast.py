"""What training cells would take: time, and room for what is kept of the frozen stages."""

from __future__ import annotations

__all__ = ["Forecast", "forecast_cells"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..study.cells import Cell
from .planning.units import plan_units


@dataclass(frozen=True)
class Forecast:
    """What a run of the pending cells would keep, and how long it would take.

    Attributes
    ----------
    problem : str
        Why the plan would not run here; empty if nothing is known against it.
    caches : tuple of str
        Sentences on what is kept of the frozen stages.
    seconds : float or None
        Wall time; None where other machines would do the work.
    half_seconds : float or None
        The share of the extra two-fold repeats; None where there are none.
    """

    problem: str = ""
    caches: tuple[str, ...] = ()
    seconds: float | None = None
    half_seconds: float | None = None


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
    others = [cell for cell in cells if cell.setting.design != "half"]
    half = whole - seconds(others) if len(others) < len(cells) else None
    return Forecast(caches=caches, seconds=whole, half_seconds=half)
