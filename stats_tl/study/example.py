"""The built-in example: a plan on synthetic phantoms that needs no file and no network."""

from __future__ import annotations

__all__ = ["EXAMPLE_PLAN"]

from pathlib import Path

#: Path of the built-in plan.
EXAMPLE_PLAN = Path(__file__).with_name("example.toml")
