"""How a plan wants files read: which frame, in which plane, between which grey levels."""

from __future__ import annotations

__all__ = ["MAX_PIXELS", "Reading", "UnreadableImageError", "check_size", "choose_frame"]

from dataclasses import dataclass, field

from ...study.plan import Intensity, Task

MAX_PIXELS = 64 * 2**20


class UnreadableImageError(ValueError):
    """An image that cannot be used; the message says why."""


@dataclass(frozen=True)
class Reading:
    """The keys of a task that say how its files become images.

    Attributes
    ----------
    intensity : Intensity
        Which samples become black and white.
    frames : int or str
        Of a file with several images: ``one`` (refuse it), ``middle``, ``all``, or the
        number of one, counted from 1.
    plane : str or None
        Of a NIfTI volume: ``axial``, ``coronal`` or ``sagittal``.
    """

    intensity: Intensity = field(default_factory=Intensity)
    frames: int | str = "one"
    plane: str | None = None

    @classmethod
    def of(cls, task: Task) -> Reading:
        """What the plan says for `task`."""
        return cls(task.intensity or Intensity(), task.frames, task.plane)


def check_size(width: int, height: int) -> None:
    """Refuse more pixels than one image may have, before any of them is decoded."""
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(
            f"{width:,} x {height:,} pixels, more than the limit of {MAX_PIXELS:,}"
        )


def choose_frame(count: int, reading: Reading, frame: int | None = None) -> int:
    """The position, from 0, of the image to use of a file that holds `count`.

    Parameters
    ----------
    count : int
    reading : Reading
    frame : int, optional
        The position, where all images of a file are cases of their own.

    Raises
    ------
    UnreadableImageError
        If the plan does not say which, or there is no such frame.
    """
    if frame is None:
        wanted = reading.frames
        if wanted == "middle":
            return count // 2
        frame = wanted - 1 if isinstance(wanted, int) else 0
        if count > 1 and wanted == "one":
            raise UnreadableImageError(
                f'{count:,} frames; expected a single image, or `frames` = "middle", "all" or a '
                "number in the task"
            )
    if not 0 <= frame < count:
        raise UnreadableImageError(f"has no frame {frame + 1}: it holds {count:,}")
    return frame
