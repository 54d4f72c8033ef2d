"""Bounded tables, binary labels, plan options."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats_tl.data import tables
from stats_tl.data.files import FolderStore
from stats_tl.data.tables import Option, binary_labels, read_options, read_table
from stats_tl.errors import UserError
from tests.data.conftest import task


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


@pytest.mark.parametrize(
    ("labels", "options", "expected"),
    [
        (["0", "1", "1.0"], {}, [0, 1, 1]),
        (["No", "Yes", "No"], {}, [0, 1, 0]),
        (["benign", "malignant"], {}, [0, 1]),
        (["benign", "malignant"], {"positive": "benign"}, [1, 0]),
        (["a", "b"], {"negative": "b"}, [1, 0]),
        ([0, 1, 2], {"positive": [1, 2], "negative": 0}, [0, 1, 1]),
        (["b", "m", "n"], {"positive": "m", "exclude": "n"}, [0, 1, -1]),
        (["true", "false"], {"positive": True}, [1, 0]),
        (["tear", "none"], {"negative": "none"}, [1, 0]),
    ],
)
def test_labels(labels, options, expected):
    cases = [str(i) for i in range(len(labels))]
    out = binary_labels(labels, cases, where="w", **options)
    assert out.dtype == np.int8
    assert out.tolist() == expected


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["1", "nan", ""], {}, r"without a label \(2\): '1', '2'"),
        (["0", "1", "2"], {}, "cannot tell which class is positive"),
        (["0", "1", "2"], {"positive": "1"}, "3 classes were found"),
        (["0", "1", "2", "3"], {"positive": "1", "negative": "0"}, "name every class"),
        (["1", "1"], {}, "two classes are needed"),
        (["a", "b"], {}, "cannot tell"),
        (["a", "b"], {"positive": "c"}, "the class 'c' does not occur"),
        (["a", "b"], {"positive": "a", "negative": "a"}, "named twice"),
        (["a", "b"], {"positive": ["a", "b"]}, "both a positive and a negative"),
        (["a", "b"], {"positive": "a", "exclude": "b"}, "two classes are needed"),
    ],
)
def test_labels_that_are_no_binary_reference_standard(labels, options, message):
    cases = [str(i) for i in range(len(labels))]
    with pytest.raises(UserError, match=message):
        binary_labels(labels, cases, where="w", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normal": "benign"}, "unknown option `normal`; did you mean 'normals'"),
        ({"normals": "bening"}, "did you mean 'benign'"),
        ({"normals": 3}, "`normals` must be str, was given 3"),
        ({"n": True}, "`n` must be int, was given True"),
        ({"n": 11}, "`n` must lie between 1 and 10, was given 11"),
        ({"x": float("nan")}, "`x` must lie between"),
        ({"x": "1"}, "`x` must be float"),
    ],
)
def test_wrong_options(options, message):
    allowed = (
        Option("normals", choices=("benign", "exclude")),
        Option("n", int, low=1, high=10),
        Option("x", float, low=0, high=1),
    )
    with pytest.raises(UserError, match=message):
        read_options(task("busi", **options), *allowed)


def test_options_have_defaults_and_take_whole_numbers_for_floats():
    allowed = (Option("x", float, default=0.5), Option("y", default="z"))
    assert read_options(task("busi", x=1), *allowed) == {"x": 1.0, "y": "z"}
