"""Access stays below the root and within bounds."""

from __future__ import annotations

import os
import pickle
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats_tl.data.files import FolderStore, ZipStore, open_store, safe_name
from stats_tl.errors import UserError


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/passwd", "\\\\host\\x", "C:\\x", "c:x", "..", "a/..\\..\\b", ""],
)
def test_names_that_leave_the_root_are_refused(name):
    with pytest.raises(UserError, match="demo"):
        safe_name(name, where="demo")


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "a\x7f"])
def test_control_characters_are_refused(name):
    with pytest.raises(UserError, match="control characters"):
        safe_name(name, where="demo")


@given(st.text(max_size=40))
def test_whatever_is_accepted_stays_below_the_root(tmp_path_factory, name):
    root = tmp_path_factory.getbasetemp().resolve()
    try:
        safe = safe_name(name, where="demo")
    except UserError:
        return
    assert (root / safe).resolve().is_relative_to(root)


def test_folder_lists_files_sorted_without_hidden_ones_and_survives_a_loop(tmp_path, write):
    for name in ("b/2.png", "b/1.png", "a.png", ".hidden/x.png", "b/.DS_Store"):
        write(name, "x")
    (tmp_path / "b" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert FolderStore(tmp_path).names() == ["a.png", "b/1.png", "b/2.png"]
    assert FolderStore(tmp_path).names("b")[:2] == ["b/1.png", "b/2.png"]


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(2**40)  # sparse: a terabyte that occupies nothing
    with pytest.raises(UserError, match="limit"):
        FolderStore(tmp_path).read("huge.csv")


def test_pipes_and_folders_count_as_missing(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    store = FolderStore(tmp_path)
    assert store.size("pipe") is store.size("folder") is store.size("absent") is None
    with pytest.raises(UserError, match="missing"):
        store.read("pipe")


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def test_zip_is_read_in_place_and_a_single_top_folder_is_dropped(tmp_path):
    store = ZipStore(zipped(tmp_path / "a.zip", [("top/x.csv", "1"), ("top/i/y.png", "22")]))
    assert store.names() == ["i/y.png", "x.csv"]
    assert store.names("i") == ["i/y.png"]
    assert store.read("i/y.png") == b"22"
    assert store.size("top/x.csv") is None
    assert pickle.loads(pickle.dumps(store)).read("x.csv") == b"1"


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "a/../../evil.png"])
def test_zip_with_climbing_names_is_refused(tmp_path, name):
    store = ZipStore(zipped(tmp_path / "a.zip", [("x", "1"), (name, "1")]))
    with pytest.raises(UserError, match="leaves the data folder"):
        store.names()


def test_zip_bomb_is_refused_by_its_declared_size(tmp_path):
    store = ZipStore(zipped(tmp_path / "a.zip", [("x.png", b"\0" * 2_000_000), ("y", "1")]))
    with pytest.raises(UserError, match="2,000,000 bytes, more than the limit"):
        store.read("x.png", limit=1_000_000)


def test_zip_entry_that_lies_about_its_size_or_content_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", [("x.png", b"\0" * 50_000), ("y", "1")])
    data = bytearray(path.read_bytes())
    centre = data.find(b"PK\x01\x02")
    data[centre + 24 : centre + 28] = (10).to_bytes(4, "little")  # uncompressed size
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"x\.png"):
        ZipStore(path).read("x.png", limit=1_000)


def test_two_entries_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "a.zip", [("x", "1"), ("x", "2")])
    with pytest.raises(UserError, match="two files named 'x'"):
        ZipStore(path).names()


def test_every_damaged_zip_is_a_clear_error(tmp_path):
    path = zipped(tmp_path / "a.zip", [("x.csv", "a,b\n" * 50), ("y.csv", "c" * 99)])
    good = path.read_bytes()
    for position in range(0, len(good), 3):
        bad = bytearray(good)
        bad[position] ^= 0x55
        path.write_bytes(bad)
        store = ZipStore(path)
        try:
            for name in store.names():
                store.read(name)
        except UserError:
            continue


def test_open_store_says_what_is_missing(tmp_path, write):
    with pytest.raises(UserError, match="needs `path`"):
        open_store(None, where="task 't'", marker="x")
    with pytest.raises(UserError, match="there is no folder or zip archive"):
        open_store(tmp_path / "absent", where="task 't'", marker="x")
    with pytest.raises(UserError, match="not a zip archive"):
        open_store(write("a.txt", "text"), where="task 't'", marker="x")


def test_open_store_enters_the_one_folder_with_the_marker(tmp_path, write):
    write("inner/marker.csv", "x")
    assert open_store(tmp_path, where="t", marker="marker.csv").path == tmp_path / "inner"
    write("other/marker.csv", "x")
    assert open_store(tmp_path, where="t", marker="marker.csv").path == tmp_path


@pytest.mark.parametrize("stray", [".DS_Store", "README.txt", "__MACOSX/._x"])
def test_zip_with_a_stray_file_beside_the_one_folder(tmp_path, stray):
    path = zipped(tmp_path / "a.zip", [("top/marker/x.png", "1"), ("top/y.csv", "2"), (stray, "3")])
    for marker in ("marker", "y.csv"):
        store = open_store(path, where="t", marker=marker)
        assert store.read("marker/x.png") == b"1"
        assert pickle.loads(pickle.dumps(store)).read("y.csv") == b"2"
    beside = zipped(tmp_path / "b.zip", [("cases.csv", "1"), ("images/a.png", "2")])
    assert open_store(beside, where="t", marker="cases.csv").read("images/a.png") == b"2"


def test_the_head_of_a_file(tmp_path, write):
    write("a.bin", "x" * 1000)
    packed = ZipStore(zipped(tmp_path / "a.zip", [("a.bin", "x" * 1000), ("b", "")]))
    for store in (FolderStore(tmp_path), packed):
        assert store.head("a.bin", 10) == b"x" * 10
        with pytest.raises(UserError, match="missing"):
            store.head("c", 10)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"bild-\xe9.png", r"it is not UTF-8.*bild-.*xe9\.png"),
        (b"a\x1b[31m.png", "it has control characters"),
        (b"a\n.png", "it has control characters"),
    ],
)
def test_a_folder_with_names_that_nothing_can_hold(tmp_path, name, reason):
    (tmp_path / "good.png").write_bytes(b"x")
    (tmp_path / os.fsdecode(name)).touch()
    with pytest.raises(UserError, match=reason) as error:
        FolderStore(tmp_path).names()
    str(error.value).encode()
    assert "\x1b" not in str(error.value)


def test_a_name_of_5000_characters():
    with pytest.raises(UserError, match=r"5,000 characters, more than 1,024"):
        safe_name("a" * 5000, where="cases.csv")
