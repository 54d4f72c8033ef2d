"""The rooms of the reporting wing import one way, for types too."""

from collections.abc import Sequence

import pytest

from ..imports import PACKAGE, imports, names_imported, sources

#: From the ground up; a room may import itself and those before it.
ROOMS = (
    "rendering",
    "evidence",
    "measures",
    "results",
    "tables",
    "text",
    "figures",
    "page",
    "word",
    "short_report",
    "auc_table",
    "value_table",
    "class_table",
)
#: Above the rooms, the lower first.
TOP = ("contents", "summary", "build", "__init__")
#: What the wing may use of the rest of the package.
ALLOWED = (
    "analysis_plan",
    "errors",
    "metric_names",
    "schema",
    "stats",
    "toml",
    "visible",
    "__version__",
)


def height(parts: Sequence[str]) -> int:
    """Of a module of the wing, by its path below ``reporting``."""
    order = (*ROOMS, *TOP)
    return order.index(parts[0].removesuffix(".py"))


FILES = sorted((PACKAGE / "reporting").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_down(path):
    own = path.relative_to(PACKAGE / "reporting").parts
    for name in names_imported(path):
        root, *parts = name.split(".")
        if root != "stats_tl":
            continue
        if parts[0] != "reporting":
            assert parts[0] in ALLOWED, f"{path} imports {name}"
        elif len(parts) > 1 and parts[1] in (*ROOMS, *TOP):
            assert height(parts[1:]) <= height(own), f"{path} imports {name}"


def test_no_two_modules_import_each_other():
    modules = {module for module, path in sources().items() if path in FILES}
    uses = {module: imports()[module] & modules for module in modules}
    done: set[str] = set()
    while free := {m for m, needed in uses.items() if m not in done and needed <= done}:
        done |= free
    assert set(uses) == done
