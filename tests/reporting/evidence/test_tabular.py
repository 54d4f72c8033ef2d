"""Files as programs write them; the table that is meant is known."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from stats_tl.errors import UserError
from stats_tl.report import main as report
from stats_tl.reporting import read_predictions

ROWS = 12


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    arm = np.repeat(["old", "new"], ROWS)
    case = np.tile([f"c {i}" for i in range(ROWS)], 2)
    y = np.tile(np.arange(ROWS) % 2, 2)
    return pd.DataFrame({"case": case, "y_true": y, "arm": arm, "score": rng.normal(size=24) + y})


def quoted(value):
    return f'"{value}"' if isinstance(value, str) else str(value)


def written(table, *, separator=",", decimal=".", index=None, heading=True, quote=True):
    """As R writes it: text in quotes, row names before each row."""
    lines = []
    if heading:
        names = [f'"{name}"' for name in table.columns]
        lines.append(separator.join([*([index] if index is not None else []), *names]))
    for number, row in enumerate(table.itertuples(index=False), 1):
        fields = [quoted(v) if quote else str(v) for v in row]
        fields[-1] = fields[-1].replace(".", decimal)
        lines.append(separator.join([f'"{number}"', *fields] if index is not None else fields))
    return "\n".join(lines) + "\n"


def read(tmp_path, text, name="p.csv", **options):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_predictions(path, **options)


def test_stata(tmp_path, table):
    """Long identifiers are whole numbers, values have their labels, others stay."""
    own = table.assign(case=np.tile(np.arange(ROWS) + 1e15, 2), y_true=table["y_true"] + 1)
    labels = {"y_true": {2: "malignant"}}
    for version in (114, 117, 118):
        path = tmp_path / f"{version}.dta"
        own.rename(columns={"case": "id"}).to_stata(
            path, version=version, write_index=False, value_labels=labels
        )
        evidence = read_predictions(path, columns={"case": "id"}, positive="malignant")
        case = own["case"].astype("int64").astype(str)
        assert same(evidence, table.assign(case=case))
        found = {str(r.case): int(r.y_true) for r in evidence.scores().itertuples()}
        assert found == dict(zip(case, table["y_true"], strict=True))


def same(evidence, table):
    expected = {(r.arm, r.case): r.score for r in table.itertuples()}
    found = {(str(r.arm), str(r.case)): r.score for r in evidence.scores().itertuples()}
    return found == expected


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"index": '""'},  # write.csv
        {"index": '""', "separator": ";", "decimal": ","},  # write.csv2
        {"separator": ";", "decimal": ","},
        {"separator": ";"},
        {"separator": "\t"},
        {"separator": "\t", "decimal": ","},
        {"separator": "|", "quote": False},
        {"separator": " "},
    ],
    ids=str,
)
def test_delimited_text(tmp_path, table, form):
    evidence = read(tmp_path, written(table, **form))
    assert same(evidence, table)
    assert evidence.ignored == ()


@pytest.mark.parametrize("separator", [" ", "\t", ","])
def test_row_names_without_a_heading(tmp_path, table, separator):
    """``write.table`` writes one name less than there are columns."""
    text = written(table, separator=separator, index='""').split("\n", 1)
    short = text[0].split(separator, 1)[1]
    assert same(read(tmp_path, f"{short}\n{text[1]}"), table)


def test_pandas_writes_its_index(tmp_path, table):
    table.to_csv(tmp_path / "p.csv")
    evidence = read_predictions(tmp_path / "p.csv")
    assert same(evidence, table)
    assert evidence.cases("").columns.tolist() == ["case", "y_true"]


def test_an_index_can_be_the_case(tmp_path, table):
    own = table.assign(case=[f"0{c[2:]}" for c in table["case"]]).set_index("case")
    own.index.name = None
    own.to_csv(tmp_path / "p.csv")
    evidence = read_predictions(tmp_path / "p.csv", columns={"case": "index"})
    assert set(evidence.cases("")["case"]) == {f"0{i}" for i in range(ROWS)}


def test_a_separator_that_the_first_line_names(tmp_path, table):
    assert same(read(tmp_path, "sep=;\n" + written(table, separator=";")), table)


def test_blank_lines_above_the_heading(tmp_path, table):
    assert same(read(tmp_path, "\n\n" + written(table)), table)


@pytest.mark.parametrize("index", [None, "unnamed", "case"])
def test_parquet(tmp_path, table, index):
    path = tmp_path / "p.parquet"
    if index == "case":
        table.set_index("case").to_parquet(path)
    else:
        (table if index is None else table.set_axis(range(100, 124))).to_parquet(path)
    assert same(read_predictions(path), table)


def test_parquet_with_numbers_for_cases(tmp_path, table):
    own = table.assign(case=[int(c[2:]) for c in table["case"]])
    own.to_parquet(tmp_path / "p.parquet")
    assert set(read_predictions(tmp_path / "p.parquet").cases("")["case"]) == {
        str(i) for i in range(ROWS)
    }


def test_three_heading_rows_of_orange(tmp_path, table):
    heading = "case,y_true,arm,score\nstring,0 1,new old,continuous\nmeta,class,meta,meta\n"
    assert same(read(tmp_path, heading + written(table, heading=False)), table)


class TestWithoutHeading:
    def test_names_come_from_the_command_line(self, tmp_path, table):
        text = written(table, heading=False)
        evidence = read(tmp_path, text, names=["case", "y_true", "arm", "score"])
        assert same(evidence, table)

    def test_the_flag_is_named(self, tmp_path):
        with pytest.raises(UserError, match=r"first row looks like data.*'0, 0.1, 0.9'.*--names"):
            read(tmp_path, "0,0.1,0.9\n1,0.3,0.7\n")

    def test_a_name_for_each_column(self, tmp_path, table):
        with pytest.raises(UserError, match=r"gives 2 names, and the first row has 4 fields"):
            read(tmp_path, written(table, heading=False), names=["case", "score"])


class TestFileAnArm:
    """MedMNIST and MONAI write predictions of one model, without a heading and labels."""

    @pytest.fixture
    def files(self, tmp_path, table):
        for arm, own in table.groupby("arm"):
            rows = [f"{c},{1 - s},{s}" for c, s in zip(own["case"], own["score"], strict=True)]
            (tmp_path / f"{arm}.csv").write_text("\n".join(rows) + "\n")
        labels = table.drop_duplicates("case").assign(age=range(ROWS))
        labels[["case", "y_true", "age"]].to_csv(tmp_path / "labels.csv", index=False)
        return {arm: tmp_path / f"{arm}.csv" for arm in ("old", "new")}

    def test_labels_from_another_table(self, tmp_path, table, files):
        evidence = read_predictions(
            files, names=["case", "negative", "score"], truth=tmp_path / "labels.csv"
        )
        assert same(evidence, table)
        assert list(evidence.cases("")["age"].astype(str)) == [
            c[2:] for c in evidence.cases("")["case"]
        ]

    def test_on_the_command_line(self, tmp_path, table, files):
        given = [f"{arm}={path}" for arm, path in files.items()]
        out = tmp_path / "out"
        code = report([
            "--scores", *given, "--names", "case,negative,score", "--truth",
            str(tmp_path / "labels.csv"), "--reference", "old", "--format", "json",
            "--out", str(out),
        ])  # fmt: skip
        assert code == 0
        (row,) = json.loads((out / "summary.json").read_text())["tables"]["significance"]["rows"]
        own = table[table["arm"] == "new"]
        assert row["auc"] == pytest.approx(roc_auc_score(own["y_true"], own["score"]), abs=1e-12)

    def test_rows_by_number(self, tmp_path, table):
        for arm, own in table.groupby("arm"):
            own[["y_true", "score"]].to_csv(tmp_path / f"{arm}.csv", index=False)
        evidence = read_predictions(
            {arm: tmp_path / f"{arm}.csv" for arm in ("old", "new")}, columns={"case": "row"}
        )
        assert set(evidence.cases("")["case"]) == {str(i + 1) for i in range(ROWS)}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda labels: labels[3:], r"--truth lacks 3 cases of the predictions: c 0, c 1, c 2"),
            (lambda labels: pd.concat([labels, labels[:1]]), "has case 'c 0' more than once"),
            (lambda labels: labels.assign(score=1), "both have the column 'score'"),
            (lambda labels: labels.drop(columns="case"), "of --truth lack a column 'case'"),
        ],
    )
    def test_labels_that_do_not_fit(self, tmp_path, files, change, message):
        path = tmp_path / "labels.csv"
        change(pd.read_csv(path)).to_csv(path, index=False)
        with pytest.raises(UserError, match=message):
            read_predictions(files, names=["case", "negative", "score"], truth=path)

    def test_files_that_differ(self, tmp_path, files):
        files["new"].write_text("case,y_true,score,k\n1,0,0.1,3\n")
        files["old"].write_text("case,y_true,score\n1,0,0.1\n")
        with pytest.raises(UserError, match=r"'old' and 'new' differ in their columns \(k\)"):
            read_predictions(files)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (["a.csv", "b.csv"], "of several files, each is that of one arm"),
            (["a=1.csv", "a=2.csv"], "the arm 'a' is there more than once"),
        ],
    )
    def test_arms_are_named_once(self, given, message):
        with pytest.raises(UserError, match=message):
            report(["--scores", *given, "--reference", "a"])


PLAIN = """

=== Predictions under cross-validation ===

 inst#     actual  predicted error distribution (id)
     1   1:benign   1:benign       *0.78,0.22 (c56)
     2 2:malignan   1:benign   +   *0.721,0.279 (c 48)
     1   1:benign   1:benign       *0.646,0.354 (c10)
     2 2:malignan 2:malignan       0.065,*0.935 (c57)
"""
COMMAS = """=== Predictions on test data ===

inst#,actual,predicted,error,distribution,,id
1,1:benign,1:benign,,*0.78,0.22,c56
2,2:malignant,1:benign,+,*0.721,0.279,c 48
"""


class TestWeka:
    """Printed by WEKA 3.6.14, and in the form of its later CSV."""

    COLUMNS = {"case": "id", "y_true": "actual"}  # noqa: RUF012

    def test_a_cross_validation(self, tmp_path):
        evidence = read(
            tmp_path, PLAIN, "w.txt", columns=self.COLUMNS, arms={"nb": "p2"}, positive="malignan"
        )
        scores = evidence.scores().sort_values("case")
        assert scores["case"].tolist() == ["c 48", "c10", "c56", "c57"]
        assert scores["score"].tolist() == [0.279, 0.354, 0.22, 0.935]
        assert scores["y_true"].tolist() == [1, 0, 0, 1]
        assert scores["fold"].tolist() == [1, 2, 1, 2]

    def test_commas(self, tmp_path):
        evidence = read(
            tmp_path, COMMAS, columns=self.COLUMNS, arms={"nb": "p2"}, positive="malignant"
        )
        assert evidence.scores().set_index("case")["score"].to_dict() == {
            "c56": 0.22,
            "c 48": 0.279,
        }

    def test_the_probability_of_the_predicted_class(self, tmp_path):
        with pytest.raises(UserError, match="add -distribution"):
            read(tmp_path, PLAIN.replace("distribution", "prediction"), columns=self.COLUMNS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "p.csv: a spreadsheet or a zip archive; save the sheet as CSV"),
        (b"$FL2@(#) SPSS", "p.csv: a file of SPSS; export it there"),
        (b"<stata_dta><header>", "p.csv: not a file that pandas reads as Stata's"),
        (b"\x1f\x8b\x08", "p.csv: compressed by gzip"),
        ("größe,case\n1,2\n".encode("latin-1"), "p.csv: not a text file in UTF-8"),
        (b"PAR1 and no more", "p.csv: not a CSV table|cannot read"),
        (
            b"case;y_true;arm;score\n1;0;a;0,1\n2;1;a;0,2;3\n",
            r"row 3 has 5 fields and the heading has 4 \(separator: semicolon\): '2;1;a;0,2;3'",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, content, message):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_predictions(tmp_path / "p.csv")
