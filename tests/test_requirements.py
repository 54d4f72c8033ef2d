"""The sets of dependencies that the tests are run with say what pyproject.toml allows."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
NEEDED = [
    requirement
    for text in (
        *PROJECT["dependencies"],
        *(needed for extra in ("dask", "dicom", "nifti", "test") for needed in EXTRAS[extra]),
    )
    if (requirement := Requirement(text)).name != "stats_tl"
]


def releases(name):
    """Versions by package, as a file of constraints pins them."""
    lines = (ROOT / "tests/requirements" / name).read_text().splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(r.name): Version(str(r.specifier).removeprefix("==")) for r in pinned}


def test_the_minimum_is_that_of_the_project():
    lowest = {
        requirement.name: Version(re.findall(r">=([\d.]+)", str(requirement.specifier))[0])
        for requirement in NEEDED
        if requirement.name not in ("torch", "torchvision")
    }
    assert releases("minimum.txt") == lowest


def test_the_locked_releases_are_allowed_and_complete():
    locked = releases("locked.txt")
    for requirement in (*NEEDED, *map(Requirement, (*EXTRAS["docs"], *EXTRAS["timm"]))):
        assert requirement.specifier.contains(locked[requirement.name]), requirement


@pytest.mark.parametrize("requirement", NEEDED, ids=lambda requirement: requirement.name)
def test_what_is_installed_is_allowed(requirement):
    assert requirement.specifier.contains(version(requirement.name))
