"""Reference values from R, computed with pROC, lme4, lmerTest, pbkrtest, emmeans and MRMCaov.

`gold/gold.json` names the versions; `gold/*.csv` are the simulated data sets they
were computed from. Data sets of other people (aSAH, sleepstudy, VanDyke) are read
from the reference material beside the checkout and are never copied here.
"""

import json
from pathlib import Path

import pandas as pd
import pytest

GOLD = Path(__file__).parent / "gold"


@pytest.fixture(scope="session")
def gold() -> dict:
    """All reference values."""
    return json.loads((GOLD / "gold.json").read_text())


@pytest.fixture(scope="session")
def gold_data(shared_gold):
    """Function from a data set's name to its DataFrame; skips where the data are not ours."""

    def read(name: str) -> pd.DataFrame:
        own = GOLD / f"{name}.csv"
        return pd.read_csv(own if own.exists() else shared_gold(name))

    return read


@pytest.fixture(scope="session")
def shared_gold():
    """Function from a data set's name to its path beside the checkout, skipping when absent."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "gold"

    def path(name: str) -> Path:
        file = folder / f"{name}.csv"
        if not file.exists():
            pytest.skip(f"{name}.csv is other people's data; not found in {folder}")
        return file

    return path
