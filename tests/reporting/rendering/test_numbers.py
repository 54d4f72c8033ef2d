"""Numbers as the AMA Manual of Style prints them."""

import math

import pytest

from stats_tl.reporting.rendering.numbers import (
    format_count,
    format_interval,
    format_number,
    format_p,
)

NAN = float("nan")


# AMA Manual of Style, 11th ed., 19.5: two decimals; three below .01; <.001; >.99; three where
# two would hide significance; no zero before the point.
@pytest.mark.parametrize(
    ("pvalue", "printed"),
    [
        (0.0, "<.001"),
        (1e-300, "<.001"),
        (0.00099999, "<.001"),
        (0.001, ".001"),
        (0.0014, ".001"),
        (0.0096, ".010"),
        (0.01, ".01"),
        (0.034, ".03"),
        (0.0449, ".04"),
        (0.046, ".046"),
        (0.049, ".049"),
        (0.0496, ".0496"),
        (0.049999, ".049999"),
        (0.05, ".05"),
        (0.051, ".05"),
        (0.055, ".06"),
        (0.2, ".20"),
        (0.989, ".99"),
        (0.99, ".99"),
        (0.9901, ">.99"),
        (1.0, ">.99"),
        (NAN, "–"),
    ],
)
def test_pvalues(pvalue, printed):
    assert format_p(pvalue) == printed


@pytest.mark.parametrize("alpha", [0.01, 0.025, 0.05, 0.1])
def test_a_significant_pvalue_never_looks_as_if_it_were_not(alpha):
    for thousandth in range(1, 1000):
        pvalue = thousandth / 1000 * alpha
        text = format_p(pvalue, alpha)
        shown = 0.001 if text == "<.001" else float(text)
        assert shown < alpha or text == "<.001"


@pytest.mark.parametrize(
    ("value", "digits", "printed"),
    [
        (0.8345, 3, "0.835"),
        (-0.0126, 3, "−0.013"),
        (-0.0001, 3, "0.000"),
        (0.0, 3, "0.000"),
        (12.345, 1, "12.3"),
        (-1.0, 0, "−1"),
        (NAN, 3, "–"),
    ],
)
def test_numbers_have_a_true_minus_and_no_negative_zero(value, digits, printed):
    assert format_number(value, digits) == printed


def test_intervals_read_low_to_high():
    assert format_interval(-0.0126, 0.0341) == "−0.013 to 0.034"
    assert format_interval(NAN, 0.1) == "–"


def test_counts():
    assert format_count(1875.0) == "1875"
    assert format_count(1_350_000) == "1\u202f350\u202f000"
    assert format_count(math.nan) == "–"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0004, 0.0126, "0.0004 to 0.0126"),
        (-0.0126, -0.00004, "−0.01260 to −0.00004"),
        (-0.0004, 0.0126, "−0.0004 to 0.0126"),  # it holds 0, and does not end there
        (0.001, 0.2, "0.001 to 0.200"),
        (0.0, 0.2, "0.000 to 0.200"),
    ],
)
def test_an_interval_without_0_does_not_touch_it(low, high, text):
    assert format_interval(low, high) == text
