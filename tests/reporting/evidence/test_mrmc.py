"""Reader studies: a column, iMRMC's and OR-DBM's files; checked with Van Dyke's data."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stats_tl.errors import UserError
from stats_tl.reporting import AnalysisOptions, build_report, compare_arms, read_predictions
from stats_tl.stats import obuchowski_rockette_test

ARMS, READERS, CASES, POSITIVE = ["cine", "SE"], ["Ames", "Brown", "Clark"], 40, 15


@pytest.fixture(scope="module")
def study():
    """Ratings 1 to 5 of three readers, in two arms; negative cases first."""
    rng = np.random.default_rng(8)
    y = np.arange(CASES) >= CASES - POSITIVE
    latent = y * np.array([0.9, 1.5])[:, None, None] + rng.standard_normal((2, 3, CASES))
    ratings = np.clip(np.round(latent + 2.5), 1, 5).astype(int)
    return y.astype(int), ratings


def as_frame(study):
    y, ratings = study
    return pd.concat(
        pd.DataFrame(
            {"case": range(CASES), "y_true": y, "arm": arm, "reader": who, "score": ratings[a, r]}
        )
        for a, arm in enumerate(ARMS)
        for r, who in enumerate(READERS)
    )


def as_imrmc(study, truth=("-1", "0")):
    y, ratings = study
    rows = [f"{truth[0]},{case},{truth[1]},{label}" for case, label in enumerate(y)]
    for r, who in enumerate(READERS):
        for case in range(CASES):
            rows += [f"{who},{case},{arm},{ratings[a, r, case]}" for a, arm in enumerate(ARMS)]
    head = f"A study\n\nNR: 3\nN0: {CASES - POSITIVE}\nN1: {POSITIVE}\nNM: 2\n\nBEGIN DATA:\n"
    return head + "\n".join(rows) + "\n"


def as_lrc(study, *, direction="L", heading_each=False, drop=0):
    y, ratings = study
    sign = 1 if direction == "L" else -1
    lines = ["A study"]
    for r, who in enumerate(READERS):
        lines.append(who)
        if r == 0 or heading_each:
            lines += ['   "cine"   "SE"', f"       {direction}       {direction}"]
        for label in (0, 1):
            own = np.flatnonzero(y == label)[: None if r or not label else POSITIVE - drop]
            lines += [
                "  ".join(f"{sign * ratings[a, r, c]:f}" for a in (0, 1)) + f"  Case {c}"
                for c in own
            ]
            lines.append("*")
    return "\n".join([*lines, "#"]) + "\n"


def report_of(tmp_path, text, name, formats=()):
    (tmp_path / name).write_text(text)
    evidence = read_predictions(tmp_path / name)
    return build_report(evidence, AnalysisOptions(reference="cine"), formats=formats)


FORMS = {
    "a column": (lambda s: as_frame(s).to_csv(index=False), "s.csv"),
    "iMRMC, truth of reader -1": (as_imrmc, "s.imrmc"),
    "iMRMC, truth of old R": (lambda s: as_imrmc(s, ("-1", "truth")), "s.imrmc"),
    "iMRMC, truth of reader truth": (lambda s: as_imrmc(s, ("truth", "truth")), "s.imrmc"),
    "OR-DBM": (as_lrc, "s.lrc"),
    "OR-DBM, names for each": (lambda s: as_lrc(s, heading_each=True), "s.lrc"),
    "OR-DBM, small means disease": (lambda s: as_lrc(s, direction="S"), "s.lrc"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_file_gives_the_test_of_the_readers(tmp_path, study, form):
    write, name = FORMS[form]
    row = report_of(tmp_path, write(study), name).comparisons.iloc[0]
    y, ratings = study
    expected = obuchowski_rockette_test(y, ratings[::-1].astype(float))
    assert row["test"] == "mrmc"
    assert row["n_seeds"] == 3
    assert row["difference"] == pytest.approx(expected.estimate, abs=1e-12)
    assert row["pvalue"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert row["difference_low"] == pytest.approx(expected.confidence_interval.low, abs=1e-12)
    assert row["estimand"] == "these modalities, for new readers and new images"


def test_van_dyke(tmp_path, gold_vandyke):
    """.897 and .941, difference .044 (0.000 to 0.088), P .05: published, and MRMCaov's."""
    row = report_of(tmp_path, gold_vandyke.to_csv(index=False), "vd.csv").comparisons.iloc[0]
    assert f"{row['auc_reference']:.3f} {row['auc']:.3f}" == "0.897 0.941"
    assert f"{row['difference']:.3f}" == "0.044"
    assert row["difference_low"] == pytest.approx(0, abs=0.0005)
    assert row["difference_high"] == pytest.approx(0.088, abs=0.0005)
    assert f"{row['pvalue']:.2f}" == "0.05"


@pytest.fixture
def gold_vandyke():
    path = Path(__file__).resolve().parents[4] / "shared/gold/vandyke.csv"
    if not path.exists():
        pytest.skip("Van Dyke's ratings lie beside the checkout and are never copied")
    frame = pd.read_csv(path)
    return pd.DataFrame(
        {
            "case": frame["case"],
            "y_true": frame["truth"],
            "arm": frame["treatment"].map({1: "cine", 2: "SE"}),
            "reader": frame["reader"],
            "score": frame["rating"],
        }
    )


def test_words_are_about_readers(tmp_path, study):
    text = as_frame(study).to_csv(index=False)
    built = report_of(tmp_path, text, "s.csv", ["latex", "words", "figures", "html"])
    printed = built.files["tables/significance.tex"].decode()
    assert "3 readers" in printed
    methods = built.files["methods.md"].decode()
    assert "each of 3 readers read all of them with every arm" in methods
    assert "with readers and cases as random" in methods
    # The checklists ask about models whatever was studied.
    names = [f for f in built.files if f.endswith((".tex", ".md")) and "checklist" not in f]
    shown = [built.files[name].decode() for name in names]
    for page in shown:
        assert not re.search(r"train(ed|ing)|seeds?\b", re.sub(r"(?m)^%.*", "", page)), page
    (section,) = [s for s in built.sections if s.name == "readers"]
    assert set(section.numbers["reader"]) == set(READERS)
    y, ratings = study
    expected = obuchowski_rockette_test(y, ratings[::-1].astype(float)).reader_estimates
    found = section.numbers.pivot_table(index="arm", columns="reader", values="auc")
    assert found.loc[["SE", "cine"], READERS].to_numpy() == pytest.approx(expected, abs=1e-12)


class TestMissing:
    def test_cases_that_a_reader_has_not_read_are_listed(self, study):
        frame = as_frame(study)
        gaps = frame[~((frame["reader"] == "Brown") & frame["case"].isin([3, 7]))]
        with pytest.raises(UserError, match=r"reader Brown: 2 of 40 cases not read: 3, 7"):
            self.compare(gaps)
        (row,) = self.compare(gaps, allow_incomplete=True).to_dict("records")
        y, ratings = study
        expected = obuchowski_rockette_test(y, ratings[::-1][:, [0, 2]].astype(float))
        assert row["pvalue"] == pytest.approx(expected.pvalue, rel=1e-9)

    def test_a_case_read_in_one_arm_only(self, study):
        frame = as_frame(study).reset_index(drop=True)
        with pytest.raises(UserError, match="reader Ames: 1 case has a score in one arm only"):
            self.compare(frame[1:])

    def test_one_reader(self, study):
        frame = as_frame(study)
        (row,) = self.compare(frame[frame["reader"] == "Ames"]).to_dict("records")
        assert row["test"] == "delong"
        assert row["estimand"] == "this reader, for new images"

    def test_a_reader_and_a_seed(self, tmp_path, study):
        as_frame(study).assign(seed=0).to_csv(tmp_path / "p.csv", index=False)
        with pytest.raises(UserError, match="a column 'reader' and a column 'seed'"):
            read_predictions(tmp_path / "p.csv")

    @staticmethod
    def compare(frame, **options):
        return compare_arms(frame, "cine", **options)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("s.lrc", lambda s: as_lrc(s)[:-2], "ends where the name of a reader, or # should be"),
        ("s.lrc", lambda s: as_lrc(s, drop=2), r"differ in their numbers .* Ames: 25 \+ 13"),
        ("s.lrc", lambda s: as_lrc(s).replace("L", "M", 1), "expected L or S .* got 'M'"),
        ("s.lrc", lambda s: as_lrc(s).replace("*", "x y", 1), "expected 2 ratings, got 'x y'"),
        ("s.lrc", lambda s: as_lrc(s).replace("Brown", "Ames"), "reader 'Ames' is there twice"),
        ("s.imrmc", lambda s: as_imrmc(s).replace("-1,5,0,0\n", ""), "case '5' has no row of"),
        ("s.imrmc", lambda s: as_imrmc(s) + "Ames,1,cine\n", "got 'Ames,1,cine'"),
        ("s.imrmc", lambda s: as_imrmc(s) + "-1,5,0,1\n", "case '5' has two rows of truth"),
    ],
)  # fmt: skip
def test_files_that_are_wrong(tmp_path, study, name, change, message):
    (tmp_path / name).write_text(change(study))
    with pytest.raises(UserError, match=message):
        read_predictions(tmp_path / name)
