"""Reading a plan: every problem of the file at once, in the user's words.

A problem names the key, the value, what is allowed and the nearest spelling.
"""

from __future__ import annotations

__all__ = ["load_plan", "parse_plan"]

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import UserError, suggest
from ..schema import explain
from ..toml import read_toml
from .plan import FEWEST_HALVINGS, STAGE_COUNTS, GridBlock, Plan, Training

#: Names of devices, which are no names of files on Windows, with any suffix.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def load_plan(path: str | Path) -> Plan:
    """Read and validate a plan.

    Parameters
    ----------
    path : path-like
        A TOML file.

    Returns
    -------
    Plan

    Raises
    ------
    UserError
        If the file cannot be read, is not TOML, or is not a valid plan; the
        message lists every problem.
    """
    path = Path(path)
    raw, _ = read_toml(path, "the plan")
    return parse_plan(raw, source=str(path))


def parse_plan(raw: dict[str, Any], *, source: str = "plan") -> Plan:
    """Validate a plan given as nested dictionaries; `source` opens the error message."""
    problems: list[str] = []
    plan = None
    try:
        # Through JSON, because only there does pydantic's strict mode read arrays as tuples.
        plan = Plan.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        problems = list(explain(error, raw, Plan))
    except (RecursionError, ValueError) as error:
        problems = [str(error)]
    if plan is not None:
        problems = list(_inconsistencies(plan))
    if problems or plan is None:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise UserError(f"{source} is not a valid plan:\n{listed}")
    return plan


def _inconsistencies(plan: Plan) -> Iterator[str]:
    """What no single table can know."""
    known = {
        "tasks": [task.name for task in plan.tasks],
        "arms": [arm.name for arm in plan.arms],
        "heads": list(plan.all_heads),
    }
    yield from _in_names(plan)
    yield from _in_cross_validation(plan)
    for number, block in enumerate(plan.grid, 1):
        where = f"[[grid]] number {number}"
        yield from _in_block(plan, block, known, where)
        yield from _in_training(plan, block, where)
    yield from _in_primary(plan, known)


def _in_names(plan: Plan) -> Iterator[str]:
    """Names that occur twice, and arms without one reference."""
    for table, entries in (("tasks", plan.tasks), ("arms", plan.arms), ("heads", plan.heads)):
        for name, count in Counter(entry.name for entry in entries).items():
            if count > 1:
                yield f"[[{table}]]: {count} entries have the name {name!r}; names must differ"
    yield from _in_file_names(plan)
    references = _references(plan)
    if len(references) != 1:
        given = ", ".join(map(repr, references)) or "none"
        yield f"[[arms]]: exactly one arm needs reference = true, got {given}"


def _in_file_names(plan: Plan) -> Iterator[str]:
    """Names of studies and tasks, which are those of files, that not every system tells apart."""
    names = [task.name for task in plan.tasks]
    for where, name in (("[study]", plan.study.name), *(("[[tasks]]", name) for name in names)):
        if _RESERVED.fullmatch(name) or name.endswith("."):
            yield (
                f"{where}: no file can have the name {name!r} on Windows; choose another, for "
                f"example {'my_' + name.rstrip('.')!r}"
            )
    spelt: dict[str, str] = {}
    for name in names:
        other = spelt.setdefault(name.casefold(), name)
        if other != name:
            yield (
                f"[[tasks]]: the names {other!r} and {name!r} differ in case only, and would be "
                "one file on Windows and macOS; give one another name"
            )


def _references(plan: Plan) -> list[str]:
    return [arm.name for arm in plan.arms if arm.reference]


def _in_cross_validation(plan: Plan) -> Iterator[str]:
    """Numbers of folds that make no cross-validation."""
    if plan.cv.folds == 1 and not (plan.cv.official_folds and plan.cv.repeats == 1):
        yield (
            "[cv] folds = 1: a single split must be a published one; "
            "set official_folds = true and repeats = 1, or folds to 2 or more"
        )
    if plan.cv.learning_curve_repeats and plan.cv.folds <= 2:
        yield (
            f"[cv] learning_curve_repeats = {plan.cv.learning_curve_repeats}: needs folds = 3 or "
            f"more, got folds = {plan.cv.folds}; the extra repeats train on half of the data and "
            "are compared with folds that train on more. Set folds = 5 or 10, or "
            "learning_curve_repeats = 0"
        )
    if plan.cv.halvings and plan.cv.folds < 2:
        yield (
            f"[cv] halvings = {plan.cv.halvings}: needs folds = 2 or more, got folds = "
            f"{plan.cv.folds}; each half of the patients is cross-validated by itself. Set "
            "folds = 5 or 10, or halvings = 0"
        )
    if plan.cv.halvings and plan.cv.repeats < 2:
        yield (
            f"[cv] halvings = {plan.cv.halvings}: needs repeats = 2 or more, got repeats = 1, with "
            "which no test uses them. Set repeats = 5 or more, or halvings = 0"
        )
    if 0 < plan.cv.halvings < FEWEST_HALVINGS:
        yield (
            f"[cv] halvings = {plan.cv.halvings}: the test needs at least {FEWEST_HALVINGS} to "
            "estimate a variance from them, and 20 are recommended; with fewer, their models "
            "would be trained for nothing. Set halvings = 20, or 0"
        )


def _in_block(
    plan: Plan, block: GridBlock, known: Mapping[str, list[str]], where: str
) -> Iterator[str]:
    """Names that a block of the grid uses and the plan does not have, depths no network has."""
    for key, allowed in known.items():
        for name in getattr(block, key) or ():
            if name not in allowed:
                yield f"{where} {key}: unknown name {name!r}; {suggest(name, allowed)}"
    references = _references(plan)
    if block.arms is not None and references and references[0] not in block.arms:
        yield f"{where} arms: lacks the reference {references[0]!r}, so nothing can be compared"
    for backbone in block.backbones:
        stages = STAGE_COUNTS.get(backbone)  # of timm's, timm knows
        for depth in block.unfreeze:
            if stages is not None and depth != "all" and depth > stages:
                yield (
                    f"{where} unfreeze = {depth}: {backbone} has {stages} stages; "
                    f'allowed: 0 to {stages}, or "all"'
                )
        for arm in plan.arms:
            used = block.arms is None or arm.name in block.arms
            if used and arm.source == "checkpoint" and backbone not in arm.files:
                yield f"[[arms]] {arm.name!r} files: no file for {backbone}, which {where} uses"


def _in_training(plan: Plan, block: GridBlock, where: str) -> Iterator[str]:
    """Training that a block of the grid cannot have."""
    try:
        training = Training.model_validate_json(
            json.dumps({**plan.training.model_dump(), **block.training}, default=str)
        )
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            key = str(problem["loc"][0]) if problem["loc"] else ""
            if problem["type"] == "extra_forbidden":
                yield f"{where} training: unknown key {key!r}; " + suggest(
                    key, Training.model_fields
                )
            else:
                yield f"{where} training {key} = {block.training.get(key)!r}: {problem['msg']}"
        return
    if training.standardize and any(depth != 0 for depth in block.unfreeze):
        yield (
            f"{where}: training.standardize = true needs frozen backbones, "
            f"unfreeze = [0]; features that are trained have no fixed scale"
        )
    if training.augmentation_views and training.augmentation == "none":
        yield (
            f"{where}: training.augmentation_views = {training.augmentation_views} needs "
            'training.augmentation = "affine"; without augmentation there is one view'
        )
    if training.activations != "float32" or training.augmentation_views:
        key = "activations" if training.activations != "float32" else "augmentation_views"
        for backbone in block.backbones:
            if {"all", STAGE_COUNTS.get(backbone)} & set(block.unfreeze):
                yield (
                    f"{where}: training.{key} is about the output of frozen stages, and "
                    f'unfreeze = "all" of {backbone} leaves none; give those cells a '
                    "block of their own"
                )


def _in_primary(plan: Plan, known: Mapping[str, list[str]]) -> Iterator[str]:
    """A primary comparison that the plan does not have."""
    allowed = {
        "task": known["tasks"],
        "arm": [arm.name for arm in plan.arms if not arm.reference],
        "head": known["heads"],
        "backbone": sorted({name for block in plan.grid for name in block.backbones}),
        "unfreeze": sorted({str(depth) for block in plan.grid for depth in block.unfreeze}),
    }
    for key, value in plan.analysis.primary.items():
        if value not in allowed[key]:
            yield (
                f"[analysis] primary {key} = {value!r}: not in this plan; "
                + suggest(value, allowed[key])
            )
