"""A role that names something private is shown as code; one that names nothing is a warning.

Public docstrings may point at a helper that has no page. What a role names is looked up as Sphinx
does, but by importing it: in the class and the module that it stands in, in the package, and,
after a leading dot, in every module of the package.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from dotted_names import PACKAGE, candidates, exists, module_names
from sphinx.application import Sphinx


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
