"""The picture of the packages, drawn from their imports: `python docs/architecture.py`.

Writes ``docs/architecture.svg``; a test compares the two. An arrow says that one package imports
another; arrows that follow from others are left out, and so is what everything may import:
``errors``, ``toml``, ``visible``, ``schema``, ``metric_names``, ``analysis_plan`` and ``commands``.
The tests of who may import whom read imports by the same function.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "stats_tl"
PICTURE = ROOT / "docs" / "architecture.svg"
#: What any module may import, and the list of commands, which is no part.
COMMON = (
    "errors",
    "toml",
    "visible",
    "schema",
    "metric_names",
    "analysis_plan",
    "commands",
    "__init__",
    "__main__",
)
#: Commands, which have arguments and exit codes and are imported by nothing.
COMMANDS = ("run_grid", "report")
#: What each part is about, from left to right.
SAYS = {
    "run_grid": "command: plan to archive",
    "train": "cells of a grid, workers",
    "data": "images, labels, patients",
    "study": "plan, cells, splits",
    "archive": "the only reader of runs/",
    "report": "command: archive to tables",
    "reporting": "tables, text, figures, page",
    "stats": "tests and intervals on arrays",
    "calibration": "error rates of the tests",
}
WIDTH, HEIGHT, GAP, RISE = 190, 46, 24, 56


@cache
def names_imported(path: Path, code: str | None = None) -> frozenset[str]:
    """Absolute dotted names that a file of the package imports, wherever it does so.

    With `code`, as if the file held that.
    """
    here = path.relative_to(ROOT).with_suffix("").parts
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8") if code is None else code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = here[: len(here) - node.level] if node.level else ()
            module = (*start, *([node.module] if node.module else ()))
            found |= {".".join([*module, alias.name]) for alias in node.names}
    return frozenset(found)


def imported(path: Path) -> set[str]:
    """Top-level parts of the package that a file imports, for types or to run."""
    names = [name.split(".") for name in names_imported(path)]
    return {name[1] for name in names if len(name) > 1 and name[0] == "stats_tl"}


def arrows() -> dict[str, set[str]]:
    """Part of the package → the parts that it imports."""
    parts = {
        p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    }
    parts -= set(COMMON)
    found: dict[str, set[str]] = {part: set() for part in parts}
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part in parts:
            found[part] |= (imported(path) & parts) - {part}
    return found


def height(part: str, edges: dict[str, set[str]], above: tuple[str, ...] = ()) -> int:
    """Longest way down from a part; refuses a circle."""
    if part in above:
        raise SystemExit(f"imports run in a circle: {' → '.join((*above, part))}")
    return max((height(p, edges, (*above, part)) + 1 for p in edges[part]), default=0)


def reduced(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows that do not follow from two others."""

    def reach(part: str) -> set[str]:
        return edges[part].union(*(reach(p) for p in edges[part])) if edges[part] else set()

    return {
        a: {b for b in bs if not any(b in reach(c) for c in bs - {b})} for a, bs in edges.items()
    }


def draw(edges: dict[str, set[str]]) -> str:
    rows: dict[int, list[str]] = defaultdict(list)
    order = [*SAYS, *sorted(set(edges) - set(SAYS))]
    for part in (part for part in order if part in edges):
        rows[height(part, edges)].append(part)
    wide = max(len(row) for row in rows.values())
    width = wide * (WIDTH + GAP) + GAP
    total = len(rows) * (HEIGHT + RISE) - RISE + 2 * GAP
    place = {}
    for level, row in rows.items():
        left = (width - len(row) * (WIDTH + GAP) + GAP) / 2
        for number, part in enumerate(row):
            top = GAP + (len(rows) - 1 - level) * (HEIGHT + RISE)
            place[part] = (left + number * (WIDTH + GAP), top)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" '
        'font-family="sans-serif" role="img">',
        "<title>Packages of stats_tl; arrows run from the importing to the imported</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>',
        f'<rect width="{width}" height="{total}" fill="#fff"/>',
    ]
    for a, below in sorted(reduced(edges).items()):
        for number, b in enumerate(sorted(below, key=lambda part: place[part])):
            share = (number + 1) / (len(below) + 1)
            x, y = place[a][0] + WIDTH * share, place[a][1] + HEIGHT
            to_x, to_y = place[b][0] + WIDTH / 2, place[b][1]
            lines.append(
                f'<path d="M{x:.0f} {y:.0f}C{x:.0f} {y + RISE * 0.7:.0f} {to_x:.0f} '
                f'{to_y - RISE * 0.7:.0f} {to_x:.0f} {to_y - 2:.0f}" fill="none" stroke="#667" '
                'stroke-width="1.4" marker-end="url(#tip)"/>'
            )
    for part, (x, y) in sorted(place.items()):
        fill = "#e8eef7" if part in COMMANDS else "#f5f5f2"
        lines += [
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
            f'fill="{fill}" stroke="#667"/>',
            f'<text x="{x + WIDTH / 2:.0f}" y="{y + 20:.0f}" text-anchor="middle" '
            f'font-size="15" font-weight="bold" fill="#223">{part}</text>',
            f'<text x="{x + WIDTH / 2:.0f}" y="{y + 37:.0f}" text-anchor="middle" '
            f'font-size="11.5" fill="#334">{SAYS.get(part, "")}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(arrows()), encoding="utf-8")
