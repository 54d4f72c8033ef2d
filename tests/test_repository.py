"""The files around the code: one definition of the checks, versions that agree, README's size."""

import datetime as dt
import re
import runpy
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
CHECKS = (ROOT / ".ci/checks").read_text()


def test_pre_commit_and_ci_run_the_same_checks():
    (repository,) = HOOKS
    assert repository["repo"] == "local"  # nothing is downloaded
    called = [hook["entry"].split() for hook in repository["hooks"]]
    assert {words[0] for words in called} == {".ci/checks"}
    assert {words[1] for words in called} == set(re.findall(r"^(\w+)\(\)", CHECKS, re.M))
    assert all(hook["language"] == "system" for hook in repository["hooks"])
    assert re.search(
        r"^PYTHON=\S+ \.ci/checks$|^\.ci/checks$", (ROOT / ".ci/run").read_text(), re.M
    )


def test_an_unknown_check_is_refused():
    done = subprocess.run([ROOT / ".ci/checks", "style"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "lint, format, types, files" in done.stderr


@pytest.fixture(scope="module")
def guard():
    return runpy.run_path(str(ROOT / ".ci/check_files.py"))


def test_large_files_and_weights_are_refused(guard, tmp_path):
    small, large, weights = (tmp_path / name for name in ("a.csv", "b.csv", "W.PTH"))
    small.write_bytes(b"x")
    large.write_bytes(bytes(guard["MOST_BYTES"] + 1))
    weights.write_bytes(b"x")
    found = guard["problems"]([small, large, weights])
    assert [line.split(":")[0] for line in found] == [str(large), str(weights)]


@pytest.fixture(scope="module")
def audit():
    return runpy.run_path(str(ROOT / ".ci/audit.py"))["main"]


def test_nothing_that_is_pinned_or_allowed_has_a_known_advisory(audit, capsys):
    assert audit([]) == 0
    said = capsys.readouterr().out
    assert said.count(", 0 of ") == 3  # the locked set, the minimum, the floors of pyproject.toml


def test_an_affected_release_is_named(audit, capsys, tmp_path):
    (tmp_path / "old.txt").write_text("# a set\nPillow==12.3.0\nnumpy==2.0.0\n")
    assert audit([str(tmp_path / "old.txt")]) == 1
    assert "pillow 12.3.0: GHSA-" in capsys.readouterr().out


def test_what_could_not_be_audited_is_said(audit, capsys, tmp_path):
    assert audit(["--advisories", str(tmp_path / "nowhere.json")]) == 2
    assert "NOT AUDITED: " in capsys.readouterr().err
    assert audit([], today=dt.date(2031, 1, 1)) == 0
    assert "NOT AUDITED for what is newer: the list of advisories is" in capsys.readouterr().err


def test_the_version_is_the_same_everywhere():
    import stats_tl

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project["version"] == citation["version"] == stats_tl.__version__
    assert project["license"] == citation["license"]
    assert [a["name"] for a in citation["authors"]] == [a["name"] for a in project["authors"]]


def test_workflows_are_what_they_say():
    for path in (ROOT / ".github").rglob("*.yml"):
        loaded = yaml.safe_load(path.read_text())
        assert loaded, path
        for job in loaded.get("jobs", {}).values():
            for step in job["steps"]:
                for script in re.findall(r"\.ci/\w+", step.get("run", "")):
                    assert (ROOT / script).stat().st_mode & 0o111, script
    release = (ROOT / ".github/workflows/release.yml").read_text()
    assert "id-token: write" in release
    assert "password" not in release


def test_the_readme_is_short_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.encode()) <= 6200
    for link in re.findall(r"\]\(([^)#]+)", text) + re.findall(r'src="([^"]+)"', text):
        assert (ROOT / link).exists(), link
