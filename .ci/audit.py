"""Compare pinned requirements with a list of published advisories.

    python .ci/audit.py [--advisories FILE] [REQUIREMENTS ...]

The list is ``.ci/advisories.json``, a snapshot with its source and date, since no database
can be asked from everywhere. It ends with 0 if nothing pinned is on the list, 1 if something
is, 2 if there is no usable list; it says so where the list is older than half a year.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PINNED = [ROOT / "tests/requirements" / name for name in ("locked.txt", "minimum.txt")]
#: An older list says too little to be relied on.
MOST_DAYS = 183


def pinned(path: Path) -> dict[str, Version]:
    """Versions by package."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
    found = map(Requirement, lines)
    return {canonicalize_name(one.name): Version(str(one.specifier)[2:]) for one in found}


def floors() -> dict[str, Version]:
    """Lowest versions that pyproject.toml allows: of torch, too, which no minimum pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {}
    for requirement in map(Requirement, project["dependencies"]):
        (lowest,) = re.findall(r">=([\d.]+)", str(requirement.specifier))
        found[canonicalize_name(requirement.name)] = Version(lowest)
    return found


def affected(versions: dict[str, Version], advisories: list[dict[str, Any]]) -> list[str]:
    """What is known of the pinned versions, one line each."""
    return [
        f"{name} {version}: {known['id']} ({known['what']}), fixed in {known['fixed']}"
        for known in advisories
        if (name := canonicalize_name(known["package"])) in versions
        and (version := versions[name]) < Version(known["fixed"])
    ]


def main(arguments: list[str] | None = None, *, today: dt.date | None = None) -> int:
    """Print what was compared and what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--advisories", type=Path, default=ROOT / ".ci/advisories.json")
    parser.add_argument("requirements", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    try:
        listed = json.loads(options.advisories.read_text())
        age = ((today or dt.date.today()) - dt.date.fromisoformat(listed["date"])).days
        advisories = listed["advisories"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"NOT AUDITED: {options.advisories} cannot be used ({error})", file=sys.stderr)
        return 2
    sets = {str(path): pinned(path) for path in options.requirements or PINNED}
    if not options.requirements:
        sets["the lowest versions in pyproject.toml"] = floors()
    found = 0
    for name, versions in sets.items():
        lines = affected(versions, advisories)
        found += len(lines)
        print(f"{name}: {len(versions)} packages, {len(lines)} of {len(advisories)} advisories")
        print("".join(f"  {line}\n" for line in lines), end="")
    print(f"the list is of {listed['date']}: {listed['source']}")
    if age > MOST_DAYS:
        print(
            f"NOT AUDITED for what is newer: the list of advisories is {age} days old; "
            f"bring {options.advisories} up to date",
            file=sys.stderr,
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
