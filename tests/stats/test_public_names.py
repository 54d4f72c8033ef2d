"""What every public function owes its reader: documented arguments, sections, a reference."""

import inspect

import pytest

import stats_tl.stats

FUNCTIONS = [name for name in stats_tl.stats.__all__ if name.islower()]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring_is_complete(name):
    function = getattr(stats_tl.stats, name)
    text = inspect.getdoc(function)
    for section in ("Parameters", "Returns", "Raises", "References", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text, section
    # Books have an ISBN; Nemenyi's is a thesis.
    assert any(mark in text for mark in (":doi:", "doi:10.", "ISBN", "PhD thesis"))
    assert f"import {name}" in text or f", {name}" in text
    documented = text.split("Parameters\n---")[1].split("\nReturns\n---")[0]
    for argument in inspect.signature(function).parameters:
        assert argument in documented, argument


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_are_keyword_only(name):
    # The contract gives `adjust_pvalues` its method by position; df belongs to the data.
    allowed = {"df", "method"} if name == "adjust_pvalues" else {"df"}
    parameters = inspect.signature(getattr(stats_tl.stats, name)).parameters.values()
    for parameter in parameters:
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY and parameter.name not in allowed:
            assert parameter.default is inspect.Parameter.empty, parameter.name
