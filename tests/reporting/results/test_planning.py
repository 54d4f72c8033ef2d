"""The design calculator of the command line against the library's."""

import pytest

from stats_tl import report
from stats_tl.errors import UserError
from stats_tl.reporting.results.planning import design_table, parse_design
from stats_tl.stats import repeated_cv_design


def test_rows_are_the_librarys():
    table = design_table(parse_design("n=400,prevalence=.3,auc=.8,difference=.05,noise=2,half=0"))
    assert table["repeats"].tolist() == [2, 5, 10, 20, 50]
    for row in table.itertuples():
        own = repeated_cv_design(
            400, prevalence=0.3, auc=0.8, difference=0.05, run_noise=2, half=False,
            n_repeats=row.repeats,
        )  # fmt: skip
        assert row.power == own.power
        assert row.smallest_detectable_difference == own.smallest_detectable_difference
    assert table["power"].is_monotonic_increasing


def test_the_command_prints_it(capsys):
    assert report.main(["--design", "n=780, prevalence=0.27, auc=0.8, repeats=10"]) == 0
    out = capsys.readouterr().out
    assert "780 patients, 211 events; 5-fold" in out
    own = repeated_cv_design(780, prevalence=0.27, auc=0.8)
    assert f"{own.smallest_detectable_difference:.3f}" in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n=400,auc=.8", "lacks prevalence"),
        ("n=400,prevalance=.3,auc=.8", "did you mean 'prevalence'"),
        ("n=4e2,prevalence=.3,auc=.8", "expected a whole number"),
        ("n=400,prevalence=x,auc=.8", "expected a number"),
        ("n", "expected NAME=NUMBER"),
        ("n=400,prevalence=.3,auc=1.8", "`auc`"),
    ],
)
def test_wrong_designs_are_named(text, message):
    with pytest.raises(UserError, match=message):
        design_table(parse_design(text))
