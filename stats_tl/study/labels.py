"""What readers see in place of the names of a plan: taken out, left out, read from a file.

Labels are presentation only. No identifier of a cell, no digest and no comparison of plans
depends on them, so that a study can be labelled after it was run.
"""

from __future__ import annotations

__all__ = ["plan_labels", "read_labels", "without_labels"]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import UserError
from ..schema import explain
from ..toml import read_toml
from .plan import LabelTable

#: Tables of a plan whose entries have a `label`.
_TABLES = ("tasks", "arms", "heads")


def plan_labels(plan: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The labels that a plan gives.

    Parameters
    ----------
    plan : mapping
        As from :meth:`~stats_tl.study.plan.Plan.portable`; may lack any of its tables.

    Returns
    -------
    dict
        ``tasks``, ``arms``, ``backbones``, ``heads``, ``unfreeze`` and ``covariates``, each a
        mapping of names to labels; kinds without labels are left out.

    Examples
    --------
    >>> plan_labels({"arms": [{"name": "rin", "label": "RadImageNet"}]})
    {'arms': {'rin': 'RadImageNet'}}
    """
    found: dict[str, dict[str, str]] = {
        table: {
            entry["name"]: entry["label"] for entry in plan.get(table, []) if entry.get("label")
        }
        for table in _TABLES
    }
    for kind, names in plan.get("labels", {}).items():
        found[kind] = {**found.get(kind, {}), **names}
    return {kind: names for kind, names in found.items() if names}


def without_labels(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan without its labels."""
    bare = {key: value for key, value in plan.items() if key != "labels"}
    for table in _TABLES:
        if table in bare:
            bare[table] = [
                {key: value for key, value in entry.items() if key != "label"}
                for entry in bare[table]
            ]
    return bare


def read_labels(path: str | Path) -> dict[str, dict[str, str]]:
    """The labels in a TOML file: ``[labels]``, and `label` of its tasks, arms and heads.

    Parameters
    ----------
    path : path-like
        A study plan, an analysis plan, or a file with nothing but ``[labels]``.

    Raises
    ------
    UserError
        If the file cannot be read, is not TOML, or a label is not valid.
    """
    path = Path(path)
    content, _ = read_toml(path, "the labels in")
    try:
        labels = plan_labels(content)
        LabelTable.model_validate_json(json.dumps(labels, default=str))
    except ValidationError as error:
        problems = explain(error, labels, LabelTable, table="labels")
        raise UserError(f"{path}: " + "; ".join(problems)) from None
    except (AttributeError, KeyError, TypeError):
        raise UserError(
            f"{path}: expected [labels.arms], [labels.tasks] and the like, each with "
            'lines such as resnet50 = "ResNet-50"'
        ) from None
    return labels
