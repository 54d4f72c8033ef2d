"""What every public function owes its reader: documented arguments, sections, a reference."""

import ast
import inspect
import subprocess
import sys

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


def test_type_checkers_see_what_is_found_at_run_time():
    tree = ast.parse(inspect.getsource(stats_tl.stats))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    declared = {
        f"stats_tl.stats.{line.module}": {alias.name for alias in line.names} for line in block.body
    }
    assert set().union(*declared.values()) == set(stats_tl.stats.__all__)
    assert set(stats_tl.stats.__all__) <= set(dir(stats_tl.stats))
    for module, names in declared.items():
        for name in names:
            home = getattr(stats_tl.stats, name).__module__
            assert home == module or home.startswith(f"{module}."), name
    with pytest.raises(AttributeError, match="delong_tset"):
        stats_tl.stats.delong_tset  # noqa: B018 - the attribute is what is tested


IMPORTS = """
import sys
import stats_tl.stats
assert not {"numpy", "pandas", "scipy"} & set(sys.modules), "on import"
for name in stats_tl.stats.__all__:
    if name != "DegenerateDataWarning":  # scipy's is its base class
        getattr(stats_tl.stats, name)
heavy = {"scipy.stats", "scipy.optimize", "scipy.special", "pyarrow.parquet"} & set(sys.modules)
assert not heavy, heavy
from stats_tl.stats import delong_test
print(delong_test([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], [0.2, 0.3, 0.1, 0.9]).estimate)
"""


def test_libraries_are_loaded_when_a_function_needs_them():
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "0.25\n"
