"""The data sets of a plan on their way to training: splits, tables of the archive, pseudonyms."""

from __future__ import annotations

__all__ = ["Identifiers", "archive_task", "hash_identifiers", "split_dataset", "split_digests"]

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..archive import Archive, ArchiveWriter
from ..archive.schema import split_name
from ..data import Dataset
from ..data.pseudonyms import pseudonymize, read_salt, salt_check
from ..errors import UserError
from ..study.cells import HALVING_REPEATS
from ..study.plan import Plan
from ..study.splits import PARTITIONS, partition_cases, partition_digest

#: Partition codes by design and repeat, each of shape (folds, n).
Partitions = dict[tuple[str, int], np.ndarray]


def split_dataset(plan: Plan, dataset: Dataset) -> Partitions:
    """Partition codes of a data set, checked: no patient on two sides."""
    if plan.cv.official_folds:
        dataset.check_official()
    repeats = {
        "cv": plan.cv.repeats,
        "half": plan.cv.learning_curve_repeats,
        "halving": HALVING_REPEATS * plan.cv.halvings,
    }
    return {
        (design, repeat): partition_cases(
            dataset.cases["y_true"].to_numpy(),
            dataset.cases["group"].to_numpy(),
            plan.cv,
            seed=plan.study.seed,
            repeat=repeat,
            task=dataset.name,
            official=dataset.official,
            design=design,
        )
        for design, number in repeats.items()
        for repeat in range(number)
    }


@dataclass(frozen=True)
class Identifiers:
    """What the archive says of the names of cases and patients, as JSON types.

    Attributes
    ----------
    record : dict
        ``kept``: ``"hashed"`` or as they were given; where hashed, how, and a check of the salt.
    """

    record: dict[str, Any]

    @property
    def hashed(self) -> bool:
        """True if names are pseudonyms."""
        return bool(self.record["kept"] == "hashed")


def hash_identifiers(
    datasets: dict[str, Dataset], archive: Archive | None, root: Path, salt_path: Path
) -> tuple[dict[str, Dataset], Identifiers]:
    """The data sets under salted names.

    Parameters
    ----------
    datasets : dict of str to Dataset
    archive : Archive or None
        Where it holds hashed names already, the salt has to be that of those.
    root : Path
        Folder of the archive.
    salt_path : Path
        File of the salt; made where nothing was hashed before.

    Raises
    ------
    UserError
        If the archive holds names as they were given, or was begun with another salt.
    """
    archived = () if archive is None else archive.tasks.values()
    named = [task.get("identifiers", {}) for task in archived]
    checks = {own["salt_check"] for own in named if own.get("kept") == "hashed"}
    begun = archive is not None and bool(archive.cell_ids)
    if begun and any(own.get("kept") != "hashed" for own in named):
        raise UserError(
            f"{root} holds identifiers as they were given, and the plan now asks for "
            "hashed ones (identifiers in [keep]); give the study another name"
        )
    salt = read_salt(salt_path, create=not (begun or checks))
    if checks and checks != {salt_check(salt)}:
        raise UserError(
            f"{salt_path} is another salt than the one that the archive's identifiers were hashed "
            "with; give that one with --salt"
        )
    hashed = {name: pseudonymize(dataset, salt) for name, dataset in datasets.items()}
    method = "HMAC-SHA256, first 20 hexadecimal digits"
    return hashed, Identifiers({"kept": "hashed", "method": method, "salt_check": salt_check(salt)})


def split_digests(dataset: Dataset, partitions: Partitions) -> dict[str, str]:
    """SHA-256 of every split, by its name."""
    return {
        split_name(repeat, fold, design): partition_digest(dataset.cases["case"], partition)
        for (design, repeat), folds in partitions.items()
        for fold, partition in enumerate(folds)
    }


def archive_task(
    writer: ArchiveWriter,
    dataset: Dataset,
    partitions: Partitions,
    audit: dict[str, Any],
    identifiers: Identifiers,
) -> None:
    """Write a data set's description, cases and splits, or compare them with the archived ones.

    Parameters
    ----------
    writer : ArchiveWriter
    dataset : Dataset
    partitions : dict of (str, int) to ndarray of shape (folds, n)
        From :func:`split_dataset`.
    audit : dict
        From :func:`stats_tl.data.leakage.audit_duplicates`.
    identifiers : Identifiers
    """
    cases = dataset.cases["case"]
    digests = split_digests(dataset, partitions)
    frames = []
    for (design, repeat), folds in partitions.items():
        for fold, partition in enumerate(folds):
            names = pd.Series(partition).map({**PARTITIONS, -1: "unused"})
            own = {"design": design, "repeat": repeat, "fold": fold}
            frames.append(pd.DataFrame({**own, "case": cases, "partition": names}))
    splits = pd.concat(frames, ignore_index=True)
    splits = splits.astype(
        {"repeat": "int32", "fold": "int32"}
        | dict.fromkeys(("design", "case", "partition"), "category")
    )
    description = {
        "description": dataset.description,
        "synthetic": dataset.synthetic,
        "patients_known": dataset.patients_known,
        "labels_sha256": dataset.labels_sha256,
        "images_sha256": dataset.images_sha256,
        "splits_sha256": digests,
        "near_duplicates": audit,
        "identifiers": identifiers.record,
    }
    archived = dataset.cases
    if identifiers.hashed:  # the order of rows must not be that of the names
        archived = archived.sort_values("case", ignore_index=True)
        splits = splits.sort_values(["design", "repeat", "fold", "case"], ignore_index=True)
    writer.write_task(dataset.name, description, archived, splits)
