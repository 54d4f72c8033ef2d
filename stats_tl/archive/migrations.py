"""Older schema versions, read as the present one.

Each migration is a pure function from the content of a part of one version to that of the
next; nothing on disk is rewritten. ``tests/archive/golden/`` holds an archive of every
version that was ever written.

Version 2 keeps what cells of one commit share (environment, peak memory) in a list of
``contexts`` that the cells point into, so that parts can be put together, and seals parts
plainly (see :mod:`stats_tl.archive.files`).
"""

from __future__ import annotations

__all__ = ["check_schema", "migrate_part"]

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import ArchiveDamagedError, UserError
from .schema import SCHEMA_VERSION


def check_schema(content: Any, path: Path) -> None:
    """Refuse a file of a later version by name.

    Raises
    ------
    UserError
        If the version is newer than this program.
    ArchiveDamagedError
        If there is none.
    """
    version = content.get("schema_version") if isinstance(content, Mapping) else None
    if not isinstance(version, int) or version < 1:
        raise ArchiveDamagedError(f"{path} is damaged: it names no schema version")
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema version {version}; this stats_tl {__version__} reads up to "
            f"{SCHEMA_VERSION}. Update stats_tl"
        )


def migrate_part(part: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a part in the present schema version."""
    content = dict(part)
    while content["schema_version"] < SCHEMA_VERSION:
        content = _TO_NEXT[content["schema_version"]](content)
    return content


def _from_1_to_2(part: Mapping[str, Any]) -> dict[str, Any]:
    own = ("cells", "configurations", "scores", "schema_version", "backbones")
    files = part.get("backbones", {})
    cells = []
    for cell in part["cells"]:
        kept = {name: sha256 for name, sha256 in files.items() if name.startswith(cell["cell_id"])}
        cells.append({**cell, "context": 0, **({"backbones": kept} if kept else {})})
    return {
        "schema_version": 2,
        "scores": part["scores"],
        "configurations": part["configurations"],
        "contexts": [{key: part[key] for key in part if key not in own}],
        "cells": cells,
    }


_TO_NEXT: dict[int, Callable[[Mapping[str, Any]], dict[str, Any]]] = {1: _from_1_to_2}
