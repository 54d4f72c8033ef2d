"""'Table 1' of covariates, against tableone 0.9.6 and counts by hand."""

import numpy as np
import pandas as pd
import pytest

from stats_tl.reporting import AnalysisOptions, Predictions, build_report
from stats_tl.reporting.results.baseline import standardised_difference

from ..simulate import simulate_scores

OPTIONS = AnalysisOptions(reference="imagenet", clinical_table=False)


def section(scores):
    report = build_report(Predictions(scores), OPTIONS, formats=[])
    return next((part for part in report.sections if part.name == "baseline"), None), report


# TableOne(d, columns=[...], nonnormal=["dose"], groupby="y", smd=True).smd_table of these columns.
@pytest.mark.parametrize(
    ("name", "smd"), [("age", 0.107908), ("dose", 0.046724), ("site", 2.44949)]
)
def test_standardised_differences_are_those_of_tableone(name, smd):
    i = np.arange(60)
    columns = {
        "age": (i * 37 % 61 + 20).astype(float),
        "dose": np.exp((i * 17 % 23) / 5.0),
        "site": np.array(["A", "B", "C"])[(i * i) % 3 * (i % 4 > 0)],
    }
    values = pd.Series(columns[name])
    if name == "age":
        values[[3, 17]] = np.nan
    y = i * 11 % 3 == 0
    found = standardised_difference(values[y], values[~y], quantity=name != "site")
    assert found == pytest.approx(smd, rel=1e-5)


def test_several_levels_are_one_difference():
    a, b = pd.Series(list("aabbccdd")), pd.Series(list("aaaabbcd"))
    p, q = np.array([0.25, 0.25, 0.25]), np.array([0.25, 0.125, 0.125])
    spread = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    expected = np.sqrt((p - q) @ np.linalg.inv(spread) @ (p - q))
    assert standardised_difference(a, b, quantity=False) == pytest.approx(expected)


@pytest.fixture(scope="module")
def described():
    """Ages and sexes of patients, and the side of each image, one age missing."""
    scores = simulate_scores(n_patients=90, repeats=2)
    number = scores["patient"].str[1:].astype(int)
    scores["age"] = np.where(number == 7, np.nan, 40 + number % 37)
    scores["sex"] = np.where(number % 3 == 0, "m", "f")
    scores["side"] = np.where(scores["case"].str[1:].astype(int) % 2, "left", "right")
    return scores, *section(scores)


def test_what_a_patient_has_is_counted_once(described):
    scores, found, _ = described
    people = scores.drop_duplicates("patient")
    numbers = found.numbers
    males = numbers[(numbers["covariate"] == "sex") & (numbers["level"] == "m")]
    males = males.set_index(["by", "group"])
    assert males["unit"].eq("patient").all()
    for group, of_class in (("With event", 1), ("Without event", 0)):
        own = people[people["y_true"] == of_class]
        assert males.loc[("class", group), "n"] == len(own)
        assert males.loc[("class", group), "count"] == (own["sex"] == "m").sum()
    age = numbers[(numbers["covariate"] == "age") & (numbers["by"] == "all")].iloc[0]
    assert (age["n"], age["n_missing"], age["kind"]) == (90, 1, "mean")
    assert age["mean"] == pytest.approx(people["age"].mean())
    assert age["sd"] == pytest.approx(people["age"].std())
    side = numbers[(numbers["covariate"] == "side") & (numbers["by"] == "all")]
    assert side["unit"].eq("image").all()
    assert side["n"].iloc[0] == scores["case"].nunique()


def test_the_table_is_printed_as_journals_have_it(described):
    _, found, _ = described
    labels = [row.cells[0].text for row in found.table.rows]
    assert "Age, mean (SD)" in labels
    assert "Sex, n (%)" in labels
    assert "Side, n (%) of images" in labels
    assert [c.header for c in found.table.columns] == [
        "Characteristic", "Missing", "All", "With event", "Without event", "SMD",
    ]  # fmt: skip
    assert not any(c.align == "p" for c in found.table.columns)
    assert "Partitions are not compared" in " ".join(found.table.notes)


def test_partitions_of_one_test_set():
    scores = simulate_scores(folds=1, repeats=1).assign(partition="test")
    half = scores["patient"] < "p060"
    scores.loc[half, "partition"] = "validation"
    scores["sex"] = np.where(half, "m", "f")
    found, _ = section(scores)
    numbers = found.numbers
    of_test = numbers[(numbers["group"] == "Test") & (numbers["level"] == "f")].iloc[0]
    assert of_test["share"] == 1
    assert set(numbers.loc[numbers["by"] == "partition", "group"]) == {"Tuning", "Test"}


def test_no_covariates_no_table():
    found, report = section(simulate_scores(repeats=1))
    assert found is None
    assert "no covariates" in report.summary["absent"]["baseline"]
