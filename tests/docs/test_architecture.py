"""The picture of the packages is that of the code, and arrows run one way."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def drawn():
    return runpy.run_path(str(ROOT / "docs/architecture.py"))


def test_the_picture_is_that_of_the_code(drawn):
    assert drawn["PICTURE"].read_text(encoding="utf-8") == drawn["draw"](drawn["arrows"]())


def test_arrows_run_one_way(drawn):
    arrows = drawn["arrows"]()
    assert arrows["stats"] == set()
    assert arrows["reporting"] <= {"stats"}
    assert arrows["study"] == set()
    imported = set().union(*arrows.values())
    assert not imported & {"run_grid", "report"}


def test_every_import_is_seen(drawn, tmp_path):
    """Relative, absolute and typing-only imports of a made-up file."""
    path = ROOT / "stats_tl" / "reporting" / "results" / "made_up.py"
    code = (
        "from __future__ import annotations\nfrom ...errors import UserError\n"
        "import stats_tl.study.plan\nfrom stats_tl import data\nfrom ..tables import mixed\n"
        "if TYPE_CHECKING:\n    from ...train.grid import GridState\n"
    )

    class Made(type(path)):
        def read_text(self, **_):
            return code

    found = drawn["imported"](Made(path))
    assert found == {"errors", "study", "data", "reporting", "train"}


def test_a_circle_is_refused(drawn):
    with pytest.raises(SystemExit, match="circle: a → b → a"):
        drawn["height"]("a", {"a": {"b"}, "b": {"a"}})
