"""The options of an adapter."""

from __future__ import annotations

import pytest

from stats_tl.data.options import Option, read_options
from stats_tl.errors import UserError
from tests.data.conftest import task


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
