"""What a verified archive holds: cells, records, scores, what is missing of the plan."""

from __future__ import annotations

__all__ = ["Archive", "load"]

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import ArchiveDamagedError, UserError
from ..study.cells import DESIGNS, Cell, plan_cells
from ..study.keys import CELL_KEYS
from ..study.labels import plan_labels, without_labels
from ..study.loading import parse_plan
from .assemble import assemble_scores
from .contents import ArchiveFiles, holds_archive
from .descriptions import describes_patients
from .files import checksum
from .parts import Part, Row, read_part, read_part_scores
from .seal import Seal, check_seal

#: What names a cell: its design, where it is not that of the plan's cross-validation, too.
_NAMES = [*CELL_KEYS, "design"]
CELL_COLUMNS = [
    "cell_id",
    "pair_id",
    *_NAMES,
    "auc",
    "validation_auc",
    "epoch",
    "trainable_parameters",
    "total_parameters",
    "n_train",
    "n_validation",
    "n_test",
    "seconds",
]


def load(
    path: str | Path, *, strict: bool = True, plan: Mapping[str, Any] | None = None
) -> Archive:
    """Open a run archive for reading and verify it.

    Parameters
    ----------
    path : path-like
        Folder of the archive, ``runs/<study>``.
    strict : bool, optional
        Raise on any damage. Otherwise damaged parts are left out and listed in
        ``Archive.damaged``.
    plan : mapping, optional
        Resolved plan to take where ``archive.json`` itself is damaged.

    Returns
    -------
    Archive

    Raises
    ------
    UserError
        If there is no archive at `path`, or its schema is newer than this program.
    ArchiveDamagedError
        If a file is not what was written; the message names the files and the cells.
    """
    root = Path(path)
    if not holds_archive(root):
        raise UserError(
            f"no run archive at {root} (it has no archive.json); "
            "`python -m stats_tl.run_grid` writes one"
        )
    archive = Archive(root, plan)
    if strict and archive.damaged:
        listed = "\n".join(f"  - {problem}" for problem in archive.damaged.values())
        raise ArchiveDamagedError(
            f"{root} is damaged:\n{listed}\n"
            "`python -m stats_tl.run_grid --plan ... --retry-failed` sets the damaged files aside "
            "and trains their cells again; the other cells are whole"
        )
    return archive


class Archive(ArchiveFiles):
    """A verified run archive; see :func:`load`.

    Attributes
    ----------
    root : Path
    plan : dict
        The resolved plan, layout as in :class:`stats_tl.study.plan.Plan`.
    tasks : dict of str to dict
        Descriptions of the data sets.
    cells : DataFrame
        One row per verified cell of the plan's cross-validation: identifiers, keys, metrics,
        counts.
    half_cells : DataFrame
        The same of the extra two-fold repeats (`[cv] learning_curve_repeats`), which are kept
        apart so that no mean mixes models trained on all and on half of the data.
    halving_cells : DataFrame
        The same of the cross-validations of random halves of the patients (`[cv] halvings`).
    damaged : dict of Path to str
        What is wrong, by file.
    """

    #: What a report may expect of it; see :class:`stats_tl.reporting.Evidence`.
    source: Literal["archive"] = "archive"

    def __init__(self, root: Path, plan: Mapping[str, Any] | None = None):
        super().__init__(root, plan)
        self.name: str = self.plan["study"]["name"]
        self._all_cells = self._frame_of_cells()
        self.cells, self.half_cells, self.halving_cells = (
            self._all_cells[self._all_cells["design"] == design].reset_index(drop=True)
            for design in DESIGNS
        )

    def __repr__(self) -> str:
        kinds = (("half-sample", self.half_cells), ("halving", self.halving_cells))
        extra = "".join(f" and {len(own)} {kind} cells" for kind, own in kinds if len(own))
        return f"<Archive {self.name!r} at {self.root}: {len(self.cells)} cells{extra}>"

    def _frame_of_cells(self) -> pd.DataFrame:
        rows = [
            {
                "cell_id": row.cell_id,
                "pair_id": row.pair_id,
                **row.key,
                **{name: _nan(value) for name, value in row.metrics.items()},
                "epoch": row.epoch,
                "trainable_parameters": row.parameters[0],
                "total_parameters": row.parameters[1],
                "n_train": row.counts[0],
                "n_validation": row.counts[1],
                "n_test": row.counts[2],
                "seconds": row.seconds,
            }
            for _, row in sorted(self._records.items())
        ]
        frame = pd.DataFrame(rows, columns=None if rows else CELL_COLUMNS)
        return frame.sort_values(_NAMES, kind="stable", ignore_index=True)[
            [*CELL_COLUMNS, *(c for c in frame.columns if c not in CELL_COLUMNS)]
        ]

    @cached_property
    def cell_ids(self) -> frozenset[str]:
        """Identifiers of all verified cells, of all designs."""
        return frozenset(self._records)

    @property
    def reference(self) -> str:
        """Name of the reference arm."""
        return str(next(arm["name"] for arm in self.plan["arms"] if arm["reference"]))

    @property
    def labels(self) -> dict[str, dict[str, str]]:
        """Labels that the plan gives to names, by kind, as from :func:`plan_labels`."""
        return plan_labels(self.plan)

    @property
    def synthetic(self) -> bool:
        """True if any data set is made up."""
        return any(task["synthetic"] for task in self.tasks.values())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of plan, data sets and scores; of no times, places or labels."""
        lines = [
            f"{name} {task['labels_sha256']} {task['images_sha256']}"
            for name, task in sorted(self.tasks.items())
        ]
        lines += [f"{c} {row.scores_sha256}" for c, row in sorted(self._records.items())]
        return checksum("\n".join([repr(_sorted(without_labels(self.plan))), *lines]).encode())

    @cached_property
    def seal(self) -> Seal | None:
        """The seal, compared with every file; None where the archive is not sealed."""
        return check_seal(self.root)

    def records(self) -> Iterator[dict[str, Any]]:
        """The full record of each verified cell of all designs, part by part."""
        for part in self.parts():
            for record in part.records():
                if self._home.get(record["cell_id"]) == part.path.stem:
                    yield record

    def parts(self) -> Iterator[Part]:
        """The parts that hold verified cells, one by one."""
        return (self._part(stem) for stem in sorted(self.part_names))

    def _part(self, stem: str) -> Part:
        try:
            return read_part(self.root / "parts" / f"{stem}.json", known=self._checksums.get(stem))
        except FileNotFoundError:
            raise self._gone(stem) from None

    def _read_scores(self, stem: str) -> pd.DataFrame:
        """The scores of a part, whose JSON is not read again."""
        if not (self.root / "parts" / f"{stem}.json").exists():
            raise self._gone(stem)
        return read_part_scores(self._score_files[stem])

    def _gone(self, stem: str) -> ArchiveDamagedError:
        return ArchiveDamagedError(
            f"{self.root / 'parts' / stem}.json is gone: the archive was compacted or damaged "
            "while it was being read; read it again"
        )

    @cached_property
    def weights(self) -> dict[tuple[str, str], str]:
        """SHA-256 of the weights that cells began with, by arm and backbone."""
        return {
            (row.key["arm"], row.key["backbone"]): row.weights_sha256
            for _, row in sorted(self._records.items())
        }

    @cached_property
    def part_names(self) -> frozenset[str]:
        """Names of the parts that hold verified cells."""
        return frozenset(self._home.values())

    def row(self, cell_id: str) -> Row:
        """The essence of a cell's record."""
        return self._records[cell_id]

    def rows(self) -> Iterator[tuple[Path, Row]]:
        """The part and the essence of the record of each verified cell."""
        for cell, row in sorted(self._records.items()):
            yield self.root / "parts" / f"{self._home[cell]}.json", row

    @cached_property
    def score_hashes(self) -> dict[str, str]:
        """SHA-256 of each cell's scores, by cell identifier."""
        return {cell: row.scores_sha256 for cell, row in self._records.items()}

    def failures(self) -> dict[str, dict[str, Any]]:
        """Why cells failed, by cell identifier."""
        return {cell: why for cell, why in self._failures.items() if cell not in self._records}

    @cached_property
    def _planned(self) -> list[Cell]:
        return plan_cells(parse_plan(self.plan, source=str(self.root)))

    @cached_property
    def unplanned(self) -> list[str]:
        """Identifiers of cells that the archive holds and the plan does not ask for.

        Raises
        ------
        UserError
            If this version cannot read the plan any more.
        """
        return sorted(self.cell_ids.difference(cell.cell_id for cell in self._planned))

    @cached_property
    def missing(self) -> pd.DataFrame:
        """Cells of all designs that the plan asks for and the archive does not hold, and why."""
        failures = self.failures()
        rows = [
            {
                "cell_id": cell.cell_id,
                "pair_id": cell.pair_id,
                **cell.key,
                "reason": failures.get(cell.cell_id, {}).get("reason", "not trained yet"),
            }
            for cell in self._planned
            if cell.cell_id not in self._records
        ]
        return pd.DataFrame(rows, columns=["cell_id", "pair_id", *_NAMES, "reason"])

    def patients_known(self, task: str) -> bool:
        """Whether the column ``patient`` of a data set's cases names patients.

        Where it was not recorded, in archives of before that, it does if it groups cases or
        differs from the cases, and the description does not say that patients are unknown.
        """
        recorded = self.tasks[task].get("patients_known")
        if recorded is not None:
            return bool(recorded)
        cases = self.cases(task)
        return describes_patients(str(self.tasks[task].get("description", "")), cases)

    def splits(self, task: str, *, design: str = "cv") -> pd.DataFrame:
        """Partition of every case in every split: design, repeat, fold, case, partition.

        Parameters
        ----------
        task : str
        design : {"cv", "half", "halving"}, optional
            The plan's cross-validation, its extra two-fold repeats, or its halvings.
        """
        splits = self.all_splits(task)
        return splits[splits["design"] == design].reset_index(drop=True)

    def scores(self, *, as_categories: bool = False, **filters: Any) -> pd.DataFrame:
        """Case-level scores of the cells that match.

        Parameters
        ----------
        as_categories : bool, optional
            Give text columns as categories, which is quicker and smaller.
        **filters
            Values, or lists of values, of any column of the result, for example
            ``task="busbra", arm=["imagenet", "random"], partition="test"``. Without `design`
            or `cell_id`, the scores are of the plan's cross-validation; ``design="half"``
            gives those of the extra two-fold repeats, ``design="halving"`` those of the
            halvings.

        Returns
        -------
        DataFrame
            One row per case and cell: ``cell_id``, the keys of the cell, ``case``,
            ``patient``, ``y_true``, ``partition`` and ``score``, the logit of the
            predicted probability of the positive class.

        Raises
        ------
        UserError
            If a filter is not a column of the result.
        """
        allowed = ["cell_id", *_NAMES, "case", "patient", "y_true", "partition"]
        for key in filters:
            if key not in allowed:
                raise UserError(f"scores() cannot filter by {key!r}; allowed: {', '.join(allowed)}")
        if not {"design", "cell_id"} & set(filters):
            filters = {**filters, "design": "cv"}
        cells = self._all_cells
        for key in set(filters) & {"cell_id", *_NAMES}:
            cells = cells[_matches(cells[key], filters[key])]
        frames = []
        wanted = set(cells["cell_id"])
        for stem in sorted({self._home[cell] for cell in cells["cell_id"]}):
            frame = self._read_scores(stem)
            home = {cell for cell in frame["cell_id"].unique() if self._home.get(cell) == stem}
            keep = frame["cell_id"].isin(home & wanted)
            for key in set(filters) & {"case", "patient", "y_true", "partition"}:
                keep &= _matches(frame[key], filters[key])
            frames.append(frame[keep])
        columns = ["cell_id", *_NAMES, "case", "patient", "y_true", "partition", "score"]
        if not frames:
            return pd.DataFrame(columns=columns)
        return assemble_scores(frames, cells, _NAMES, as_categories=as_categories)


def _matches(column: pd.Series, wanted: Any) -> pd.Series:
    values = [wanted] if isinstance(wanted, str) or not hasattr(wanted, "__iter__") else wanted
    if column.dtype.kind in "iu":
        return column.isin(list(values))
    return column.astype(str).isin([str(value) for value in values])


def _nan(value: float | None) -> float:
    return np.nan if value is None else value


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value
