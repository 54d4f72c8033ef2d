"""Bounded tables."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats_tl.data import tables
from stats_tl.data.files import FolderStore
from stats_tl.data.tables import read_table
from stats_tl.errors import UserError


def table_of(write, content, **keywords):
    path = write("t.csv", content)
    return read_table(FolderStore(path.parent), "t.csv", **keywords)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_line_ends_byte_order_mark_and_blank_lines(write, separator, end):
    text = end.join(["﻿" + separator.join(["a", "b"]), separator.join([' "x y"', " NaN "]), "", ""])
    text = text.replace(' "', '"')
    table = table_of(write, text)
    assert table.columns.tolist() == ["a", "b"]
    assert table.to_numpy().tolist() == [["x y", "NaN"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("a,b\n", "empty"),
        ("a,b\n1,2\n1\n", "line 3: 1 fields where the header has 2"),
        ("a,b\n1,2,3\n", "line 2: 3 fields"),
        ("a,a\n1,2\n", "two columns are named 'a'"),
        ('a,b\n"1,2\n', "line 2: not a CSV"),
        (b"a,b\n\xff\xfe,1\n", "not UTF-8"),
        ("a," + "x" * 200_000 + "\n1,2\n", "field larger than field limit"),
        ("a," + "," * 2_000_000 + "\n", "a line of 2,000,002 bytes"),
        (",".join(f"c{i}" for i in range(1_500)) + "\n", "1,500 columns"),
    ],
)
def test_what_is_not_a_table_is_refused(write, content, message):
    with pytest.raises(UserError, match=message):
        table_of(write, content)


def test_a_field_of_a_gigabyte_is_refused_unread(tmp_path):
    with (tmp_path / "t.csv").open("wb") as file:
        file.write(b'path,label\n"')
        file.truncate(2**30)
    with pytest.raises(UserError, match=r"1,073,741,824 bytes, more than the limit"):
        read_table(FolderStore(tmp_path), "t.csv")


def test_the_number_of_rows_is_bounded(write, monkeypatch):
    monkeypatch.setattr(tables, "MAX_ROWS", 10)
    with pytest.raises(UserError, match="more than 10 rows"):
        table_of(write, "a\n" + "1\n" * 11)


def test_missing_column_names_the_nearest(write):
    with pytest.raises(UserError, match="no column 'label'; did you mean 'labels'"):
        table_of(write, "path,labels\na,1\n", columns=["path", "label"])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_a_clear_error(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    (folder / "f.csv").write_bytes(data)
    try:
        table = read_table(FolderStore(folder), "f.csv")
    except UserError:
        return
    assert len(table) > 0
    assert table.map(lambda field: isinstance(field, str)).to_numpy().all()


def test_a_table_without_a_header_takes_names(write):
    table = table_of(write, "0000,1\n0001,0\n", header=("exam", "label"))
    assert table.columns.tolist() == ["exam", "label"]
    assert table.to_numpy().tolist() == [["0000", "1"], ["0001", "0"]]
    with pytest.raises(UserError, match="line 2: 3 fields where the header has 2"):
        table_of(write, "0000,1\n0001,0,x\n", header=("exam", "label"))
