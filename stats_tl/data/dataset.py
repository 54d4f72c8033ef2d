"""A task's cases and images, checked, whatever they looked like on disk."""

from __future__ import annotations

__all__ = ["Dataset", "build_dataset"]

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..errors import UserError
from ..study.digests import json_lines_digest, labels_digest
from ..study.keys import CELL_KEYS
from ..study.plan import Audit
from .audit import find_near_duplicates, merge_groups, perceptual_hash
from .images import WORKERS, ImageFacts, ImageSource, UnreadableImageError, measure, resize
from .problems import Problems, listed

MAX_ID_LENGTH = 200
_OWN_COLUMNS = ("case", "patient", "group", "y_true")
#: Column names that scores and records use beside the cases.
_RESERVED = frozenset({*_OWN_COLUMNS, *CELL_KEYS, "partition", "score", "cell_id", "pair_id"})
_CHUNK = 256
#: Why files of a class that the plan excludes are no cases.
EXCLUDED = "of classes that the plan leaves out"


class _Decoded(NamedTuple):
    """What one pass keeps of an image."""

    sha256: str
    bits: np.ndarray
    facts: ImageFacts
    resized: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Cases with a binary reference standard, and their images.

    Made by :func:`stats_tl.data.load_dataset`; the cases are sorted by case id, so that
    the same data give the same order however they lie on disk.

    Attributes
    ----------
    name : str
        The task's name.
    cases : DataFrame
        One row per image, RangeIndex. ``case`` (str, unique), ``patient`` (str), ``group``
        (str: the unit that a split must not divide; the patient, or several patients whose
        images are near-duplicates), ``y_true`` (int8, 1 = positive), then covariates.
    official : ndarray of int8, shape (folds, n), or None
        Published folds: 0 train, 1 validation, 2 test, -1 unused. A fold without
        validation cases leaves it to the splitter to take them from the training part.
    synthetic : bool
        Drawn by :mod:`stats_tl.data.phantoms`; no result on it says anything about patients.
    description : str
        What the data are, with source and licence where known.
    audit : Audit
        How near-duplicates are looked for.
    images : ImageSource
        Where the images are.
    patients_known : bool
        Whether ``patient`` names patients. Where nobody knows them, it holds the image (or its
        examination) in their place, and nothing that is reported may call it a patient.
    sizes : tuple of int
        Sizes that :meth:`read_images` will be asked for: whatever reads the images first
        resizes to all of them, so that an image is decoded once.
    left_out : mapping of str to tuple of str
        Files that could have been cases and are none, by the reason.
    """

    name: str
    cases: pd.DataFrame = field(repr=False)
    official: np.ndarray | None = field(repr=False)
    synthetic: bool
    description: str
    audit: Audit = field(repr=False)
    images: ImageSource = field(repr=False)
    patients_known: bool = True
    sizes: tuple[int, ...] = ()
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    _memo: dict[str | int, Any] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.cases)

    def read_images(
        self, size: int, *, progress: Callable[[int, int], object] | None = None
    ) -> np.ndarray:
        """All images, resized.

        Parameters
        ----------
        size : int
            Pixels a side.
        progress : callable, optional
            Called as ``progress(done, total)`` now and then.

        Returns
        -------
        ndarray of uint8, shape (n, C, size, size)
            In the order of :attr:`cases`. C is 1 if every image is grey, else 3.
            Bilinear and antialiased; the aspect ratio is not kept.

        Raises
        ------
        UserError
            Naming all images that cannot be decoded, not only the first.

        Notes
        -----
        One pass reads and decodes every image once: it resizes to all :attr:`sizes`, and fills
        :attr:`images_sha256` and the hashes of :attr:`near_duplicates`. Pixels are handed over,
        not kept; asking for a size again, or for one that was not announced, is another pass.
        """
        if not 1 <= size <= 4096:
            raise ValueError(f"`size` must be between 1 and 4096 pixels, was given {size}")
        if size not in self._memo:
            wanted = {size} | (set() if "digests" in self._memo else set(self.sizes))
            self._decode(sorted(wanted), progress)
        pixels: np.ndarray = self._memo.pop(size)
        return pixels

    def _decode(
        self, sizes: Sequence[int], progress: Callable[[int, int], object] | None = None
    ) -> None:
        """Decode every image once; leave pixels of all `sizes`, and the hashes, in the memo."""
        pixels = {size: np.empty((len(self), 1, size, size), dtype=np.uint8) for size in sizes}
        read: list[_Decoded] = []
        problems = Problems(f"task {self.name!r}")

        def decode(index: int) -> _Decoded | str:
            try:
                data = self.images.read(index)
                image = self.images.open(index, data)
            except (UserError, UnreadableImageError) as error:
                return f"{self.images.label(index)}: {error}"
            grey = image if image.mode == "L" else image.convert("L")
            return _Decoded(
                hashlib.sha256(data).hexdigest(),
                perceptual_hash(grey),
                measure(grey, colour=grey is not image),
                [resize(image, size) for size in sizes],
            )

        total = len(self)
        with ThreadPoolExecutor(WORKERS) as pool:
            for start in range(0, total, _CHUNK):
                chunk = range(start, min(start + _CHUNK, total))
                for index, result in zip(chunk, pool.map(decode, chunk), strict=True):
                    if isinstance(result, str):
                        problems.add("unreadable images", result)
                        continue
                    read.append(result._replace(resized=[]))
                    for size, image in zip(sizes, result.resized, strict=True):
                        if image.ndim == 3 and pixels[size].shape[1] == 1:
                            pixels[size] = np.repeat(pixels[size], 3, axis=1)
                        channels_first = image if image.ndim == 2 else np.moveaxis(image, 2, 0)
                        pixels[size][index] = channels_first
                if progress is not None:
                    progress(chunk.stop, total)
        problems.raise_if_any("Restore these files from their source, or remove the cases.")
        self._memo["digests"] = [own.sha256 for own in read]
        self._memo["hashes"] = np.array([own.bits for own in read])
        self._memo["facts"] = [own.facts for own in read]
        for size, resized in pixels.items():
            self._memo[size] = resized

    def check_images(self, *, progress: Callable[[int, int], object] | None = None) -> None:
        """Decode every image, unless that was done, keeping no pixels.

        Parameters
        ----------
        progress : callable, optional
            Called as ``progress(done, total)`` now and then.

        Raises
        ------
        UserError
            Naming all images that cannot be decoded.
        """
        if "facts" not in self._memo:
            self._decode((), progress)

    @property
    def facts(self) -> pd.DataFrame:
        """A row an image, with the columns of :class:`stats_tl.data.images.ImageFacts`.

        Free after :meth:`read_images`; else it reads every image once.
        """
        return pd.DataFrame(self._scan("facts"), columns=list(ImageFacts._fields))

    @property
    def digests(self) -> list[str]:
        """SHA-256 of the stored bytes of every image; free after :meth:`read_images`."""
        digests: list[str] = self._scan("digests")
        return digests

    def _scan(self, what: str) -> Any:
        if what not in self._memo:
            self._decode(self.sizes)
        return self._memo[what]

    @cached_property
    def labels_sha256(self) -> str:
        """SHA-256 over (case, patient, y_true), whatever the order of the rows."""
        return labels_digest(self.cases["case"], self.cases["patient"], self.cases["y_true"])

    @property
    def images_sha256(self) -> str:
        """SHA-256 over (case, SHA-256 of the image's stored bytes), whatever the order.

        Free after :meth:`read_images`; else it reads every image once.
        """
        return json_lines_digest(
            [str(case), own] for case, own in zip(self.cases["case"], self.digests, strict=True)
        )

    @cached_property
    def near_duplicates(self) -> pd.DataFrame:
        """Pairs of images whose perceptual hashes nearly agree.

        Columns ``case_a``, ``case_b``, ``distance`` (bits of 256), ``same_patient``,
        ``same_label``; the closest first. Empty, without reading an image, where the plan
        says ``near_duplicates = "ignore"``. See :mod:`stats_tl.data.audit`.
        """
        i, j, distance = self._pairs()
        columns = {name: self.cases[name].to_numpy() for name in ("case", "patient", "y_true")}
        return pd.DataFrame(
            {
                "case_a": columns["case"][i],
                "case_b": columns["case"][j],
                "distance": distance,
                "same_patient": columns["patient"][i] == columns["patient"][j],
                "same_label": columns["y_true"][i] == columns["y_true"][j],
            }
        )

    @property
    def near_duplicate_positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the images of each pair of :attr:`near_duplicates`."""
        return self._pairs()[:2]

    def _pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self.audit.near_duplicates == "ignore":
            none = np.empty(0, dtype=np.int64)
            return none, none, none
        if "pairs" not in self._memo:
            hashes = self._scan("hashes")
            self._memo["pairs"] = find_near_duplicates(hashes, self.audit.hash_distance)
        pairs = self._memo["pairs"]
        return pairs["i"].to_numpy(), pairs["j"].to_numpy(), pairs["distance"].to_numpy()

    def prepare(self, sizes: Sequence[int] = ()) -> Dataset:
        """This data set with :attr:`sizes`, and near-duplicates grouped as the audit wants it."""
        dataset = replace(self, sizes=tuple(sizes))
        if self.audit.near_duplicates == "group":
            i, j, _ = dataset._pairs()
            patients = self.cases["patient"].to_numpy(dtype=object).astype(str)
            group = merge_groups(patients, i, j).astype(object)
            dataset = replace(dataset, cases=self.cases.assign(group=group))
        return dataset

    def check_official(self) -> None:
        """Refuse published folds that divide a group of near-duplicate images.

        Published folds that divide a *patient* are refused when the data are loaded.

        Raises
        ------
        UserError
            Naming the groups.
        """
        if self.official is not None:
            _refuse_divided(self.cases["group"], self.official, self.name, "group")


def build_dataset(
    name: str,
    cases: pd.DataFrame,
    images: ImageSource,
    *,
    description: str,
    audit: Audit,
    official: np.ndarray | None = None,
    synthetic: bool = False,
    patients_known: bool = True,
    left_out: Mapping[str, Sequence[str]] | None = None,
) -> Dataset:
    """What every adapter ends with: the checks that all data sets share.

    Parameters
    ----------
    name : str
        The task.
    cases : DataFrame
        Columns ``case``, ``patient``, ``y_true`` (1, 0, or -1: leave out), then covariates.
    images : ImageSource
        Of the same length and order.
    description, audit, official, synthetic, patients_known, left_out
        As in :class:`Dataset`.

    Raises
    ------
    UserError
        For missing files, empty or doubled ids, a single class, official folds that put
        one patient on two sides.
    """
    excluded = np.flatnonzero(cases["y_true"].to_numpy() < 0)
    reasons = {**(left_out or {}), EXCLUDED: [images.label(int(i)) for i in excluded]}
    order = np.argsort(cases["case"].to_numpy(dtype=str), kind="stable")
    order = order[cases["y_true"].to_numpy()[order] >= 0]
    cases, images = cases.iloc[order].reset_index(drop=True), images.take(order)
    if official is not None:
        official = np.ascontiguousarray(official[:, order], dtype=np.int8)

    where = f"task {name!r}"
    clash = [column for column in cases.columns[3:] if column in _RESERVED]
    if clash:
        raise UserError(f"{where}: a covariate cannot be named {listed(clash)}; rename the column")
    problems = Problems(where)
    ids, counts = np.unique(cases["case"].to_numpy(dtype=str), return_counts=True)
    problems.add("case ids that occur more than once", *ids[counts > 1])
    for column in ("case", "patient"):
        bad = [text for text in cases[column] if not _is_id(text)]
        problems.add(f"{column} ids that are empty, too long or not printable", *bad)
    problems.add("missing files", *images.missing())
    problems.raise_if_any("Correct these before training.")
    images, frames = images.split_frames(where)
    cases = _one_row_per_frame(cases, frames)
    if official is not None:
        official = np.repeat(official, frames, axis=1)
    if set(cases["y_true"]) != {0, 1}:
        raise UserError(f"{where}: both classes are needed, found {len(cases)} cases of one class")
    if official is not None:
        _refuse_divided(cases["patient"], official, name, "patient")

    cases = cases.assign(y_true=cases["y_true"].astype(np.int8))
    cases.insert(2, "group", cases["patient"])
    return Dataset(
        name, cases, official, synthetic, description, audit, images, patients_known,
        left_out={reason: tuple(own) for reason, own in reasons.items() if own},
    )  # fmt: skip


def _one_row_per_frame(cases: pd.DataFrame, frames: np.ndarray) -> pd.DataFrame:
    """A row per frame, `case#0001` and so on, where a file has several; the patient is one."""
    if (frames == 1).all():
        return cases
    repeated = cases.loc[np.repeat(np.arange(len(cases)), frames)].reset_index(drop=True)
    several = np.repeat(frames > 1, frames)
    numbers = np.concatenate([np.arange(1, count + 1) for count in frames])
    names = repeated["case"].to_numpy(dtype=object)
    repeated["case"] = [
        f"{name}#{number:04d}" if split else name
        for name, number, split in zip(names, numbers, several, strict=True)
    ]
    return repeated


def _is_id(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= MAX_ID_LENGTH and text.isprintable()


def _refuse_divided(units: pd.Series, official: np.ndarray, name: str, unit: str) -> None:
    divided: dict[str, list[int]] = {}
    for fold, sides in enumerate(official, start=1):
        used = sides >= 0
        spread = pd.Series(sides[used]).groupby(units.to_numpy()[used]).nunique()
        for key in spread.index[spread > 1]:
            divided.setdefault(str(key), []).append(fold)
    if divided:
        found = listed(f"{key} (fold {', '.join(map(str, f))})" for key, f in divided.items())
        plural = "" if len(divided) == 1 else "s"
        remedy = (
            "correct the fold file, or set official_folds = false and let stats_tl draw folds"
            if unit == "patient"
            else "their images are near-duplicates; set official_folds = false in [cv]"
        )
        raise UserError(
            f"task {name!r}: the official folds put {len(divided)} {unit}{plural} on two sides "
            f"of a split: {found}; {remedy}"
        )
