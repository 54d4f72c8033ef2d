"""Numbers of a column that are padded as told have their decimal points in one place."""

import pytest

from stats_tl.reporting.rendering.decimals import Decimals


@pytest.mark.parametrize(
    "column",
    [
        ["0.812", "0.9", "12.35", "7", "–"],
        ["−0.013", "0.013", "−12.5"],
        ["<.001", ".03", ".049", ">.99", ""],
        ["–", "", "a to b"],
    ],
)
def test_points_are_in_line(column):
    room = Decimals.of(column)
    padded = []
    for text in column:
        before, after = room.lacking(text)
        assert before + after == "" or any(letter.isdigit() for letter in text)
        padded.append(before + text + after)
    numbers = [text for text in padded if any(letter.isdigit() for letter in text)]
    assert len({len(text) for text in numbers}) <= 1
    assert len({text.find(".") for text in numbers}) <= 1
