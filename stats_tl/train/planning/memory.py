"""Whether images and heads of a grid have room in the memory there is, known beforehand."""

from __future__ import annotations

__all__ = [
    "HeadNeed",
    "check_images",
    "check_memory",
    "describe_memory",
    "format_bytes",
    "largest_head",
    "reduce_jobs",
]

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...errors import UserError
from ...study.cells import Cell
from ..machine.resources import available_memory, worker_memory
from ..networks.backbones import feature_count
from ..networks.heads import head_memory, head_parameter_count


class HeadNeed(NamedTuple):
    """Bytes that training a head takes, and which head it is."""

    size: int
    head: str
    backbone: str
    parameters: int


def largest_head(cells: Iterable[Cell]) -> HeadNeed:
    """The head among `cells` that takes most memory to train."""
    configurations = {
        (s.head.name, s.backbone, s.training.batch_size, s.training.optimizer): s
        for s in (cell.setting for cell in cells)
    }
    return max(
        HeadNeed(
            head_memory(
                s.head,
                feature_count(s.backbone),
                batch_size=s.training.batch_size,
                optimizer=s.training.optimizer,
            ),
            s.head.name,
            s.backbone,
            head_parameter_count(s.head, feature_count(s.backbone)),
        )
        for s in configurations.values()
    )


def reduce_jobs(need: HeadNeed, device: str, jobs: int) -> int:
    """As many of `jobs` workers as can train such heads side by side, at least one."""
    while jobs > 1 and worker_memory(device, jobs) < need.size:
        jobs -= 1
    return jobs


def check_memory(need: HeadNeed, device: str, jobs: int) -> None:
    """Refuse a head that no worker could train.

    Raises
    ------
    UserError
        With its size.
    """
    share = worker_memory(device, jobs)
    if need.size <= share:
        return
    each = f"each of {jobs} processes" if jobs > 1 else "a process"
    fewer = "fewer --jobs, " if jobs > 1 else ""
    raise UserError(
        f"head {need.head!r} on {need.backbone} has {need.parameters:,} parameters and needs "
        f"{need.size / 2**30:.1f} GiB to train; {each} has {share / 2**30:.1f} GiB. Use {fewer}a "
        "larger machine, or a head with fewer filters"
    )


def check_images(n_cases: Mapping[str, int], sizes: Mapping[str, Sequence[int]]) -> None:
    """Refuse images that have no room in memory, before the first is read.

    Parameters
    ----------
    n_cases : mapping of str to int
        Images by task.
    sizes : mapping of str to sequence of int
        Pixels a side, by task; all are kept until they are handed to the workers.

    Raises
    ------
    UserError
        With what they take, counted as grey.
    """
    needs = _pixel_bytes(n_cases, sizes)
    need, available = sum(needs.values()), available_memory()
    if need <= available:
        return
    name, size = max(needs, key=needs.__getitem__)
    raise UserError(
        f"the images take {need / 2**30:.1f} GiB or more as pixels, most of it the "
        f"{n_cases[name]:,} of task {name!r} with {size} pixels a side; "
        f"{available / 2**30:.1f} GiB of memory are free. Use a smaller image_size, train one task "
        "after the other (--select task=...), or take a larger machine"
    )


def describe_memory(
    n_cases: Mapping[str, int],
    sizes: Mapping[str, Sequence[int]],
    need: HeadNeed | None,
    device: str,
    jobs: int,
) -> str:
    """What images and heads take, beside what there is.

    Parameters
    ----------
    n_cases, sizes
        As in :func:`check_images`.
    need : HeadNeed or None
        The head that takes most; None if other machines train it.
    device : str
    jobs : int
    """
    pixels = sum(_pixel_bytes(n_cases, sizes).values())
    parts = [f"{format_bytes(pixels)} for the images as pixels (thrice that in colour)"]
    free = available_memory()
    if need is not None:
        parts.append(
            f"{format_bytes(need.size)} to train the largest head ({need.head} on {need.backbone})"
            + (f" in each of {jobs} processes" if jobs > 1 else "")
            + (f", where {format_bytes(worker_memory(device, jobs))} are free" * (device != "cpu"))
        )
    return f"memory: {', '.join(parts)}; {format_bytes(free)} are free"


def format_bytes(size: int) -> str:
    """``3.7 MiB``, ``12 GiB``."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20)):
        if size >= scale:
            value = size / scale
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{max(1, round(size / 1024))} KiB"


def _pixel_bytes(
    n_cases: Mapping[str, int], sizes: Mapping[str, Sequence[int]]
) -> dict[tuple[str, int], int]:
    """Bytes of every set of pixels, counted as grey."""
    return {(name, size): n_cases[name] * size**2 for name, own in sizes.items() for size in own}
