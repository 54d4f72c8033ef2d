"""Who imports whom in the package, as the picture of the packages reads it."""

import functools
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "stats_tl"
#: ``names_imported(path, code=None)``: absolute names, as they are written.
names_imported = runpy.run_path(str(ROOT / "docs/architecture.py"))["names_imported"]


def name_of(path):
    """The dotted name of a module of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def sources():
    """Every module of the package by its dotted name."""
    return {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def targets(path, code=None):
    """The modules behind the names that a file imports; of other packages, the top level."""
    for name in names_imported(path, code):
        while name not in sources() and "." in name:
            name = name.rpartition(".")[0]
        yield name


@functools.cache
def imports():
    """Module → modules of the package that it names in an import."""
    return {
        module: {name for name in targets(path) if name in sources()} - {module}
        for module, path in sources().items()
    }
