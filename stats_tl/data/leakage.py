"""Near-duplicate images against splits: what an archive records and a user is told."""

from __future__ import annotations

__all__ = ["audit_duplicates", "describe_duplicates"]

from collections.abc import Mapping
from typing import Any

import numpy as np

from .audit import across_partitions
from .dataset import Dataset


def audit_duplicates(dataset: Dataset, partitions: Mapping[Any, np.ndarray]) -> dict[str, Any]:
    """Near-duplicate images, and how many pairs a split puts on two sides.

    Parameters
    ----------
    dataset : Dataset
    partitions : mapping to ndarray of shape (folds, n)
        Partition codes of every repeat.

    Returns
    -------
    dict
        ``pairs``, ``between_patients`` (None where patients are unknown) and
        ``across_partitions`` (numbers of pairs), ``cases`` (all that are of a pair on two sides
        of a split, sorted), and ``examples`` (up to twenty such pairs, with their distance in
        bits).
    """
    pairs = dataset.near_duplicates
    splits = np.concatenate(list(partitions.values()))
    straddling = across_partitions(pairs, splits, dataset.cases["case"])
    straddling = straddling.drop_duplicates(["case_a", "case_b"])
    shown = straddling[["case_a", "case_b", "distance"]].head(20)
    between = int((~pairs["same_patient"].astype(bool)).sum())
    return {
        "pairs": len(pairs),
        "between_patients": between if dataset.patients_known else None,
        "across_partitions": len(straddling),
        "cases": sorted({str(case) for case in straddling[["case_a", "case_b"]].to_numpy().flat}),
        "examples": [[a, b, int(d)] for a, b, d in shown.itertuples(index=False)],
    }


def describe_duplicates(audit: dict[str, Any]) -> str:
    """The audit in a sentence."""
    between = audit["between_patients"]
    people = "" if between is None else f", {between} of them between patients"
    pairs = f"{audit['pairs']} pair{'s' * (audit['pairs'] != 1)}"
    return (
        f"{pairs} of near-duplicate images{people}; {audit['across_partitions']} "
        f"{'lies' if audit['across_partitions'] == 1 else 'lie'} on two sides of a split"
        + (
            ' (near_duplicates = "group" in [audit] keeps them together)'
            if audit["across_partitions"]
            else ""
        )
    )
