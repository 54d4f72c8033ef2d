"""The rooms of the reporting wing import one way, for types too."""

import ast
from pathlib import Path

import pytest

import stats_tl

PACKAGE = Path(stats_tl.__file__).parent
#: From the ground up; a room may import itself and those before it.
ROOMS = (
    "rendering",
    "evidence",
    "results",
    "tables",
    "text",
    "figures",
    "page",
    "auc_table",
)
#: Above the rooms, the lower first.
TOP = ("contents", "summary", "build", "__init__")
#: What the wing may use of the rest of the package.
ALLOWED = ("errors", "stats", "toml", "__version__")


def imported(path: Path) -> set[str]:
    """Absolute names of all modules of the package that a file imports, wherever it does so."""
    package = ("stats_tl", *path.relative_to(PACKAGE).parent.parts)
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = [*base, *filter(None, (node.module or "").split("."))]
            names |= {".".join([*module, alias.name]) for alias in node.names}
    return {name for name in names if name.startswith("stats_tl")}


def height(parts: tuple[str, ...]) -> int:
    """Of a module of the wing, by its path below ``reporting``."""
    order = (*ROOMS, *TOP)
    return order.index(parts[0].removesuffix(".py"))


FILES = sorted((PACKAGE / "reporting").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_down(path):
    own = path.relative_to(PACKAGE / "reporting").parts
    for name in imported(path):
        parts = tuple(name.split(".")[1:])
        if parts[0] != "reporting":
            assert parts[0] in ALLOWED, f"{path} imports {name}"
        elif len(parts) > 1 and parts[1] in (*ROOMS, *TOP):
            assert height(parts[1:]) <= height(own), f"{path} imports {name}"


def test_no_two_modules_import_each_other():
    modules = {
        ".".join(("stats_tl", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in FILES
    }
    uses = {}
    for module, path in modules.items():
        found = set()
        for name in imported(path):
            while name not in modules and "." in name:
                name = name.rpartition(".")[0]
            if name in modules and name != module:
                found.add(name)
        uses[module] = found
    done: set[str] = set()
    while free := {m for m, needed in uses.items() if m not in done and needed <= done}:
        done |= free
    assert set(uses) == done
