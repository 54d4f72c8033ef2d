"""Where and how a plan is run: what the command line says, apart from the plan."""

from __future__ import annotations

__all__ = ["GridOptions"]

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class GridOptions:
    """Where and how to run; nothing here changes a result by more than rounding.

    Attributes
    ----------
    runs : Path
        Folder of the archives.
    base : Path
        Folder that relative paths of the plan start from.
    weights : Path or None
        Folder that relative weight files start from; `base` where None.
    data : dict of str to Path
        Paths of tasks given on the command line.
    select : dict of str to set of str
        Cells to run, by key.
    fewer_jobs : bool
        Use fewer than `jobs` where memory would not suffice for so many.
    cache_bytes : int
        Activations of a feature pass that are kept at most.
    """

    runs: Path
    base: Path
    weights: Path | None = None
    data: dict[str, Path] = field(default_factory=dict)
    select: dict[str, set[str]] = field(default_factory=dict)
    resume: bool = True
    extend: bool = False
    retry_failed: bool = False
    device: str = "cpu"
    jobs: int = 1
    fewer_jobs: bool = False
    backend: str = "loky"
    scheduler_address: str | None = None
    salt: Path | None = None
    cache_bytes: int = 4 * 2**30
    compiled: bool = False

    @property
    def weights_base(self) -> Path:
        """Folder that relative weight files start from."""
        return self.weights if self.weights is not None else self.base

    @property
    def elsewhere(self) -> bool:
        """True if other machines do the work."""
        return self.scheduler_address is not None
