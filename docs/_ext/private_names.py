"""A role that names something private is shown as code; one that names nothing is a warning.

Public docstrings may point at a helper that has no page. What a role names is looked up as Sphinx
does, but by importing it: in the class and the module that it stands in, in the package, and,
after a leading dot, in every module of the package.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

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


def missing(app: Sphinx, env: Any, node: Any, content: nodes.Element) -> nodes.Element | None:
    """Called by Sphinx for every reference that it cannot resolve."""
    if node.get("refdomain") != "py":
        return None
    target = ("." if node.get("refspecific") else "") + node["reftarget"]
    module, owner = node.get("py:module") or PACKAGE, node.get("py:class") or ""
    # A public name is shown where users import it from; its docstring is written further down.
    homes = (module, *(name for name in module_names() if name.startswith(f"{module}.")))
    if any(exists(path) for home in homes for path in candidates(target, home, owner)):
        return content
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("missing-reference", missing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
