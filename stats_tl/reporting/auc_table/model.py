"""A mixed model from a table of AUCs, where no scores were kept: published grids, for instance.

One row per trained model: ``arm, auc``, and what distinguishes models. A *configuration* is what
the arms of a pair share, and is the unit: for every task

    auc = arm + (1 | configuration)                     over all configurations
    auc = arm x backbone + (1 | configuration)          where there are several backbones

by restricted maximum likelihood. The estimand is *across configurations like these, on this
test set*: configurations share their test cases, so that nothing is said about other patients,
and a selection of the best configuration is not undone.
"""

from __future__ import annotations

__all__ = ["GridFit", "fit_grid", "grid_table", "read_aucs"]

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...errors import IncompleteError, UserError, suggest
from ...stats import fit_mixed_model
from ..evidence.tabular import UNNAMED, read_table
from ..rendering.labels import RULES, join_words, plural
from ..rendering.numbers import format_interval, format_number, format_p
from ..rendering.table import Cell, Column, Panel, Row, Table

KEYS = ("task", "backbone", "head", "unfreeze", "configuration")
_LISTED = 10
EFFECT_COLUMNS = (
    "task",
    "effect",
    "arm",
    "reference",
    "backbone",
    "estimate",
    "standard_error",
    "df",
    "statistic",
    "pvalue",
    "ci_low",
    "ci_high",
    "confidence_level",
    "n_configurations",
    "formula",
)
MEAN_COLUMNS = (
    "task",
    "backbone",
    "arm",
    "estimate",
    "standard_error",
    "df",
    "ci_low",
    "ci_high",
)


@dataclass(frozen=True)
class GridFit:
    """Mixed models of a table of AUCs.

    Attributes
    ----------
    effects : DataFrame
        Differences between arms, over all configurations and within each backbone, and the
        joint F test of the interaction; columns :data:`EFFECT_COLUMNS`.
    means : DataFrame
        Marginal means of the arms; columns :data:`MEAN_COLUMNS`.
    variances : DataFrame
        ``task, source, variance, sd`` of the model without interaction.
    ddf : str
        Rule of the degrees of freedom.
    remarks : tuple of str
        What the reader must know.
    """

    effects: pd.DataFrame
    means: pd.DataFrame
    variances: pd.DataFrame
    ddf: str
    remarks: tuple[str, ...]


def read_aucs(
    path: str | Path, *, columns: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, str]:
    """Read a CSV of AUCs, one row per trained model.

    Parameters
    ----------
    path : path-like
        Columns ``arm, auc``; optional ``task, backbone, head, unfreeze, configuration``. Without
        ``configuration`` it is what the other columns but arm and AUC say together.
    columns : mapping of str to str, optional
        Our name → the table's name of a column.

    Returns
    -------
    frame : DataFrame
        ``task, backbone, configuration, arm, auc``, sorted.
    sha256 : str
        Of the file.

    Raises
    ------
    UserError
        If the file cannot be read, a column is missing, or an AUC lies outside [0, 1].
    """
    path = Path(path)
    frame, digest = read_table(path, columns=columns)
    frame = frame.drop(columns=UNNAMED, errors="ignore")
    text = frame.select_dtypes("category").columns
    try:
        return _checked(frame.astype(dict.fromkeys(text, object)), columns or {}), digest
    except UserError as error:
        raise type(error)(f"{path}: {error}") from None


def _checked(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    known = ("arm", "auc", *KEYS)
    for ours, theirs in columns.items():
        if ours not in known:
            raise UserError(f"--columns {ours}={theirs}: {suggest(ours, known)}")
        if theirs not in frame.columns:
            raise UserError(f"--columns {ours}={theirs}: no such column; found: "
                            f"{', '.join(map(str, frame.columns))}")  # fmt: skip
    frame = frame.rename(columns={theirs: ours for ours, theirs in columns.items()})
    absent = [name for name in ("arm", "auc") if name not in frame.columns]
    if absent:
        raise UserError(
            f"no column {join_words(absent)}; found: {', '.join(map(str, frame.columns))}. One row "
            "per trained model is expected: arm,auc and configuration, or other columns that "
            "distinguish models; for other column names use --columns auc=THEIRS"
        )
    aucs = pd.to_numeric(frame["auc"], errors="coerce")
    wrong = ~aucs.between(0, 1)
    if wrong.any():
        raise UserError(
            f"column 'auc' has {plural(int(wrong.sum()), 'value')} outside 0 to 1, the first "
            f"{str(frame.loc[wrong, 'auc'].iloc[0])!r}"
        )
    rest = [c for c in frame.columns if c not in ("arm", "auc", "task")]
    if not rest:
        raise UserError(
            "no column distinguishes the models of an arm; add the column configuration"
        )
    text = frame[[c for c in frame.columns if c != "auc"]].astype(str)
    result = pd.DataFrame(
        {
            "task": text["task"] if "task" in frame.columns else "",
            "backbone": text["backbone"] if "backbone" in frame.columns else "",
            "configuration": (
                text["configuration"]
                if "configuration" in frame.columns
                else text[rest].agg(" / ".join, axis=1)
            ),
            "arm": text["arm"],
            "auc": aucs,
        }
    )
    keys = ["task", "configuration", "arm"]
    if result.duplicated(keys).any() and not result.duplicated([*keys, "backbone"]).any():
        # Numbered anew for every backbone.
        result["configuration"] = result["backbone"] + " / " + result["configuration"]
    doubled = result[result.duplicated(keys)]
    if len(doubled):
        first = doubled.iloc[0]
        raise UserError(
            f"{plural(len(doubled), 'row repeats', 'rows repeat')} a configuration of an arm, the "
            f"first {first['configuration']!r} of {first['arm']!r}; distinguish them in the "
            "column configuration (by fold or seed, say), or average them first"
        )
    return result.sort_values(["task", "backbone", "configuration", "arm"], ignore_index=True)


def fit_grid(
    frame: pd.DataFrame,
    reference: str,
    *,
    confidence_level: float = 0.95,
    allow_incomplete: bool = False,
) -> GridFit:
    """Fit the models of every task.

    Parameters
    ----------
    frame : DataFrame
        As from :func:`read_aucs`.
    reference : str
        The arm that the others are compared with.
    confidence_level : float, optional
    allow_incomplete : bool, optional
        Leave out configurations that lack an arm and say so; otherwise they are an error.

    Returns
    -------
    GridFit

    Raises
    ------
    UserError
        If an arm is unknown or a task has fewer than three matched configurations.
    IncompleteError
        If a configuration lacks an arm and `allow_incomplete` is false.

    Examples
    --------
    >>> import pandas as pd
    >>> grid = pd.DataFrame({
    ...     "task": "acl", "backbone": "", "configuration": list("abcd") * 2,
    ...     "arm": ["new"] * 4 + ["old"] * 4,
    ...     "auc": [.91, .88, .93, .90, .87, .86, .88, .89],
    ... })
    >>> row = fit_grid(grid, "old").effects.iloc[0]
    >>> print(f"{row.effect}: {row.estimate:.3f} (SE {row.standard_error:.3f}, df {row.df:.0f})")
    new − old: 0.030 (SE 0.009, df 3)
    """
    arms = sorted(set(frame["arm"]) - {reference})
    if reference not in set(frame["arm"]):
        raise UserError(f"no arm is called {reference!r}; {suggest(reference, set(frame['arm']))}")
    if not arms:
        raise UserError(f"there is no arm other than the reference {reference!r}")
    frame, remarks = _matched(frame, [reference, *arms], allow_incomplete)
    effects, means, variances = [], [], []
    rule = ""
    for task in sorted(set(frame["task"])):
        own = frame[frame["task"] == task]
        n = own["configuration"].nunique()
        if n < 3:
            raise UserError(f"task {task!r} has {plural(n, 'configuration')}; three are needed")
        fit, formula = _fit(own, reference, arms, [], confidence_level)
        rule = fit.ddf
        rows, own_means = _read(fit, reference, arms, {"": {}})
        common = {"confidence_level": confidence_level, "n_configurations": n}
        effects += [{"task": task, **row, **common, "formula": formula} for row in rows]
        means += [{"task": task, **row} for row in own_means]
        for row in fit.variance_components.to_dict("records"):
            source = "Configuration" if row["group"] == "configuration" else "Residual"
            variances.append(
                {"task": task, "source": source, "variance": row["variance"], "sd": row["sd"]}
            )
        if fit.singular:
            of = f" of {task}" if task else ""
            remarks.append(f"The variance between configurations{of} was estimated as zero.")
        backbones = sorted(set(own["backbone"]))
        if len(backbones) > 1:
            fit, formula = _fit(own, reference, arms, backbones, confidence_level)
            rows, own_means = _read(fit, reference, arms, _levels(backbones, len(arms)))
            counts = own.groupby("backbone")["configuration"].nunique()
            for row in rows:
                common["n_configurations"] = int(counts[row["backbone"]])
                effects.append({"task": task, **row, **common, "formula": formula})
            means += [{"task": task, **row} for row in own_means]
            test = _interaction(fit)
            common["n_configurations"] = n
            effects.append({"task": task, **test, "reference": reference, **common,
                            "formula": formula})  # fmt: skip
    return GridFit(
        pd.DataFrame(effects, columns=list(EFFECT_COLUMNS)),
        pd.DataFrame(means, columns=list(MEAN_COLUMNS)),
        pd.DataFrame(variances, columns=["task", "source", "variance", "sd"]),
        rule,
        tuple(remarks),
    )


def _matched(
    frame: pd.DataFrame, arms: list[str], allow_incomplete: bool
) -> tuple[pd.DataFrame, list[str]]:
    """Configurations that every arm has, and what is said of the others."""
    counts = frame.groupby(["task", "configuration"])["arm"].transform("nunique")
    lacking = frame[counts < len(arms)].drop_duplicates(["task", "configuration"])
    if lacking.empty:
        return frame, []
    names = [
        " / ".join(filter(None, pair))
        for pair in zip(lacking["task"], lacking["configuration"], strict=True)
    ]
    shown = "; ".join(names[:_LISTED])
    shown += f"; and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    if not allow_incomplete:
        raise IncompleteError(
            f"{plural(len(names), 'configuration lacks', 'configurations lack')} one of the arms "
            f"{join_words(arms)}: {shown}. Add them, or leave them out with --allow-incomplete"
        )
    return frame[counts == len(arms)], [f"Configurations that lack an arm were left out: {shown}."]


def _fit(
    own: pd.DataFrame, reference: str, arms: list[str], backbones: list[str], level: float
) -> tuple[Any, str]:
    data = pd.DataFrame({"auc": own["auc"], "configuration": own["configuration"]})
    names = []
    for number, arm in enumerate(arms, 1):
        names.append(f"arm{number}")
        data[f"arm{number}"] = (own["arm"] == arm).astype(float)
    terms = list(names)
    last = own["backbone"].isin(backbones[-1:]).astype(float)
    for number, backbone in enumerate(backbones[:-1], 1):
        # Deviations from the mean of the backbones, as in the model of folds.
        data[f"backbone{number}"] = (own["backbone"] == backbone).astype(float) - last
        terms += [f"backbone{number}", *(f"{name}:backbone{number}" for name in names)]
    formula = f"auc ~ {' + '.join(terms)} + (1 | configuration)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # given in the remarks
        fit = fit_mixed_model(
            formula, data.reset_index(drop=True), ddf="kenward-roger", confidence_level=level
        )
    if not fit.converged:
        raise UserError(f"the model {formula} did not converge")
    return fit, "auc ~ arm" + (" * backbone" if backbones else "") + " + (1 | configuration)"


def _levels(backbones: list[str], n_arms: int) -> dict[str, dict[str, float]]:
    """Weights of the backbone columns for each backbone."""
    signs = {}
    for number, backbone in enumerate(backbones, 1):
        if number < len(backbones):
            signs[backbone] = {f"backbone{number}": 1.0}
        else:
            signs[backbone] = {f"backbone{k}": -1.0 for k in range(1, len(backbones))}
    return signs


def _read(
    fit: Any, reference: str, arms: list[str], levels: Mapping[str, Mapping[str, float]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Differences and means in every level, from contrasts of the fit."""
    effects, means = [], []
    for backbone, signs in levels.items():
        base = {"(Intercept)": 1.0, **signs}
        means.append(_mean(fit, backbone, reference, base))
        for number, arm in enumerate(arms, 1):
            weights = {f"arm{number}": 1.0}
            weights |= {f"arm{number}:{name}": sign for name, sign in signs.items()}
            means.append(_mean(fit, backbone, arm, {**base, **weights}))
            test = fit.contrast(weights)
            effects.append(
                {
                    "effect": f"{arm} − {reference}",
                    "arm": arm,
                    "reference": reference,
                    "backbone": backbone,
                    "estimate": test.estimate,
                    "standard_error": test.standard_error,
                    "df": test.df,
                    "statistic": test.statistic,
                    "pvalue": test.pvalue,
                    "ci_low": test.confidence_interval.low,
                    "ci_high": test.confidence_interval.high,
                }
            )
    return effects, means


def _mean(fit: Any, backbone: str, arm: str, weights: Mapping[str, float]) -> dict[str, Any]:
    mean = fit.contrast(weights)
    return {
        "backbone": backbone,
        "arm": arm,
        "estimate": mean.estimate,
        "standard_error": mean.standard_error,
        "df": mean.df,
        "ci_low": mean.confidence_interval.low,
        "ci_high": mean.confidence_interval.high,
    }


def _interaction(fit: Any) -> dict[str, Any]:
    """Joint F test of arm x backbone; `df` is that of the denominator."""
    names = list(fit.coefficients.index)
    own = [number for number, name in enumerate(names) if ":" in name]
    test = fit.contrast(np.eye(len(names))[own])
    df = test.df[1] if isinstance(test.df, tuple) else test.df
    return {
        "effect": "arm × backbone (F test)",
        "arm": "",
        "backbone": "",
        "df": df,
        "statistic": test.statistic,
        "pvalue": test.pvalue,
    }


def grid_table(
    fit: GridFit, *, title: str = "", alpha: float = 0.05, cautions: Sequence[str] = ()
) -> Table:
    """The differences to print."""
    level = f"{100 * (1 - alpha):g} %"
    body: list[Row | Panel] = []
    for task, rows in fit.effects.groupby("task", sort=False):
        sizes = rows["n_configurations"].max()
        body.append(Panel(": ".join(filter(None, [str(task), f"{sizes} configurations"]))))
        for row in rows.to_dict("records"):
            joint = row["effect"].endswith("(F test)")
            body.append(
                Row(
                    (
                        Cell(
                            row["effect"] + (f" with {row['backbone']}" if row["backbone"] else "")
                        ),
                        Cell("" if joint else format_number(row["estimate"])),
                        Cell("" if joint else format_number(row["standard_error"])),
                        Cell("" if joint else format_interval(row["ci_low"], row["ci_high"])),
                        Cell(format_number(row["df"], 1)),
                        Cell(format_number(row["statistic"], 2)),
                        Cell(format_p(row["pvalue"], alpha)),
                    )
                )
            )
    arms = join_words(list(dict.fromkeys(filter(None, fit.effects["arm"]))))
    reference = fit.effects["reference"].iloc[0]
    return Table(
        name="grid",
        caption="Mixed model of the AUCs of matched configurations: "
        f"{arms} compared with {reference}." + (f" {title}." if title else ""),
        columns=(
            Column("Effect", "wrap", width=58),
            Column("Estimate", "decimal"),
            Column("SE", "decimal"),
            Column(f"{level} CI", "center"),
            Column("df", "decimal"),
            Column("t or F", "decimal"),
            Column("P value", "p"),
        ),
        body=tuple(body),
        notes=(
            "Differences in AUC are candidate − reference, so that positive values favour the "
            "candidate. The models were fitted by restricted maximum likelihood with "
            f"{RULES.get(fit.ddf, fit.ddf)} degrees of freedom: auc ~ arm + (1 | configuration), "
            "and within backbones auc ~ arm * backbone + (1 | configuration).",
            "The conclusions apply to configurations like these on this test set: they share its "
            "cases, so that other patients are not covered. P values are not adjusted.",
            *fit.remarks,
            *cautions,
        ),
    )
