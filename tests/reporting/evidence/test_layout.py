"""CSV tables of other people: wide and long, other names, covariates, tuning cases."""

import pandas as pd
import pytest

from stats_tl.errors import UserError
from stats_tl.reporting import compare_arms, parse_mapping, read_predictions

from ..simulate import simulate_scores

COLUMNS = {"case": "image_id", "y_true": "malignant", "patient": "pid"}
ARMS = {"imagenet": "p_in", "radimagenet": "p_rin"}


@pytest.fixture(scope="module")
def long():
    scores = simulate_scores(repeats=2, n_patients=40)
    scores["scanner"] = scores["case"].str[-1].map(lambda c: "A" if c in "01234" else "B")
    return scores.drop(columns=["partition", "head", "unfreeze", "backbone"])


@pytest.fixture(scope="module")
def wide(long):
    keys = [c for c in long.columns if c not in ("arm", "score")]
    table = long.pivot(index=keys, columns="arm", values="score").reset_index()  # noqa: PD010
    table = table.rename(columns={"imagenet": "p_in", "radimagenet": "p_rin"})
    return table.rename(columns={theirs: ours for theirs, ours in COLUMNS.items()})


def write(tmp_path, frame):
    path = tmp_path / "p.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_wide_table_with_other_names_is_the_long_one(tmp_path, long, wide):
    read = read_predictions(write(tmp_path, wide), columns=COLUMNS, arms=ARMS)
    expected = compare_arms(long, "imagenet").iloc[0]
    found = compare_arms(read.scores(), "imagenet").iloc[0]
    assert found["pvalue"] == pytest.approx(expected["pvalue"], rel=1e-12)
    assert found["n_patients"] == expected["n_patients"]


def test_other_columns_are_covariates_of_the_cases(tmp_path, long):
    noted = long.assign(note=range(len(long)))
    read = read_predictions(write(tmp_path, noted))
    cases = read.cases("breast").set_index("case")
    expected = long.drop_duplicates("case").set_index("case")["scanner"]
    assert (cases["scanner"] == expected[cases.index]).all()
    assert read.ignored == ("note",)
    assert "note" not in cases.columns


def test_a_case_without_a_score_in_one_arm_is_refused_by_name(tmp_path, wide):
    gap = wide.copy()
    gap.loc[3, "p_rin"] = None
    read = read_predictions(write(tmp_path, gap), columns=COLUMNS, arms=ARMS)
    with pytest.raises(UserError, match=f"score in one arm only \\({gap['image_id'][3]}"):
        compare_arms(read.scores(), "imagenet")


def test_tuning_cases_are_kept_apart(tmp_path, long):
    tuned = pd.concat([long.assign(partition="test"), long.assign(partition="Val")])
    read = read_predictions(write(tmp_path, tuned))
    assert len(read.scores(partition="test")) == len(read.scores(partition="validation"))
    with pytest.raises(UserError, match="column 'partition' holds 'train'; allowed: test"):
        read_predictions(write(tmp_path, tuned.replace({"partition": {"Val": "train"}})))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--columns case=THEIRS"),
        ({"columns": COLUMNS}, r"A score column for each arm: --arms NAME=p_in,NAME=p_rin"),
        ({"columns": {**COLUMNS, "case": "imageid"}}, "--columns case=imageid: no such column; "
         "did you mean 'image_id'"),
        ({"columns": {"kase": "image_id"}}, "--columns kase=image_id: did you mean 'case'"),
        ({"columns": COLUMNS, "arms": {"a": "p_inn"}}, "--arms a=p_inn: no such column"),
        ({"columns": COLUMNS, "arms": {"a": "p_in", "b": "p_in"}}, "for more than one arm"),
        ({"columns": {**COLUMNS, "score": "p_in"}, "arms": {"a": "p_rin"}}, "leave out --arms"),
    ],
)  # fmt: skip
def test_wrong_descriptions_are_explained(tmp_path, wide, options, message):
    with pytest.raises(UserError, match=message):
        read_predictions(write(tmp_path, wide), **options)


def test_a_row_with_more_fields_than_the_header_is_refused(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("case,y_true,arm,score\n1,0,a,0.1\n2,1,a,0.2,0.3\n")
    with pytest.raises(UserError, match=r"p.csv: row 3 has 5 fields and the heading has 4"):
        read_predictions(path)


@pytest.mark.parametrize("text", ["a", "a=", "=b", "a=b,a=c", ""])
def test_a_bad_mapping_is_refused(text):
    with pytest.raises(UserError, match="--columns"):
        parse_mapping(text, "--columns", "case=image_id")
