"""Arrays shared through files."""

import json
import subprocess
import sys

import numpy as np
import pytest

from stats_tl.archive.processes import describe_process, machine
from stats_tl.train.machine.scratch import Scratch, scratch_folder


def test_an_array_is_made_once_and_shared(tmp_path):
    scratch, calls = Scratch(tmp_path), []

    def make():
        calls.append(1)
        return np.arange(6).reshape(2, 1, 3)

    for _ in range(3):
        array = scratch.get_or_make("a b/c", 2, make)
        np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])
    assert len(calls) == 1


def test_writing_to_a_mapped_array_changes_nobody_elses(tmp_path):
    scratch = Scratch(tmp_path)
    scratch.put("x", 3, [np.zeros(3)])
    scratch.get("x")[0] = 1
    np.testing.assert_array_equal(scratch.get("x"), 0)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_blocks_come_together_as_numpy_would_have_written_them(tmp_path, dtype):
    array = np.random.default_rng(0).integers(0, 99, (7, 2, 3, 3)).astype(dtype)
    # A block as channels_last networks give it.
    blocks = [
        np.moveaxis(np.moveaxis(part, 1, -1).copy(), -1, 1) for part in (array[:4], array[4:])
    ]
    Scratch(tmp_path).put("x", 7, blocks)
    np.save(tmp_path / "numpy", array)
    np.testing.assert_array_equal(Scratch(tmp_path).get("x"), array)
    assert np.load(tmp_path / "x.npy").dtype == dtype
    assert (tmp_path / "x.npy").read_bytes()[-array.nbytes :] == array.tobytes()


def test_only_whole_arrays_appear(tmp_path):
    def breaks():
        yield np.zeros((2, 3))
        raise MemoryError

    for blocks, error in ((breaks(), MemoryError), ([np.zeros((2, 3))], ValueError)):
        with pytest.raises(error):
            Scratch(tmp_path).put("x", 4, blocks)
        assert not list(tmp_path.iterdir())


def test_workers_take_places_of_their_own_and_those_of_the_dead(tmp_path):
    scratch = Scratch(tmp_path)
    assert [scratch.take_place(["a", "b", "c"]) for _ in range(2)] == ["a", "b"]
    (tmp_path / f"a@{machine()}.claim").write_text(dead_process())
    assert [scratch.take_place(["a", "b", "c"]) for _ in range(2)] == ["a", "c"]
    with pytest.raises(ValueError, match="taken"):
        scratch.take_place(["a", "b", "c"])


def dead_process():
    """The description of a process that has ended, by itself."""
    code = (
        "import json; from stats_tl.archive.processes import describe_process; "
        "print(json.dumps(describe_process()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def test_the_claim_of_a_dead_process_is_taken_over(tmp_path):
    for content in (dead_process(), "", "not JSON"):
        (tmp_path / f"x@{machine()}.claim").write_text(content)
        made = Scratch(tmp_path).get_or_make("x", 2, lambda: [np.ones(2)])
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

    for make in (fails, lambda: [np.ones(2)]):
        try:
            scratch.get_or_make("x", 2, make)
        except MemoryError:
            continue
    np.testing.assert_array_equal(scratch.get_or_make("x", 2, fails), 1)
