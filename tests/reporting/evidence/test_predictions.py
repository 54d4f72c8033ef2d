"""Predictions made elsewhere, and the options of an analysis."""

import hashlib

import pytest

from stats_tl.errors import UserError
from stats_tl.reporting import AnalysisOptions, read_analysis_plan, read_predictions

GOOD = "case,y_true,arm,score\n1,0,a,0.1\n2,1,a,0.7\n1,0,b,0.2\n2,1,b,0.3\n"


def write(tmp_path, text, name="p.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


class TestPredictions:
    @pytest.mark.parametrize("separator", [";", "\t", ","])
    @pytest.mark.parametrize("decimal", [",", "."])
    def test_separators_and_decimal_marks_of_spreadsheets(self, tmp_path, separator, decimal):
        text = GOOD.replace(",", separator)
        if separator != ",":
            text = text.replace(".", decimal)
        evidence = read_predictions(write(tmp_path, text))
        expected = read_predictions(write(tmp_path, GOOD))
        assert evidence.scores().equals(expected.scores())

    def test_commas_in_identifiers_are_no_decimal_marks(self, tmp_path):
        text = GOOD.replace(",", ";").replace("\n1;", "\na,1;").replace("\n2;", "\na,2;")
        evidence = read_predictions(write(tmp_path, text))
        assert sorted(set(evidence.scores()["case"].astype(str))) == ["a,1", "a,2"]
        assert sorted(evidence.scores()["score"]) == [0.1, 0.2, 0.3, 0.7]

    def test_defaults_fill_the_keys(self, tmp_path):
        evidence = read_predictions(write(tmp_path, GOOD, "my study (1).csv"))
        assert evidence.name == "my-study-1"
        assert list(evidence.cells["arm"]) == ["a", "b"]
        assert evidence.reference is None
        assert not evidence.synthetic
        assert len(evidence.digest) == 64
        assert list(evidence.cases("")["case"]) == ["1", "2"]
        assert len(evidence.scores(task="", partition="test")) == 4

    def test_identifiers_are_text(self, tmp_path):
        text = "case,y_true,arm,score\n007,0,a,1\n7,1,a,2\nNA,1,a,3\n"
        assert list(read_predictions(write(tmp_path, text)).cases("")["case"]) == ["007", "7", "NA"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "not a CSV table"),
            ("case,y_true,arm\n1,0,a\n", "the column score is missing; found: case, y_true, arm"),
            ("a,b\n1,2\n", "the columns case, y_true, arm, score are missing"),
            (GOOD.replace("score", "Score"), "score is missing"),
            (
                "Patient," + GOOD.replace("\n", "\nx,").removesuffix("x,"),
                "unknown column 'Patient'",
            ),
            ("case,case,y_true,arm,score\n1,1,0,a,1\n", "'case' is there more than once"),
            (GOOD.replace("2,1,b", "2,0,b"), "case '2' has more than one label"),
            ("case,y_true,arm,score\n", "there are no scores"),
            (GOOD.replace("0.7", ""), "'score' has 1 missing values of 4, the first for case '2'"),
            (GOOD.replace("0.7", "high"), "not finite numbers, the first for case '2': 'high'"),
            (GOOD.replace("2,1,a", "2,malignant,a"), "must hold 0 .* got also 'malignant'"),
            (GOOD.encode("utf-16"), "not a text file in UTF-8"),
            ('case,y_true,arm,score\n1,0,"a,1\n', "row 2 has 3 fields"),
        ],
    )
    def test_bad_tables_are_explained(self, tmp_path, text, message):
        with pytest.raises(UserError, match=message) as error:
            read_predictions(write(tmp_path, text))
        assert "p.csv" in str(error.value)

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(UserError, match=r"cannot read .*: No such file"):
            read_predictions(tmp_path / "no.csv")


class TestOptions:
    def test_an_analysis_table_becomes_options(self):
        plan = {"alpha": 0.01, "margin": None, "correction": "bh", "primary": {"task": "acl"}}
        options = AnalysisOptions.from_plan(plan, source="x", reference="imagenet")
        assert (options.alpha, options.margin, options.correction) == (0.01, None, "bh")
        assert options.reference == "imagenet"
        assert options.planned

    def test_every_problem_is_listed(self):
        plan = {"alpah": 0.05, "margin": 2, "correction": "bonferoni", "primary": {"tsk": "a"}}
        with pytest.raises(UserError) as error:
            AnalysisOptions.from_plan(plan, source="plan.toml")
        for piece in (
            "plan.toml is not a valid analysis plan",
            "alpah: unknown key; did you mean 'alpha'?",
            "margin = 2: expected a number less than 0.5",
            "correction = \"bonferoni\": did you mean 'bonferroni'?",
            "primary tsk = \"tsk\": did you mean 'task'?",
        ):
            assert piece in str(error.value)

    def test_a_departure_from_the_plan_is_recorded(self):
        plan = AnalysisOptions.from_plan({"margin": 0.02}, source="x", reference="imagenet")
        changed = plan.override("on the command line", margin=0.05, correction="holm")
        assert changed.margin == 0.05
        assert changed.departures == ("margin 0.05 (on the command line; planned: 0.02)",)
        assert plan.override("on the command line", margin=0.02, reference=None) == plan

    def test_without_a_plan_there_is_nothing_to_depart_from(self):
        assert AnalysisOptions().override("here", margin=0.05).departures == ()

    def test_a_wrong_flag_is_refused(self):
        with pytest.raises(UserError, match=r"on the command line: margin = -0\.1: expected"):
            AnalysisOptions().override("on the command line", margin=-0.1)

    def test_a_plan_of_the_analysis_only(self, tmp_path):
        path = write(tmp_path, '[analysis]\nmargin = 0.02\nreference = "b"\n', "a.toml")
        table, reference, sha256 = read_analysis_plan(path)
        assert (table, reference) == ({"margin": 0.02, "reference": "b"}, None)
        assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    def test_a_whole_plan_names_its_reference(self, tmp_path):
        text = '[study]\nname = "x"\n[[arms]]\nname = "b"\nreference = true\n[analysis]\n'
        assert read_analysis_plan(write(tmp_path, text, "a.toml"))[:2] == ({}, "b")

    def test_a_byte_order_mark_is_no_part_of_the_plan(self, tmp_path):
        path = write(tmp_path, b"\xef\xbb\xbf[analysis]\nmargin = 0.02\n", "a.toml")
        table, _, sha256 = read_analysis_plan(path)
        assert table == {"margin": 0.02}
        assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[study]\n", r"has no \[analysis\] table; found: \[study\]"),
            ("analysis = 3\n", r"has no \[analysis\] table"),
            ("[analysis\n", "not valid TOML"),
            (b"\xff\xfe", "not a text file"),
        ],
    )
    def test_a_file_that_is_no_plan(self, tmp_path, text, message):
        with pytest.raises(UserError, match=message):
            read_analysis_plan(write(tmp_path, text, "a.toml"))
