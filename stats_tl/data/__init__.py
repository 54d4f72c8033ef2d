"""Tasks: from what users have on disk to (case, patient, label, image).

:func:`load_dataset` dispatches on the adapter that the plan names; every adapter ends in
the same checks and the same :class:`Dataset`. ``docs/data.md`` shows the layouts.
"""

from __future__ import annotations

__all__ = ["Dataset", "across_partitions", "load_dataset"]

from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import UserError
from ..study.plan import Audit, Task
from .adapters.busbra import load_busbra
from .adapters.busi import load_busi
from .adapters.generic import load_csv, load_folders
from .adapters.medmnist import load_medmnist
from .adapters.mrnet import load_mrnet
from .adapters.phantom import load_phantom
from .adapters.radimagenet import load_radimagenet
from .audit import across_partitions
from .dataset import Dataset

_ADAPTERS: dict[str, Callable[[Task, Path | None, Audit], Dataset]] = {
    "phantom-breast": load_phantom,
    "phantom-knee": load_phantom,
    "busbra": load_busbra,
    "busi": load_busi,
    "radimagenet": load_radimagenet,
    "medmnist": load_medmnist,
    "mrnet": load_mrnet,
    "folders": load_folders,
    "csv": load_csv,
}
_EIGHT_BIT_ARRAYS = ("phantom-breast", "phantom-knee", "medmnist")
_DEFAULT_AUDIT = Audit()


def load_dataset(
    task: Task, path: Path | None, *, audit: Audit = _DEFAULT_AUDIT, sizes: Sequence[int] = ()
) -> Dataset:
    """The data set of a task.

    Parameters
    ----------
    task : Task
        A table of the plan; ``adapter`` says how the data lie on disk.
    path : Path or None
        Where they lie; None for the phantoms.
    audit : Audit
        With ``near_duplicates = "group"`` all images are read here, so that the column
        ``group`` of the cases joins the patients of near-duplicate images.
    sizes : sequence of int, optional
        Sizes that :meth:`Dataset.read_images` will be asked for; see :attr:`Dataset.sizes`.

    Returns
    -------
    Dataset
        Every file is known to exist; none has been decoded, except to group.

    Raises
    ------
    UserError
        Naming, all at once, missing files, contradictory labels, doubled ids, patients on
        two sides of the official folds; or the option that is wrong.

    Examples
    --------
    >>> task = Task(name="demo", adapter="phantom-breast", options={"n_patients": 20})
    >>> dataset = load_dataset(task, None)
    >>> dataset.synthetic, dataset.cases["patient"].nunique()
    (True, 20)
    >>> dataset.read_images(64).shape == (len(dataset), 1, 64, 64)
    True
    """
    if task.adapter in _EIGHT_BIT_ARRAYS:
        for key in ("intensity", "frames", "plane"):
            if getattr(task, key) != Task.model_fields[key].default:
                raise UserError(
                    f"task {task.name!r}: the images of adapter {task.adapter!r} are single ones "
                    f"of 8 bits, so `{key}` has no meaning; remove it"
                )
    return _ADAPTERS[task.adapter](task, path, audit).prepare(sizes)
