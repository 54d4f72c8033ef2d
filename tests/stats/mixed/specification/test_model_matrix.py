"""The formula language against R's ``model.matrix`` (reference/make_formulas.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from stats_tl.stats.mixed.specification.design import prepare
from stats_tl.stats.mixed.specification.expressions import Evaluator
from stats_tl.stats.mixed.specification.model_matrix import ModelMatrix
from stats_tl.stats.mixed.specification.syntax import deparse, parse
from stats_tl.stats.mixed.specification.terms import expand_terms

REFERENCE = Path(__file__).parents[1] / "reference"
EXPECTED = json.loads((REFERENCE / "formulas.json").read_text())
SIZES = ["small", "medium", "large", "huge"]


@pytest.fixture(scope="module")
def frame():
    data = pd.read_csv(REFERENCE / "formulas.csv")
    data["size"] = pd.Categorical(data["size"], categories=SIZES, ordered=True)
    return prepare(data, list(data.columns), [])


def model_matrix(formula, frame):
    return ModelMatrix(expand_terms(parse(formula)), frame, Evaluator())


@pytest.mark.parametrize("formula", EXPECTED)
def test_columns_are_rs(formula, frame):
    expected = EXPECTED[formula]
    model = model_matrix(formula, frame)
    assert model.names == expected["names"]
    number = np.arange(1.0, len(frame) + 1)
    for weights, key in ((number, "first"), (np.cos(number), "second")):
        size = np.maximum(np.abs(weights) @ np.abs(model.values), 1.0)
        assert_allclose(weights @ model.values / size, np.array(expected[key]) / size, atol=1e-11)


@pytest.mark.parametrize("formula", EXPECTED)
def test_new_rows_get_the_columns_of_the_fit(formula, frame):
    """Means, ranges and levels are those of the fit, whichever rows are asked for."""
    model = model_matrix(formula, frame)
    some = frame.iloc[[3, 17, 5]].reset_index(drop=True)
    assert_allclose(model.rows(some), model.values[[3, 17, 5]], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("I(x^2)", "I(x^2)"),
        ("I( x**2 )", "I(x^2)"),
        ("I(-x^2)", "I(-x^2)"),
        ("a*b/c", "a * b/c"),
        ("f('u', y = 0.10)", 'f("u", y = 0.1)'),
        ("I(1e6*x)", "I(1e+06 * x)"),
        ("I(x*123456)", "I(x * 123456)"),
        ("`my var` %in% b", "`my var` %in% b"),
        ("2L + 1e-20", "2L + 1e-20"),
    ],
)
def test_expressions_print_as_in_r(written, printed):
    assert deparse(parse(written)) == printed


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("cut(x, 3)", r"cut\(\) is not available.*pandas.cut"),
        ("ns(x, 3)", r"ns\(\) is not available.*basis"),
        ("frobnicate(x)", r"frobnicate\(\) is not available.*Available are"),
        ("np.linalg(x)", "not available"),
        ("Q('my var')", "backticks"),
        (".", "'.'.*name the columns"),
        ("x + 2", r"the number 2 is no term.*I\(x \+ 2\)"),
        ("x^2.5", r"whole number.*I\(x\^2\)"),
        ("x^z", "whole number"),
        ("log(arm)", "needs a number"),
        ("I(arm * 2)", "needs a number"),
        ("arm > 'a'", "have no order"),
        ("C(arm, contr.nope)", "unknown contrasts"),
        ("C(arm, contr.treatment, base = 9)", "no position among 3"),
        ("factor(arm, levels = c('a', 'b'))", "leaves out the level 'c'"),
        ("relevel(arm, ref = 'u')", "one of its levels"),
        ("as.numeric(arm)", "would number the levels"),
        ("poly(x, 60)", "distinct values"),
        ("poly(x, z, degree = 2)", "several variables"),
        ("scale(x, centre = TRUE)", "no argument 'centre'"),
        ("log(x, 2, 3)", "wrong number of arguments"),
        ("x[1]", "unexpected"),
        ("x + ", "ends too early"),
        ("log(x", "unbalanced"),
        ("x) + arm", "unbalanced"),
    ],
)
def test_refusals_name_the_cause_and_the_remedy(formula, message, frame):
    with pytest.raises(ValueError, match=message):
        model_matrix(formula, frame)
