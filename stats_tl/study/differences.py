"""What differs between two plans, as lines that a person can read."""

from __future__ import annotations

__all__ = ["describe_difference", "plan_differences", "same_plan"]

from collections.abc import Mapping
from typing import Any

from .labels import plan_labels, without_labels


def _science(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan without labels and without the names of files, which change no result."""
    plan = without_labels(plan)
    tasks = [{k: v for k, v in task.items() if k != "path"} for task in plan["tasks"]]
    arms = [{k: v for k, v in arm.items() if k != "files"} for arm in plan["arms"]]
    return {**plan, "tasks": tasks, "arms": arms}


def plan_differences(archived: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Lines that name what differs between two plans, names of files and labels aside."""
    return describe_difference(_science(archived), _science(given))


def same_plan(archived: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether nothing differs, labels included; names of files aside."""
    return not plan_differences(archived, given) and plan_labels(archived) == plan_labels(given)


def describe_difference(old: Any, new: Any, where: str = "") -> list[str]:
    """Lines that name each key in which two nested plans differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        lines = []
        for key in sorted({*old, *new}):
            place = f"{where}.{key}" if where else str(key)
            if key not in old or key not in new:
                side = "archived" if key in old else "given"
                value = old.get(key, new.get(key))
                lines.append(f"{place}: only in the {side} plan ({value!r})")
            else:
                lines += describe_difference(old[key], new[key], place)
        return lines
    if isinstance(old, list) and isinstance(new, list):
        named_old, named_new = _by_name(old), _by_name(new)
        if named_old is not None and named_new is not None:
            return describe_difference(named_old, named_new, where)
    if old != new:
        return [f"{where}: archived {old!r}, given {new!r}"]
    return []


def _by_name(entries: list[Any]) -> dict[str, Any] | None:
    """A list of named tables as a mapping; other lists by position."""
    if not all(isinstance(entry, Mapping) for entry in entries):
        return None
    return {str(entry.get("name", index + 1)): entry for index, entry in enumerate(entries)}
