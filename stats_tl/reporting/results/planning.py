"""What a study could detect, before it is run: the table behind ``report --design``."""

from __future__ import annotations

__all__ = ["design_table", "design_text", "parse_design"]

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ...errors import UserError, suggest
from ...stats import RepeatedCVDesign, repeated_cv_design

#: Words of the command line → arguments of :func:`stats_tl.stats.repeated_cv_design`.
_NAMES = {
    "n": "n_units",
    "prevalence": "prevalence",
    "auc": "auc",
    "folds": "n_folds",
    "repeats": "n_repeats",
    "difference": "difference",
    "correlation": "correlation",
    "noise": "run_noise",
    "elasticity": "elasticity",
    "half": "half",
    "alpha": "alpha",
    "power": "power",
}
_WHOLE = ("n", "folds", "repeats", "half")
_NEEDED = ("n", "prevalence", "auc")
_SHOWN_REPEATS = (2, 5, 10, 20, 50)


def parse_design(text: str) -> dict[str, Any]:
    """``"n=780,prevalence=.27,auc=.8"`` as arguments of the design calculator.

    Raises
    ------
    UserError
        If a word is unknown, a value is no number, or n, prevalence or auc is missing.
    """
    found: dict[str, Any] = {}
    for part in text.split(","):
        word, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise UserError(f"--design {part.strip()!r}: expected NAME=NUMBER")
        if word not in _NAMES:
            raise UserError(f"--design {word}=...: unknown; {suggest(word, _NAMES)}")
        try:
            found[word] = int(value) if word in _WHOLE else float(value)
        except ValueError:
            kind = "a whole number" if word in _WHOLE else "a number"
            raise UserError(f"--design {word}={value}: expected {kind}") from None
    absent = [word for word in _NEEDED if word not in found]
    if absent:
        raise UserError(
            f"--design lacks {', '.join(absent)}; for example "
            "--design n=780,prevalence=0.27,auc=0.8,difference=0.04"
        )
    return found


def design_table(design: Mapping[str, Any]) -> pd.DataFrame:
    """Power and detectable difference of a design, over numbers of repeats.

    Parameters
    ----------
    design : dict
        As :func:`parse_design` gives it. Without ``repeats``, several numbers are shown.

    Returns
    -------
    DataFrame
        One row per number of repeats: ``repeats, standard_error, df, power,
        smallest_detectable_difference``.

    Raises
    ------
    UserError
        If a number is out of range.
    """
    return _table(_planned(design))


def _planned(design: Mapping[str, Any]) -> list[RepeatedCVDesign]:
    """The design with each number of repeats."""
    arguments = {_NAMES[word]: value for word, value in design.items()}
    if "half" in arguments:
        arguments["half"] = bool(arguments["half"])
    n_units = arguments.pop("n_units")
    shown = [arguments.pop("n_repeats")] if "n_repeats" in arguments else _SHOWN_REPEATS
    try:
        return [repeated_cv_design(n_units, n_repeats=repeats, **arguments) for repeats in shown]
    except ValueError as error:
        raise UserError(f"--design: {error}") from None


def _table(planned: Sequence[RepeatedCVDesign]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "repeats": [result.n_repeats for result in planned],
            "standard_error": [result.standard_error for result in planned],
            "df": [result.df for result in planned],
            "power": [result.power for result in planned],
            "smallest_detectable_difference": [
                result.smallest_detectable_difference for result in planned
            ],
        }
    )


def design_text(parameters: Mapping[str, Any]) -> str:
    """The table of a design for the terminal; `parameters` as :func:`parse_design` gives them."""
    planned = _planned(parameters)
    design, table = planned[-1], _table(planned)
    lines = [
        f"{design.n_units} patients, {design.n_events} events; {design.n_folds}-fold "
        f"cross-validation; reference AUC {design.auc:.3f}; two-sided alpha {design.alpha:g}",
        "",
        f"{'repeats':>8}{'SE':>9}{'df':>7}{f'power for {design.difference:g}':>18}"
        f"{f'detectable, {100 * design.wanted_power:g} % power':>30}",
    ]
    for repeats, error, df, power, detectable in table.to_numpy().tolist():
        lines.append(
            f"{repeats:>8.0f}{error:>9.4f}{min(df, 9999):>7.0f}{100 * power:>16.0f} %"
            f"{detectable:>30.3f}"
        )
    return "\n".join(
        [
            *lines,
            "",
            "Expected of the repeated cross-validation test (learning-curve), for a candidate of "
            "that advantage;",
            "assumptions: docs/which_test.md. After a pilot study, simulate_design takes its "
            "components instead.",
        ]
    )
