"""Several scores of one case in one fold: what they are, and how to choose among them."""

from __future__ import annotations

__all__ = ["refuse_tuning_values", "refuse_unsplit_iterations"]

import pandas as pd

from ...errors import UserError
from .alignment import CELL
from .layout import NEEDED, OPTIONAL

_WITHIN = ("design", *CELL, "partition", "case")


def refuse_unsplit_iterations(scores: pd.DataFrame, checked: pd.DataFrame) -> None:
    """Refuse folds that are numbered through all repeats, where nothing says how to split them.

    Parameters
    ----------
    scores : DataFrame
        As it was read, with columns that no analysis uses.
    checked : DataFrame
        The same rows, as from :func:`~.alignment.check_scores`, with ``partition``.

    Raises
    ------
    UserError
        If every case is tested in the same number of folds and there is no column ``repeat``, or
        as :func:`refuse_tuning_values`.
    """
    if "repeat" in scores.columns or "fold" not in scores.columns:
        return
    repeated = checked.duplicated(list(_WITHIN), keep=False)
    if repeated.any():
        refuse_tuning_values(scores, checked, repeated)
        return
    run = [key for key in _WITHIN if key != "fold"]
    counts = checked.groupby(run, observed=True).size()
    count, folds = int(counts.max()), int(checked["fold"].nunique())
    if count > 1 and (counts == count).all() and folds % count == 0 and folds > count:
        raise UserError(
            f"every case is tested in {count} of {folds} folds, and there is no column 'repeat'; "
            f"if the folds of {count} repeats are numbered through, say --folds {folds // count}"
        )


def refuse_tuning_values(scores: pd.DataFrame, checked: pd.DataFrame, repeated: pd.Series) -> None:
    """Refuse scores of a case in one fold that differ in another column: of tuning values.

    Other repeated scores are left to the pairing, which refuses them.
    """
    keys = checked[repeated]
    first = keys.iloc[0]
    own = scores[repeated][(keys[list(_WITHIN)] == first[list(_WITHIN)]).all(axis=1)]
    others = [name for name in scores.columns if name not in (*NEEDED, *OPTIONAL)]
    # A tuning value has few levels; other probabilities and times of the row have many.
    for name in sorted(others, key=lambda name: scores.loc[repeated, name].nunique()):
        values = scores.loc[repeated, name]
        # Numbers of rows differ, too, but say nothing.
        if own[name].nunique() != len(own) or values.nunique() > len(values) / 2:
            continue
        shown = ", ".join(str(value) for value in own[name].head(5))
        shown += ", …" if len(own) > 5 else ""
        raise UserError(
            f"case {str(first['case'])!r} has {len(own)} scores in one fold of arm "
            f"{str(first['arm'])!r}, for {name} = {shown}: if these are tuning values, filter to "
            'the best tune before (caret: savePredictions = "final"; tidymodels: '
            "collect_predictions(parameters = select_best(...)))"
        )
