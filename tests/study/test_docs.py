"""docs/plan.md and docs/archive.md say what the code does."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import re
import tomllib
from pathlib import Path
from typing import Literal, get_args, get_origin

import annotated_types
import pandas as pd
import pytest
from pydantic_core import PydanticUndefined

from stats_tl.archive import load
from stats_tl.archive.schema import SCORE_COLUMNS
from stats_tl.study.loading import parse_plan
from stats_tl.study.plan import STAGE_COUNTS, Plan
from stats_tl.train.grid import GridRun
from stats_tl.train.options import GridOptions
from stats_tl.train.state import open_grid

DOCS = Path(__file__).resolve().parents[2] / "docs"
PLAN_PAGE = (DOCS / "plan.md").read_text(encoding="utf-8")
ARCHIVE_PAGE = (DOCS / "archive.md").read_text(encoding="utf-8")


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page, re.S)


def model_of(field):
    """The model of a table of the plan, or None: ``Study``, ``tuple[Task, ...]``."""
    return next(
        m for m in (field.annotation, *get_args(field.annotation)) if hasattr(m, "model_fields")
    )


def rows_of(heading):
    """The first table under a heading, by its first column."""
    section = re.search(rf"^## `{re.escape(heading)}`\n(.*?)(?=^## |\Z)", PLAN_PAGE, re.S | re.M)
    assert section, f"no section {heading}"
    table = re.search(r"^\| key \|.*?(?=\n\n|\Z)", section[1], re.S | re.M)
    assert table, f"no table in section {heading}"
    rows = [line.strip("|").split(" | ") for line in table[0].splitlines()[2:]]
    return {row[0].strip().strip("`"): [cell.strip() for cell in row[1:]] for row in rows}


def literals(annotation):
    """Every value of every Literal inside an annotation."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return set().union(*(literals(part) for part in get_args(annotation)))


def bounds(field):
    """Bounds of a number, as the page writes them."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    for part in field.metadata:
        for name, sign in signs.items():
            kind = {"ge": "Ge", "gt": "Gt", "le": "Le", "lt": "Lt"}[name]
            if isinstance(part, getattr(annotated_types, kind)):
                yield f"{sign} {getattr(part, name)}"


TABLES = {
    (f"[[{name}]]" if get_origin(field.annotation) is tuple else f"[{name}]"): model_of(field)
    for name, field in Plan.model_fields.items()
}
KEYS = [(h, key, field) for h, m in TABLES.items() for key, field in m.model_fields.items()]


@pytest.mark.parametrize("heading", TABLES)
def test_a_section_lists_the_keys_of_its_table_and_no_others(heading):
    assert list(rows_of(heading)) == list(TABLES[heading].model_fields)


@pytest.mark.parametrize(("heading", "key", "field"), KEYS, ids=[f"{h} {k}" for h, k, _ in KEYS])
def test_a_key_is_documented_as_it_is(heading, key, field):
    kind, default, meaning = rows_of(heading)[key]
    if field.is_required():
        assert default == "required"
    elif field.default is None:
        assert default == "none"
    else:
        assert field.default is not PydanticUndefined
        documented = tomllib.loads(f"x = {default.strip('`')}")["x"]
        expected = list(field.default) if isinstance(field.default, tuple) else field.default
        assert documented == expected
        assert type(documented) is type(expected)
    values = literals(field.annotation)
    if key == "primary":
        assert set(re.findall(r"`(\w+)`", kind)) == values
    else:
        assert set(re.findall(r'`"([^"`]+)"`', kind)) == values
    for bound in bounds(field):
        assert bound in kind
    assert len(meaning) > 5


def test_the_example_is_a_plan_with_every_table():
    (example,) = blocks(PLAN_PAGE, "toml")
    raw = tomllib.loads(example)
    plan = parse_plan(raw)
    assert set(raw) == set(Plan.model_fields) - {"keep"}
    assert plan.analysis.primary["arm"] == "radimagenet"


def test_stages_of_the_backbones():
    rows = re.findall(r"^\| (`[^|]+`) \| (\d) \| (.+) \|$", PLAN_PAGE, re.M)
    documented = {name: int(n) for names, n, _ in rows for name in re.findall(r"`(\w+)`", names)}
    assert documented == STAGE_COUNTS


# The archive


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """``runs/lesions`` on phantoms, as the page has it."""
    folder = tmp_path_factory.mktemp("docs")
    raw = {
        "study": {"name": "lesions", "seed": 3},
        "tasks": [
            {
                "name": "breast",
                "adapter": "phantom-breast",
                "options": {"n_patients": 24, "size": 64},
            }
        ],
        "cv": {"folds": 2, "repeats": 1, "validation_share": 0.3},
        "arms": [
            {"name": "random", "source": "random", "reference": True},
            {"name": "other", "source": "random"},
        ],
        "grid": [{"backbones": ["squeezenet1_1"], "heads": ["linear"]}],
        "training": {"epochs": 2, "batch_size": 16, "image_size": 32},
    }
    options = GridOptions(folder / "runs", folder)
    grid = GridRun(open_grid(parse_plan(copy.deepcopy(raw)), options), options)
    assert len(list(grid.train(grid.load_datasets()))) == 4
    return folder / "runs"


@pytest.mark.parametrize("number", range(len(blocks(ARCHIVE_PAGE, "python"))))
def test_python_examples_run(runs, monkeypatch, number):
    monkeypatch.chdir(runs.parent)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(blocks(ARCHIVE_PAGE, "python")[number], {})
    assert said.getvalue().strip()


def test_scores_without_stats_tl_are_those_of_stats_tl(runs, monkeypatch):
    """The example that reads with pandas alone ends with the same numbers."""
    monkeypatch.chdir(runs.parent)
    example = next(text for text in blocks(ARCHIVE_PAGE, "python") if "stats_tl" not in text)
    names: dict[str, pd.DataFrame] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(example, names)
    ours = load(runs / "lesions").scores().set_index(["cell_id", "case"])["score"].sort_index()
    theirs = names["scores"].set_index(["cell_id", "case"])["score"].sort_index()
    pd.testing.assert_series_equal(ours, theirs, check_index_type=False, rtol=0, atol=1e-6)


def skeleton(value):
    """Keys only, lists and data-dependent tables left out."""
    if isinstance(value, dict):
        return {key: skeleton(entry) for key, entry in value.items()}
    return None


def test_the_record_shown_has_the_fields_of_a_record(runs):
    shown = next(json.loads(text) for text in blocks(ARCHIVE_PAGE, "json"))
    record = next(load(runs / "lesions").records())
    assert skeleton(shown) == skeleton(record)


def test_every_field_of_a_record_is_explained(runs):
    record = next(load(runs / "lesions").records())
    explained = set(re.findall(r"^\| `(\w+)` \|", ARCHIVE_PAGE, re.M))
    assert set(record) <= explained


def test_json_files_are_sealed_as_the_page_says(runs):
    for path in (runs / "lesions").rglob("*.json"):
        sealed = json.loads(path.read_text(encoding="utf-8"))
        if path.parent.name == "parts":
            front, _, _ = path.read_bytes().rpartition(b',\n"sha256"')
            assert hashlib.sha256(front).hexdigest() == sealed["sha256"]
            continue
        text = json.dumps(sealed["content"], sort_keys=True, ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == sealed["sha256"]


def test_the_layout_names_every_file(runs):
    root = runs / "lesions"
    for path in root.rglob("*"):
        if path.is_file():
            folder = path.relative_to(root).parent.name
            suffix = "".join(path.suffixes)
            pattern = rf"^{folder}/?.*{re.escape(suffix)} " if folder else rf"^{path.name} "
            assert re.search(pattern, ARCHIVE_PAGE, re.M), path
    for column in SCORE_COLUMNS:
        assert f"`{column}`" in ARCHIVE_PAGE
