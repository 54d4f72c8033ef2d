"""Reading the archive, verified: records, scores, what is missing, what is damaged."""

from __future__ import annotations

__all__ = ["Archive", "holds_archive", "load"]

import contextlib
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
from .descriptions import (
    describes_patients,
    divided_patients,
    read_header,
    read_task,
    read_task_table,
    task_files,
)
from .files import checksum, read_bytes, read_sealed
from .parts import Part, Row, ScoresFile, cells_of_scores, read_part, read_part_scores
from .schema import split_name
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


def holds_archive(root: Path) -> bool:
    """True if there is an archive at `root`, be it one that has lost its ``archive.json``."""
    return (root / "archive.json").is_file() or any((root / "parts").glob("*.json"))


class Archive:
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
        self.root = root
        self.damaged: dict[Path, str] = {}
        self.plan = self._read_plan(plan)
        self.name: str = self.plan["study"]["name"]
        self.tasks = self._read_tasks()
        self._records: dict[str, Row] = {}
        self._home: dict[str, str] = {}
        self._checksums: dict[str, str] = {}
        self._score_files: dict[str, ScoresFile] = {}
        self._read_parts()
        self._miss_tasks()
        self._failures = self._read_failures()
        self._check_splits()
        self._all_cells = self._frame_of_cells()
        self.cells, self.half_cells, self.halving_cells = (
            self._all_cells[self._all_cells["design"] == design].reset_index(drop=True)
            for design in DESIGNS
        )

    def __repr__(self) -> str:
        kinds = (("half-sample", self.half_cells), ("halving", self.halving_cells))
        extra = "".join(f" and {len(own)} {kind} cells" for kind, own in kinds if len(own))
        return f"<Archive {self.name!r} at {self.root}: {len(self.cells)} cells{extra}>"

    def _read_plan(self, plan: Mapping[str, Any] | None) -> dict[str, Any]:
        path = self.root / "archive.json"
        try:
            return read_header(path)
        except ArchiveDamagedError as error:
            if plan is None:
                raise
            self.damaged[path] = str(error)
            return dict(plan)

    def _read_tasks(self) -> dict[str, dict[str, Any]]:
        tasks = {}
        for path in sorted((self.root / "tasks").glob("*.json")):
            try:
                content = read_task(path)
                tasks[content["task"]] = content
            except ArchiveDamagedError as error:
                self.damaged[path] = str(error)
        return tasks

    def _read_parts(self) -> None:
        """Every part; those that another process compacts meanwhile are looked for again."""
        seen: set[Path] = set()
        while new := sorted(set((self.root / "parts").glob("*.json")) - seen):
            for path in new:
                seen.add(path)
                with contextlib.suppress(FileNotFoundError):
                    self._read_part(path)

    def _read_part(self, path: Path) -> None:
        try:
            part = read_part(path)
        except ArchiveDamagedError as error:
            lost = cells_of_scores(path.with_suffix(".parquet"))
            named = f"; cells {', '.join(lost)}" if lost else ""
            self.damaged[path] = f"{error} (its cells count as missing{named})"
            return
        try:
            if checksum(read_bytes(part.scores.path)) != part.scores.sha256:
                raise ArchiveDamagedError(f"{part.scores.path} is damaged: its checksum differs")
        except ArchiveDamagedError as error:
            if not path.exists():
                return  # compacted between the two reads
            self.damaged[path] = f"{error}; cells {', '.join(sorted(r.cell_id for r in part.rows))}"
            return
        for row in part.rows:
            known = self._records.get(row.cell_id)
            if known is not None and known.scores_sha256 != row.scores_sha256:
                self.damaged[path] = (
                    f"{path}: cell {row.cell_id} is also in "
                    f"parts/{self._home[row.cell_id]}.json, with other scores"
                )
                return
        for row in part.rows:
            if row.cell_id not in self._records:
                self._records[row.cell_id], self._home[row.cell_id] = row, path.stem
        self._checksums[path.stem] = part.checksum
        self._score_files[path.stem] = part.scores

    def _read_failures(self) -> dict[str, dict[str, Any]]:
        found = {}
        for path in sorted((self.root / "failed").glob("*.json")):
            try:
                content = read_sealed(path)
                if content["cell_id"] != path.stem or not isinstance(content["reason"], str):
                    raise ArchiveDamagedError(f"{path} is damaged: it is of another cell")
            except FileNotFoundError:
                continue  # the cell is being trained again
            except (ArchiveDamagedError, KeyError, TypeError) as error:
                if not path.exists():
                    continue
                content = {"cell_id": path.stem, "reason": "its failure record is damaged"}
                self.damaged[path] = f"{error}; cell {path.stem}"
            found[path.stem] = content
        return found

    def _miss_tasks(self) -> None:
        """A task is described before its first cell is committed, so a lack is a loss."""
        for name in sorted({row.key["task"] for row in self._records.values()}):
            path = self.root / "tasks" / f"{name}.json"
            if name not in self.tasks and path not in self.damaged:
                self.damaged[path] = f"{path} is missing"

    def _check_splits(self) -> None:
        """No patient on two sides, and every cell trained on the split that is archived."""
        for name in list(self.tasks):
            path = self.root / "tasks" / f"{name}.json"
            try:
                torn = divided_patients(self.all_splits(name), self.cases(name))
            except ArchiveDamagedError as error:
                self.damaged[path] = str(error)
                del self.tasks[name]
                continue
            if len(torn):
                split = torn.iloc[0]
                self.damaged[path] = (
                    f"{path.with_name(task_files(self.tasks[name])[1])}: "
                    f"{torn['patient'].nunique()} patients lie on two sides of a split, "
                    f"for example {split['patient']!r} in "
                    f"{split_name(split['repeat'], split['fold'], split['design'])}"
                )
        for cell, row in self._records.items():
            key = row.key
            splits = self.tasks.get(key["task"], {}).get("splits_sha256", {})
            name = split_name(key["repeat"], key["fold"], key["design"])
            known = splits.get(name, row.split_sha256)
            if known != row.split_sha256:
                path = self.root / "parts" / f"{self._home[cell]}.json"
                self.damaged[path] = f"{path}: cell {cell} was trained on another split"
        for cell, stem in list(self._home.items()):
            if self.root / "parts" / f"{stem}.json" in self.damaged:
                del self._records[cell], self._home[cell]

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

    def cases(self, task: str) -> pd.DataFrame:
        """Cases of a data set: case, patient, group, y_true and covariates."""
        return read_task_table(self.root / "tasks", self.tasks[task], splits=False)

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

    def all_splits(self, task: str) -> pd.DataFrame:
        """The splits of all designs, as :meth:`splits` gives those of one."""
        return read_task_table(self.root / "tasks", self.tasks[task], splits=True)

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
