"""Arrays shared through files."""

import json
import subprocess
import sys

import numpy as np

from stats_tl.archive.claims import describe_process, machine
from stats_tl.train.scratch import Scratch, scratch_folder


def test_an_array_is_made_once_and_shared(tmp_path):
    scratch, calls = Scratch(tmp_path), []

    def make():
        calls.append(1)
        return np.arange(6).reshape(2, 3)

    for _ in range(3):
        np.testing.assert_array_equal(scratch.get_or_make("a b/c", make), [[0, 1, 2], [3, 4, 5]])
    assert len(calls) == 1


def test_writing_to_a_mapped_array_changes_nobody_elses(tmp_path):
    scratch = Scratch(tmp_path)
    scratch.put("x", np.zeros(3))
    scratch.get("x")[0] = 1
    np.testing.assert_array_equal(scratch.get("x"), 0)


def dead_process():
    """The description of a process that has ended, by itself."""
    code = (
        "import json; from stats_tl.archive.claims import describe_process; "
        "print(json.dumps(describe_process()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def test_the_claim_of_a_dead_process_is_taken_over(tmp_path):
    for content in (dead_process(), "", "not JSON"):
        (tmp_path / f"x@{machine()}.claim").write_text(content)
        made = Scratch(tmp_path).get_or_make("x", lambda: np.ones(2))
        np.testing.assert_array_equal(made, 1)
        assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]
        next(tmp_path.iterdir()).unlink()


def test_the_folder_of_a_killed_run_is_removed_by_the_next(tmp_path):
    for name, owner in (("a", dead_process()), ("b", json.dumps(describe_process()))):
        (tmp_path / f".scratch-{name}").mkdir()
        (tmp_path / f".scratch-{name}" / "owner.json").write_text(owner)
    with scratch_folder(tmp_path) as folder:
        assert {path.name for path in tmp_path.iterdir()} == {".scratch-b", folder.name}
    assert [path.name for path in tmp_path.iterdir()] == [".scratch-b"]


def test_a_failure_to_make_frees_the_name(tmp_path):
    scratch = Scratch(tmp_path)

    def fails():
        raise MemoryError

    for make in (fails, lambda: np.ones(2)):
        try:
            scratch.get_or_make("x", make)
        except MemoryError:
            continue
    np.testing.assert_array_equal(scratch.get_or_make("x", fails), 1)
