"""Roles in docstrings name things that exist, in private modules too."""

import ast
import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOOK_UP = runpy.run_path(str(ROOT / "docs/_ext/dotted_names.py"))
ROLE = re.compile(r":(?:func|class|mod|meth|data|attr|exc|obj):`(?:[^`<]*<)?([^`>]+)>?`")


def roles():
    """(module, class or "", target) of every role in a docstring of the package."""
    for path in sorted((ROOT / "stats_tl").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        owners = {
            id(inside): node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for inside in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node) or ""
                yield from ((module, owners.get(id(node), ""), t) for t in ROLE.findall(text))


def dead(module, owner, target):
    """Whether a role names nothing where Python, or a reader of the public page, would look."""
    parents = [module.rsplit(".", n)[0] for n in range(module.count(".") + 1)]
    return not any(
        LOOK_UP["exists"](path)
        for home in parents
        for path in LOOK_UP["candidates"](target, home, owner)
    )


def test_roles_name_what_exists():
    found = list(roles())
    assert len(found) > 150
    assert [role for role in found if dead(*role)] == []


def test_a_dead_role_is_noticed():
    module = "stats_tl.stats.curves.delong"
    assert not dead(module, "", "delong_test")
    assert not dead(module, "", "~stats_tl.stats.repeated_cv_test")
    assert not dead(module, "", ".structural")
    assert dead(module, "", "delong_tests")
    assert dead(module, "", ".structure")
