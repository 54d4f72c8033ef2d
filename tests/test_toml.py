"""TOML files of others: a table, or a sentence in little time."""

import pytest

from stats_tl.errors import UserError
from stats_tl.study.labels import read_labels
from stats_tl.study.loading import load_plan
from stats_tl.toml import MAX_BYTES, MAX_DEPTH, read_toml

INTEGERS = ["9" * 5000, "-" + "9" * 4200, "0x" + "f" * 50_000, "0b" + "1" * 65, str(2**63)]
DEEP = {
    "arrays": "x = " + "[" * 2000 + "]" * 2000,
    "just too deep": "x = " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
    "tables": "x = " + "{a=" * 2000 + "1" + "}" * 2000,
    "header": f"[{'.'.join(['a'] * 3000)}]",
    "key": ".".join(["a"] * 100_000) + " = 1",
    "quoted key": " . ".join(["'a.b'"] * 20_000) + " = 1",
    "key within": "x = { " + ".".join(["a"] * 20_000) + " = 1 }",
}


def read(text, folder):
    path = folder / "plan.toml"
    path.write_text(text)
    return read_toml(path, "the plan")[0]


@pytest.mark.parametrize("number", INTEGERS, ids=range(len(INTEGERS)))
def test_an_integer_of_more_than_64_bits(number, tmp_path):
    with pytest.raises(UserError, match="an integer of more than 64 bits"):
        read(f"a = [{{ seed = {number} }}]", tmp_path)


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_nests_too_deeply(text, tmp_path):
    with pytest.raises(UserError, match=r"plan\.toml: not valid TOML: .*nest too deeply"):
        read(text, tmp_path)


def test_what_looks_deep_and_is_not(tmp_path):
    text = "\n".join(
        [
            "# " + "." * 200,
            "title = 'A study. " + "Of words. " * 100 + "'",
            f"range = [{', '.join(['0.5'] * 200)}]",
            f"least = {-(2**63)}",
            "x = " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1),
        ]
    )
    tables = read(text, tmp_path)
    assert len(tables["range"]) == 200
    assert tables["least"] == -(2**63)


@pytest.mark.parametrize("reader", [load_plan, read_labels])
def test_every_reader_of_toml_files_refuses_what_is_too_large(reader, tmp_path):
    path = tmp_path / "plan.toml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(UserError, match="larger than 4 MiB"):
        reader(path)
