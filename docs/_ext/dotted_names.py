"""Whether a dotted name of the package leads to something, looked up by importing it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

PACKAGE = "stats_tl"


@cache
def module_names() -> tuple[str, ...]:
    """Every module of the package but its commands, which would run on import."""
    folder = importlib.import_module(PACKAGE).__path__
    walked = pkgutil.walk_packages(folder, f"{PACKAGE}.")
    return (PACKAGE, *(m.name for m in walked if not m.name.endswith("__main__")))


def exists(path: str) -> bool:
    """Whether a dotted path leads to a module, one of its objects, or a field of one."""
    found: Any = None
    for name in path.split("."):
        inside = f"{found.__name__}.{name}" if isinstance(found, ModuleType) else name
        bases = getattr(found, "__mro__", ())
        if hasattr(found, name):
            found = getattr(found, name)
        elif found is None or isinstance(found, ModuleType):
            try:
                found = importlib.import_module(inside)
            except ImportError:
                return False
        else:
            return any(name in vars(base).get("__annotations__", {}) for base in bases)
    return True


def candidates(target: str, module: str, owner: str = "") -> Iterator[str]:
    """The dotted paths that `target` may mean where it is written."""
    bare = target.lstrip(".~")
    yield bare
    if owner:
        yield f"{module}.{owner}.{bare}"
    yield f"{module}.{bare}"
    if target.lstrip("~").startswith("."):
        yield from (f"{name}.{bare}" for name in module_names())
