"""MedMNIST: one ``.npz`` file with the arrays of a published train/validation/test split.

References
----------
.. [1] J. Yang et al. (2023). MedMNIST v2: a large-scale lightweight benchmark for 2D and 3D
   biomedical image classification. Scientific Data 10, 41. doi:10.1038/s41597-022-01721-8
"""

from __future__ import annotations

__all__ = ["load_medmnist"]

import math
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import UserError
from ...study.plan import Audit, Task
from ...study.splits import TEST, TRAIN, VALIDATION
from ..dataset import Dataset, build_dataset
from ..images import ArrayImages
from ..labels import binary_labels
from ..options import Option, read_options

SPLITS = {"train": TRAIN, "val": VALIDATION, "test": TEST}
MAX_BYTES = 4 * 2**30
_CLASSES = (str, int, list)


def load_medmnist(task: Task, path: Path | None, audit: Audit) -> Dataset:
    """The task from ``<name>.npz``.

    Notes
    -----
    Options ``positive`` (required: MedMNIST numbers its classes freely; in BreastMNIST 0 is
    malignant), ``negative`` and ``exclude``: class numbers. The published split becomes one
    official fold. There are no patient ids: every image is its own patient.
    """
    where = f"task {task.name!r}"
    options = read_options(
        task, *(Option(name, _CLASSES) for name in ("positive", "negative", "exclude"))
    )
    if path is None or not path.is_file():
        raise UserError(f"{where}: needs `path`, a MedMNIST file such as breastmnist_224.npz")
    arrays = _read_npz(path, where)
    labels, images, split, cases = [], [], [], []
    for name, code in SPLITS.items():
        pixels, label = arrays[f"{name}_images"], arrays[f"{name}_labels"]
        label = label[:, 0] if label.ndim == 2 and label.shape[1] == 1 else label
        if label.ndim != 1 or len(label) != len(pixels):
            raise UserError(
                f"{where}: {path.name}: `{name}_labels` has shape {arrays[f'{name}_labels'].shape} "
                f"for {len(pixels)} images; one class an image is expected (multi-label sets, such "
                "as ChestMNIST, have no single reference standard)"
            )
        images.append(pixels)
        labels += label.tolist()
        split += [code] * len(pixels)
        cases += [f"{name}_{index:06d}" for index in range(len(pixels))]
    if len({array.shape[1:] for array in images}) != 1:
        raise UserError(f"{where}: {path.name}: the images of the three parts differ in size")
    if options["positive"] is None:
        found = ", ".join(map(str, sorted(set(labels))[:20]))
        raise UserError(
            f"{where}: set `positive` in options to the class number (or a list of them) that "
            f"counts as positive; found {found} (in BreastMNIST 0 is malignant)"
        )
    table = pd.DataFrame({"case": cases, "patient": cases})
    table["y_true"] = binary_labels(labels, cases, where=where, **options)
    return build_dataset(
        task.name,
        table,
        ArrayImages(np.concatenate(images), path.name),
        description=(
            f"MedMNIST, {path.stem}, classes {options['positive']} against the other; patients "
            "unknown, every image counts as its own patient (Yang et al., Scientific Data 2023, "
            "doi:10.1038/s41597-022-01721-8)."
        ),
        audit=audit,
        official=np.array([split], dtype=np.int8),
    )


def _read_npz(path: Path, where: str) -> dict[str, np.ndarray]:
    """The six arrays; headers are checked before anything of their size is allocated."""
    arrays: dict[str, np.ndarray] = {}
    total = 0
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            for key in (f"{split}_{what}" for split in SPLITS for what in ("images", "labels")):
                if f"{key}.npy" not in names:
                    raise UserError(f"{where}: {path.name} has no array `{key}`; is it MedMNIST?")
                with archive.open(f"{key}.npy") as file:
                    version = np.lib.format.read_magic(file)
                    read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
                    shape, fortran, dtype = read(file)
                    images = key.endswith("images")
                    wanted = dtype == np.uint8 if images else dtype.kind in "iu"
                    colour = len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)
                    if not wanted or fortran or (images and not (colour and 0 not in shape)):
                        raise UserError(
                            f"{where}: {path.name}: `{key}` is {dtype} of shape {shape}; expected "
                            + ("uint8 (n, h, w) or (n, h, w, 3)" if images else "integers (n, 1)")
                        )
                    size = math.prod(shape) * dtype.itemsize
                    total += size
                    if total > MAX_BYTES or size > archive.getinfo(f"{key}.npy").file_size:
                        raise UserError(
                            f"{where}: {path.name}: `{key}` claims {size:,} bytes, more than the "
                            f"file holds or than the limit of {MAX_BYTES:,}"
                        )
                    data = file.read(size)
                    arrays[key] = np.frombuffer(data, dtype=dtype).reshape(shape)
    except UserError:
        raise
    except Exception as error:  # a damaged zip or header raises nearly anything
        raise UserError(f"{where}: {path} is not a readable .npz file ({error})") from error
    return arrays
