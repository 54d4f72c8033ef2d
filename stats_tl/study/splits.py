"""Splits: repeated stratified group k-fold with a grouped inner validation set.

A split gives each case a partition: training, validation (choosing the epoch and
the threshold) or test. All images of a group, that is of a patient, go to one
partition. Groups are dealt greedily, largest first, to the part that keeps the
classes' shares nearest to their targets; among groups of one size the order is that
of a cryptographic hash of seed and group. So a split depends on the seed, the names
of the groups and their labels only: not on the order of rows, nor on the version of
a random number generator.
"""

from __future__ import annotations

__all__ = [
    "PARTITIONS",
    "TEST",
    "TRAIN",
    "UNUSED",
    "VALIDATION",
    "check_partition",
    "count_partition",
    "partition_cases",
    "partition_digest",
    "stratified_group_deal",
]

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UserError
from .cells import HALVING_REPEATS, derive_seed
from .plan import CrossValidation

UNUSED, TRAIN, VALIDATION, TEST = -1, 0, 1, 2
PARTITIONS = {TRAIN: "train", VALIDATION: "validation", TEST: "test"}
_KIND_OF_REPEAT = {"cv": "repeat", "half": "half-sample repeat", "halving": "halving repeat"}


def partition_cases(
    y_true: npt.ArrayLike,
    groups: npt.ArrayLike,
    cv: CrossValidation,
    *,
    seed: int,
    repeat: int,
    task: str = "",
    official: npt.NDArray[np.int8] | None = None,
    design: str = "cv",
) -> npt.NDArray[np.int8]:
    """Partition of every case in every fold of one repeat.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Reference standard, 0 or 1.
    groups : array_like of shape (n,)
        Group (patient) of each case.
    cv : CrossValidation
        Numbers of folds and share of validation.
    seed : int
        Root seed of the study.
    repeat : int
        Which cross-validation. With ``cv.official_folds``, repeat 0 is the published one.
    task : str, optional
        Name of the task; part of the seed and of the error messages.
    official : ndarray of shape (folds, n), optional
        Published partitions. Where they name no validation cases, these are taken from
        the training part as for our own folds.
    design : {"cv", "half", "halving"}, optional
        "half": an extra repeat of two-fold cross-validation, with our own folds whatever `cv`
        says of their number and origin. "halving": repeat ``repeat % 2`` of halving
        ``repeat // 2``, with our own folds; folds 0 to K - 1 divide the first half of the
        patients, K to 2K - 1 the second, and the other half is `UNUSED`.

    Returns
    -------
    ndarray of shape (folds, n), dtype int8
        `TRAIN`, `VALIDATION`, `TEST`, or `UNUSED` where a published fold leaves a case out, or
        it is of the other half. Two rows for "half", 2K for "halving".

    Raises
    ------
    UserError
        If a partition would lack a class, a group would lie on two sides, or the
        published folds are missing or of another number, or halves would be too small.
    """
    y_true = np.asarray(y_true)
    groups = np.asarray(groups).astype(str)
    label = () if design == "cv" else (design,)
    if design == "half":
        cv = cv.model_copy(update={"folds": 2, "official_folds": False})
    if design == "halving":
        partitions = _halving_folds(y_true, groups, cv, seed=seed, repeat=repeat, task=task)
    elif cv.official_folds and repeat == 0:
        if official is None:
            raise UserError(
                f"task {task!r} has no published folds, but [cv] official_folds = true; "
                "set it to false, or give the data set's fold files"
            )
        if len(official) != cv.folds:
            raise UserError(
                f"task {task!r} has {len(official)} published folds, but [cv] folds = {cv.folds}; "
                f"set folds = {len(official)}"
            )
        partitions = official.astype(np.int8, copy=True)
    else:
        fold_of_case = stratified_group_deal(
            y_true, groups, np.full(cv.folds, 1 / cv.folds),
            seed=derive_seed(seed, "folds", task, repeat, *label),
        )  # fmt: skip
        partitions = np.where(fold_of_case == np.arange(cv.folds)[:, None], TEST, TRAIN)
        partitions = partitions.astype(np.int8)
    for fold, partition in enumerate(partitions):
        if not np.any(partition == VALIDATION):
            rest = np.flatnonzero(partition == TRAIN)
            share = np.array([1 - cv.validation_share, cv.validation_share])
            part = stratified_group_deal(
                y_true[rest], groups[rest], share,
                seed=derive_seed(seed, "validation", task, repeat, fold, *label),
            )  # fmt: skip
            partition[rest[part == 1]] = VALIDATION
        name = f"{_KIND_OF_REPEAT[design]} {repeat}"
        check_partition(partition, y_true, groups, where=f"task {task!r}, {name}, fold {fold}")
    return partitions


def _halving_folds(
    y_true: npt.NDArray[Any],
    groups: npt.NDArray[Any],
    cv: CrossValidation,
    *,
    seed: int,
    repeat: int,
    task: str,
) -> npt.NDArray[np.int8]:
    """Test and training parts of one repeat of a halving, before validation is taken."""
    # With two folds, one fold must hold both a training and a validation patient.
    least = 2 * max(cv.folds, 4 if cv.folds == 2 else 3)
    found = [len(np.unique(groups[y_true == label])) for label in (1, 0)]
    if min(found) < least:
        raise UserError(
            f"task {task!r}: [cv] halvings with folds = {cv.folds} needs at least {least} patients "
            f"with a positive and {least} with a negative case, as each half is cross-validated by "
            f"itself; found {found[0]} and {found[1]}. Use fewer folds, or halvings = 0"
        )
    halving = repeat // HALVING_REPEATS
    half_of_case = stratified_group_deal(
        y_true, groups, np.full(2, 1 / 2), seed=derive_seed(seed, "halving", task, halving)
    )
    partitions = np.full((2 * cv.folds, len(y_true)), UNUSED, dtype=np.int8)
    for half in range(2):
        own = np.flatnonzero(half_of_case == half)
        fold_of_case = stratified_group_deal(
            y_true[own], groups[own], np.full(cv.folds, 1 / cv.folds),
            seed=derive_seed(seed, "folds", task, repeat, "halving", half),
        )  # fmt: skip
        for fold in range(cv.folds):
            partitions[half * cv.folds + fold, own] = np.where(fold_of_case == fold, TEST, TRAIN)
    return partitions


def stratified_group_deal(
    y_true: npt.ArrayLike, groups: npt.ArrayLike, shares: npt.ArrayLike, *, seed: int
) -> npt.NDArray[np.intp]:
    """Deal groups to parts of given shares so that each part has its share of each class.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Class of each case, 0 or 1.
    groups : array_like of shape (n,)
        Group of each case; a group is never divided.
    shares : array_like of shape (parts,)
        Target share of each part; they sum to one.
    seed : int
        Another seed gives another deal.

    Returns
    -------
    ndarray of shape (n,)
        Index of the part of each case.

    Notes
    -----
    Groups are taken in decreasing size, in hashed order among equals, and each goes
    to the part where it least increases ``sum_c load_c**2 / (share * total_c**2)``,
    whose minimum is reached when every part has its share of every class `c`. Where a
    class has few groups, a part may still be left without it; then the smallest group
    that another part can spare is moved there.

    Examples
    --------
    >>> part = stratified_group_deal([0, 0, 0, 1, 1, 0], list("aabbcd"), [0.5, 0.5], seed=1)
    >>> bool(part[0] == part[1] and part[2] == part[3])
    True
    """
    y_true = np.asarray(y_true).astype(np.intp)
    shares = np.asarray(shares, dtype=float)
    names, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    counts = np.zeros((len(names), 2), dtype=np.intp)
    np.add.at(counts, (code, y_true), 1)
    totals = np.maximum(counts.sum(axis=0), 1)
    order = sorted(
        range(len(names)),
        key=lambda g: (-counts[g].sum(), hashlib.sha256(f"{seed}|{names[g]}".encode()).digest()),
    )
    weight = [[1 / (share * total**2) for total in totals] for share in shares]
    load = [[0, 0] for _ in shares]
    part_of_group = np.zeros(len(names), dtype=np.intp)
    for group in order:
        negatives, positives = counts[group].tolist()

        def increase(part: int, negatives: int = negatives, positives: int = positives) -> float:
            own, factor = load[part], weight[part]
            return float(
                (2 * own[0] + negatives) * negatives * factor[0]
                + (2 * own[1] + positives) * positives * factor[1]
            )

        best = min(range(len(load)), key=increase)
        part_of_group[group] = best
        load[best][0] += negatives
        load[best][1] += positives
    _give_every_part_both_classes(part_of_group, counts, order, len(shares))
    return part_of_group[code]


def _give_every_part_both_classes(
    part_of_group: npt.NDArray[np.intp],
    counts: npt.NDArray[np.intp],
    order: list[int],
    n_parts: int,
) -> None:
    """Move the smallest groups that can be spared to parts that lack a class, in place."""
    for part in range(n_parts):
        for label in (0, 1):
            if counts[part_of_group == part, label].any():
                continue
            for group in reversed(order):
                rest = part_of_group == part_of_group[group]
                rest[group] = False
                if counts[group, label] and counts[rest].any(axis=0).all():
                    part_of_group[group] = part
                    break


def check_partition(
    partition: npt.NDArray[np.int8],
    y_true: npt.NDArray[Any],
    groups: npt.NDArray[Any],
    *,
    where: str,
) -> None:
    """Raise UserError if a group lies on two sides or a partition lacks a class."""
    groups = np.asarray(groups).astype(str)
    used = partition != UNUSED
    pairs = np.unique(np.stack([groups[used], partition[used].astype(str)]), axis=1)
    names, sides = np.unique(pairs[0], return_counts=True)
    torn = names[sides > 1]
    if len(torn):
        shown = ", ".join(torn[:10]) + (", ..." if len(torn) > 10 else "")
        raise UserError(
            f"{where}: {len(torn)} patient(s) lie on more than one side of the split: {shown}; "
            "every image of a patient must be in one partition"
        )
    for code, name in PARTITIONS.items():
        positives = int(np.sum(y_true[partition == code] == 1))
        negatives = int(np.sum(y_true[partition == code] == 0))
        if positives == 0 or negatives == 0:
            raise UserError(
                f"{where}: the {name} part has {positives} positive and {negatives} negative "
                "cases; both classes are needed. Use fewer folds, another validation_share, "
                f"or more patients (positives in all: {int(np.sum(y_true == 1))})"
            )


def partition_digest(cases: npt.ArrayLike, partition: npt.NDArray[np.int8]) -> str:
    """SHA-256 of who is where, independent of the order of rows."""
    lines = sorted(
        f"{case}\t{int(code)}" for case, code in zip(np.asarray(cases), partition, strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def count_partition(
    partition: npt.NDArray[np.int8], y_true: npt.NDArray[Any], patients: npt.NDArray[Any]
) -> dict[str, dict[str, int]]:
    """Patients, cases and events (positive cases) of each partition."""
    counts = {}
    for code, name in PARTITIONS.items():
        inside = partition == code
        counts[name] = {
            "patients": len(np.unique(np.asarray(patients)[inside])),
            "cases": int(inside.sum()),
            "events": int(np.sum(np.asarray(y_true)[inside])),
        }
    return counts
