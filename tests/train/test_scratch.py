"""Arrays shared through files."""

import subprocess
import sys

import numpy as np

from stats_tl.train.scratch import Scratch


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


def test_the_claim_of_a_dead_process_is_taken_over(tmp_path):
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    (tmp_path / "x.claim").write_text(dead.stdout.strip())
    made = Scratch(tmp_path).get_or_make("x", lambda: np.ones(2))
    np.testing.assert_array_equal(made, 1)
    assert not list(tmp_path.glob("*.claim"))


def test_a_failure_to_make_frees_the_name(tmp_path):
    scratch = Scratch(tmp_path)

    def fails():
        raise MemoryError

    for make in (fails, lambda: np.ones(2)):
        try:
            scratch.get_or_make("x", make)
        except MemoryError:
            continue
    np.testing.assert_array_equal(scratch.get("x"), 1)
