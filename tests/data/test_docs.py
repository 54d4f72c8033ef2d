"""The plan lines of docs/data.md are valid, and their options are known to the adapters."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from stats_tl.data import load_dataset
from stats_tl.errors import UserError
from stats_tl.study.plan import ADAPTERS, Audit, Task

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
BLOCKS = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.S)]
TASKS = [task for block in BLOCKS for task in block.get("tasks", [])]


def test_every_adapter_is_shown():
    assert {task["adapter"] for task in TASKS} >= set(ADAPTERS) - {"phantom-knee"}


@pytest.mark.parametrize("table", TASKS, ids=lambda table: str(table["options"]))
def test_plan_lines(table, tmp_path):
    task = Task(**table)
    if task.path is None:
        assert load_dataset(task, None).synthetic
        return
    # Options are read before the disk: what fails is only that the data are not here.
    with pytest.raises(UserError, match=r"there is no folder|such as breastmnist"):
        load_dataset(task, tmp_path / task.path)


def test_audit_lines():
    (table,) = [block["audit"] for block in BLOCKS if "audit" in block]
    assert Audit(**table).near_duplicates == "group"
