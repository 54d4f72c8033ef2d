"""Rooms of the house: who may import whom, how large a folder may grow, where tests live.

Imports are read from the source, those under ``TYPE_CHECKING`` and within functions included.
"""

import ast
import graphlib
from collections import defaultdict

import pytest

from .imports import PACKAGE, ROOT, imports, sources, targets

MOST_MODULES = 15

# What both wings stand on.
GROUND = {"errors", "toml", "visible", "schema", "metric_names", "analysis_plan"}
# What each wing may import of the others, beside the ground; command lines, commands.
WINGS = {
    "stats": set(),
    "study": set(),
    "data": {"study"},
    "archive": {"study"},
    "train": {"study", "data", "archive"},
    "reporting": {"stats"},
    "calibration": {"stats"},
}
# Rooms from the ground up: a room imports only rooms before it. Those of reporting are declared
# in tests/reporting/test_rooms.py.
FLOORS = {
    "stats": (
        "procedure",
        "results",
        "_shared",
        "decisions",
        "curves",
        "thresholds",
        "metrics",
        "crossvalidation",
        "readers",
        "tasks",
        "planning",
        "mixed",
    ),
}
TORCH = {"torch", "torchvision"}


def wing(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_every_kind_of_import_is_seen():
    code = (
        "from typing import TYPE_CHECKING\nfrom ..results import TestResult\n"
        "import stats_tl.errors\nfrom stats_tl import study\n"
        "if TYPE_CHECKING:\n    from .delong import delong_test\n"
        "def later():\n    from .. import tasks\n"
    )
    seen = set(targets(PACKAGE / "stats/curves/auc.py", code))
    assert seen == {
        "typing",
        "stats_tl.stats.results",
        "stats_tl.errors",
        "stats_tl.study",
        "stats_tl.stats.curves.delong",
        "stats_tl.stats.tasks",
    }


def test_no_circle_between_modules_even_for_types():
    # A package's face imports its rooms by design; between all others no circle is allowed.
    faces = {module for module, path in sources().items() if path.name == "__init__.py"}
    graph = {module: found - faces for module, found in imports().items() if module not in faces}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"modules import in a circle: {' -> '.join(reversed(error.args[1]))}")


@pytest.mark.parametrize("own", WINGS)
def test_wings_import_as_designed(own):
    used = defaultdict(set)
    for module, found in imports().items():
        if wing(module) == own:
            for name in found:
                used[wing(name)].add(module)
    beyond = set(used) - WINGS[own] - GROUND - {own, "commands", ""}
    assert not beyond, {name: sorted(used[name]) for name in beyond}


#: Trains small networks on simulated images, and imports torch only when called.
SIMULATED_NETWORKS = "stats_tl.calibration.learners.convolution"


def test_only_train_imports_torch():
    for module, path in sources().items():
        if wing(module) != "train" and module != SIMULATED_NETWORKS:
            roots = {name.split(".")[0] for name in targets(path)}
            assert not roots & TORCH, module


@pytest.mark.parametrize("own", FLOORS)
def test_rooms_import_from_the_ground_up(own):
    order = {room: number for number, room in enumerate(FLOORS[own])}
    rooms = {
        module.split(".")[2] for module in sources() if wing(module) == own and "." in module[9:]
    }
    assert rooms == set(order)
    for module, found in imports().items():
        parts = module.split(".")
        if wing(module) == own and len(parts) > 2:
            for name in found:
                if wing(name) == own and name.count(".") > 1:
                    assert order[name.split(".")[2]] <= order[parts[2]], f"{module} -> {name}"


@pytest.mark.parametrize("own", WINGS)
def test_rooms_of_a_wing_form_no_circle(own):
    graph = defaultdict(set)
    for module, found in imports().items():
        parts = module.split(".")
        if wing(module) == own and len(parts) > 2:
            for name in found:
                if wing(name) == own and name.count(".") > 1:
                    graph[parts[2]].add(name.split(".")[2])
    try:
        graphlib.TopologicalSorter(
            {room: found - {room} for room, found in graph.items()}
        ).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"rooms import in a circle: {' -> '.join(reversed(error.args[1]))}")


def test_only_a_wing_imports_from_its_private_rooms():
    """Others see the face of stats, not its rooms."""
    for module, found in imports().items():
        if wing(module) != "stats":
            inside = {name for name in found if name.startswith("stats_tl.stats.")}
            assert not inside, f"{module} -> {sorted(inside)}"


def test_no_folder_is_too_large():
    for folder in [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())]:
        count = sum(path.name != "__init__.py" for path in folder.glob("*.py"))
        assert count <= MOST_MODULES, folder.relative_to(ROOT)


def test_every_room_says_what_it_is():
    for module, path in sources().items():
        if path.name == "__init__.py":
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            assert text, module


def test_the_tests_mirror_the_source():
    apart = {"docs", "requirements"}  # of the documentation and of the dependencies
    for folder in sorted(path.parent for path in (ROOT / "tests").rglob("test_*.py")):
        relative = folder.relative_to(ROOT / "tests")
        if relative.parts and relative.parts[0] not in apart:
            assert (PACKAGE / relative).is_dir() or (PACKAGE / relative).with_suffix(
                ".py"
            ).is_file(), f"tests/{relative} has no counterpart in stats_tl"
