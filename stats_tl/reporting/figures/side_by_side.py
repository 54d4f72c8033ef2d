"""Figures drawn in several processes."""

from __future__ import annotations

__all__ = ["render_side_by_side"]

import multiprocessing
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .style import render_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[], "Figure"]

#: What forked processes draw: they inherit it, for it need not be something that can be sent.
_waiting: Sequence[Draw] = ()


def render_side_by_side(draws: Sequence[Draw], jobs: int) -> list[dict[str, bytes]]:
    """As :func:`~stats_tl.reporting.figures.render_figure` of each, with the same bytes.

    Processes are forked, for one that begins anew would spend as long on its imports as on its
    figures. Where that is not possible (no Linux, or a worker is lost) they are drawn here, one
    after another.

    Parameters
    ----------
    draws : sequence of callable
        Each makes a figure.
    jobs : int
        Processes at most.
    """
    jobs = min(jobs, len(draws))
    if jobs > 1 and sys.platform == "linux":
        try:
            with _inherited(draws):
                context = multiprocessing.get_context("fork")
                with ProcessPoolExecutor(jobs, mp_context=context) as pool:
                    return list(pool.map(_render, range(len(draws))))
        except (BrokenProcessPool, OSError):
            pass
    return [render_figure(draw()) for draw in draws]


@contextmanager
def _inherited(draws: Sequence[Draw]) -> Iterator[None]:
    global _waiting
    _waiting = draws
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of every fork beside threads. Those here are pyarrow's, which
            # reads nothing in the meantime and is not used by what draws.
            warnings.filterwarnings(
                "ignore", "This process .* is multi-threaded", DeprecationWarning
            )
            yield
    finally:
        _waiting = ()


def _render(number: int) -> dict[str, bytes]:
    return render_figure(_waiting[number]())
