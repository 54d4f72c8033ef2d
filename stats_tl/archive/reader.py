"""Reading the archive, verified: records, scores, what is missing, what is damaged."""

from __future__ import annotations

__all__ = ["Archive", "holds_archive", "load"]

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArchiveDamagedError, UserError
from ..study.cells import plan_cells
from ..study.loading import parse_plan
from .assemble import assemble_scores
from .files import checksum, read_parquet, read_sealed
from .schema import SCORE_COLUMNS, split_name
from .store import check_schema

KEYS = ["task", "backbone", "head", "unfreeze", "arm", "repeat", "fold", "seed"]
#: What names a cell: its design, where it is not that of the plan's cross-validation, too.
_NAMES = [*KEYS, "design"]
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
        One row a verified cell of the plan's cross-validation: identifiers, keys, metrics,
        counts.
    half_cells : DataFrame
        The same of the extra two-fold repeats (`[cv] learning_curve_repeats`), which are kept
        apart so that no mean mixes models trained on all and on half of the data.
    damaged : dict of Path to str
        What is wrong, by file.
    """

    def __init__(self, root: Path, plan: Mapping[str, Any] | None = None):
        self.root = root
        self.damaged: dict[Path, str] = {}
        self.plan = self._read_plan(plan)
        self.name: str = self.plan["study"]["name"]
        self.tasks = self._read_tasks()
        self._parts: dict[str, dict[str, Any]] = {}
        self._records: dict[str, dict[str, Any]] = {}
        self._home: dict[str, str] = {}
        self._read_parts()
        self._miss_tasks()
        self._check_splits()
        self._all_cells = self._frame_of_cells()
        half = self._all_cells["design"] == "half"
        self.cells = self._all_cells[~half].reset_index(drop=True)
        self.half_cells = self._all_cells[half].reset_index(drop=True)

    def __repr__(self) -> str:
        half = f" and {len(self.half_cells)} half-sample cells" if len(self.half_cells) else ""
        return f"<Archive {self.name!r} at {self.root}: {len(self.cells)} cells{half}>"

    def _read_plan(self, plan: Mapping[str, Any] | None) -> dict[str, Any]:
        path = self.root / "archive.json"
        try:
            header = read_sealed(path)
        except ArchiveDamagedError as error:
            if plan is None:
                raise ArchiveDamagedError(
                    f"{error}; `python -m stats_tl.run_grid --plan ... --retry-failed`, with the "
                    "plan of this archive, writes it again and keeps the cells"
                ) from None
            self.damaged[path] = str(error)
            return dict(plan)
        check_schema(header, path)
        return header["plan"]

    def _read_tasks(self) -> dict[str, dict[str, Any]]:
        tasks = {}
        for path in sorted((self.root / "tasks").glob("*.json")):
            try:
                content = read_sealed(path)
                for name, sha256 in content["files"].items():
                    if checksum(_bytes(path.with_name(name))) != sha256:
                        raise ArchiveDamagedError(
                            f"{path.with_name(name)} is damaged: its checksum differs"
                        )
                tasks[content["task"]] = content
            except ArchiveDamagedError as error:
                self.damaged[path] = str(error)
        return tasks

    def _read_parts(self) -> None:
        for path in sorted((self.root / "parts").glob("*.json")):
            try:
                part = read_sealed(path)
            except ArchiveDamagedError as error:
                self.damaged[path] = f"{error} (its cells count as missing)"
                continue
            check_schema(part, path)
            scores = path.with_name(part["scores"]["file"])
            cells = {record["cell_id"]: record for record in part["cells"]}
            try:
                if checksum(_bytes(scores)) != part["scores"]["sha256"]:
                    raise ArchiveDamagedError(f"{scores} is damaged: its checksum differs")
            except ArchiveDamagedError as error:
                self.damaged[path] = f"{error}; cells {', '.join(sorted(cells))}"
                continue
            for cell, record in cells.items():
                known = self._records.get(cell)
                if known is None:
                    self._records[cell], self._home[cell] = record, path.stem
                elif known["scores_sha256"] != record["scores_sha256"]:
                    self.damaged[path] = (
                        f"{path}: cell {cell} is also in parts/{self._home[cell]}.json, "
                        "with other scores"
                    )
            self._parts[path.stem] = part

    def _miss_tasks(self) -> None:
        """A task is described before its first cell is committed, so a lack is a loss."""
        for name in {record["key"]["task"] for record in self._records.values()}:
            path = self.root / "tasks" / f"{name}.json"
            if name not in self.tasks and path not in self.damaged:
                self.damaged[path] = f"{path} is missing"

    def _check_splits(self) -> None:
        """No patient on two sides, and every cell trained on the split that is archived."""
        for name in self.tasks:
            path = self.root / "tasks" / f"{name}.json"
            torn = divided_patients(self._splits(name), self.cases(name))
            if len(torn):
                split = torn.iloc[0]
                self.damaged[path] = (
                    f"{path.with_suffix('.splits.parquet')}: "
                    f"{torn['patient'].nunique()} patients lie on two sides of a split, "
                    f"for example {split['patient']!r} in "
                    f"{split_name(split['repeat'], split['fold'], split['design'])}"
                )
        for cell, record in self._records.items():
            key = record["key"]
            splits = self.tasks.get(key["task"], {}).get("splits_sha256", {})
            name = split_name(key["repeat"], key["fold"], key.get("design", "cv"))
            known = splits.get(name, record["split_sha256"])
            if known != record["split_sha256"]:
                path = self.root / "parts" / f"{self._home[cell]}.json"
                self.damaged[path] = f"{path}: cell {cell} was trained on another split"

    def _frame_of_cells(self) -> pd.DataFrame:
        rows = []
        for cell in sorted(self._records):
            record = self._records[cell]
            counts = record["counts"]
            rows.append(
                {
                    "cell_id": cell,
                    "pair_id": record["pair_id"],
                    "design": "cv",  # which archives of before there were two designs do not say
                    **record["key"],
                    **{name: _nan(value) for name, value in record["metrics"].items()},
                    "epoch": record["selection"]["epoch"],
                    "trainable_parameters": record["parameters"]["trainable"],
                    "total_parameters": record["parameters"]["total"],
                    "n_train": counts["train"]["cases"],
                    "n_validation": counts["validation"]["cases"],
                    "n_test": counts["test"]["cases"],
                    "seconds": record["times"]["seconds"],
                }
            )
        frame = pd.DataFrame(rows, columns=None if rows else CELL_COLUMNS)
        return frame.sort_values(_NAMES, kind="stable", ignore_index=True)[
            [*CELL_COLUMNS, *(c for c in frame.columns if c not in CELL_COLUMNS)]
        ]

    @property
    def cell_ids(self) -> frozenset[str]:
        """Identifiers of all verified cells, of both designs."""
        return frozenset(self._records)

    @property
    def reference(self) -> str:
        """Name of the reference arm."""
        return next(arm["name"] for arm in self.plan["arms"] if arm["reference"])

    @property
    def synthetic(self) -> bool:
        """True if any data set is made up."""
        return any(task["synthetic"] for task in self.tasks.values())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the scientific content: plan, data sets and scores, not times or places."""
        lines = [
            f"{name} {task['labels_sha256']} {task['images_sha256']}"
            for name, task in sorted(self.tasks.items())
        ]
        lines += [f"{c} {r['scores_sha256']}" for c, r in sorted(self._records.items())]
        return checksum("\n".join([repr(_sorted(self.plan)), *lines]).encode())

    def records(self) -> Iterator[dict[str, Any]]:
        """The full record of each verified cell of both designs, with what its part shares."""
        for cell in self._all_cells["cell_id"]:
            part = self._parts[self._home[cell]]
            shared = {k: part[k] for k in part if k not in ("cells", "configurations")}
            record = self._records[cell]
            configuration = part["configurations"][record["configuration_sha256"]]
            yield {**shared, **record, "configuration": configuration}

    def failures(self) -> dict[str, dict[str, Any]]:
        """Why cells failed, by cell identifier."""
        found = {}
        for path in sorted((self.root / "failed").glob("*.json")):
            try:
                content = read_sealed(path)
            except ArchiveDamagedError:
                content = {"cell_id": path.stem, "reason": "its failure record is damaged"}
            if content["cell_id"] not in self._records:
                found[content["cell_id"]] = content
        return found

    @cached_property
    def missing(self) -> pd.DataFrame:
        """Cells of both designs that the plan asks for and the archive does not hold, and why."""
        failures = self.failures()
        rows = [
            {
                "cell_id": cell.cell_id,
                "pair_id": cell.pair_id,
                **cell.key,
                "reason": failures.get(cell.cell_id, {}).get("reason", "not trained yet"),
            }
            for cell in plan_cells(parse_plan(self.plan, source=str(self.root)))
            if cell.cell_id not in self._records
        ]
        return pd.DataFrame(rows, columns=["cell_id", "pair_id", *_NAMES, "reason"])

    def cases(self, task: str) -> pd.DataFrame:
        """Cases of a data set: case, patient, group, y_true and covariates."""
        name = f"{task}.parquet"
        return read_parquet(self.root / "tasks" / name, self.tasks[task]["files"][name])

    def splits(self, task: str, *, design: str = "cv") -> pd.DataFrame:
        """Partition of every case in every split: design, repeat, fold, case, partition.

        Parameters
        ----------
        task : str
        design : {"cv", "half"}, optional
            The plan's cross-validation, or its extra two-fold repeats.
        """
        splits = self._splits(task)
        return splits[splits["design"] == design].reset_index(drop=True)

    def _splits(self, task: str) -> pd.DataFrame:
        """The splits of both designs."""
        name = f"{task}.splits.parquet"
        splits = read_parquet(self.root / "tasks" / name, self.tasks[task]["files"][name])
        if "design" not in splits.columns:  # an archive of before there were two
            splits.insert(0, "design", "cv")
        return splits

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
            gives those of the extra two-fold repeats.

        Returns
        -------
        DataFrame
            One row a case and cell: ``cell_id``, the keys of the cell, ``case``,
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
            part = self._parts[stem]
            frame = read_parquet(
                self.root / "parts" / part["scores"]["file"],
                part["scores"]["sha256"],
                list(SCORE_COLUMNS),
            )
            home = {cell for cell in frame["cell_id"].unique() if self._home.get(cell) == stem}
            keep = frame["cell_id"].isin(home & wanted)
            for key in set(filters) & {"case", "patient", "y_true", "partition"}:
                keep &= _matches(frame[key], filters[key])
            frames.append(frame[keep])
        columns = ["cell_id", *_NAMES, "case", "patient", "y_true", "partition", "score"]
        if not frames:
            return pd.DataFrame(columns=columns)
        return assemble_scores(frames, cells, _NAMES, as_categories=as_categories)


def divided_patients(splits: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Patients with cases in more than one partition of a split: the split, the patient."""
    used = splits[splits["partition"] != "unused"].merge(cases[["case", "patient"]], on="case")
    keys = [key for key in ("design", "repeat", "fold", "patient") if key in used.columns]
    sides = used.groupby(keys, observed=True)["partition"].nunique()
    return sides[sides > 1].index.to_frame(index=False)


def _matches(column: pd.Series, wanted: Any) -> pd.Series:
    values = [wanted] if isinstance(wanted, str) or not hasattr(wanted, "__iter__") else wanted
    if column.dtype.kind in "iu":
        return column.isin(list(values))
    return column.astype(str).isin([str(value) for value in values])


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ArchiveDamagedError(f"{path} is missing") from None


def _nan(value: float | None) -> float:
    return np.nan if value is None else value


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(entry) for entry in value] if isinstance(value, list) else value
