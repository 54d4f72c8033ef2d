"""Images that a person would take out of a data set, had they looked into its folders.

Segmentation masks beside the images double the data and give the answer away; thumbnails, drawn-on
copies and blank pages are no second case either. They are told by their names, by their pixels
(:class:`stats_tl.data.images.ImageFacts`) and by the near-duplicate audit, counted by class, and
named with the line of the plan that leaves them out. Nothing is left out on suspicion.
"""

from __future__ import annotations

__all__ = ["Oddity", "find_oddities", "skip_pattern", "unlisted_images"]

import itertools
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from ..errors import UserError
from ..study.plan import Task
from ..toml import toml_value
from .dataset import Dataset
from .formats import SUFFIXES
from .images import FileImages
from .problems import listed

_MASK = (
    "mask", "masks", "seg", "segmentation", "segmentations", "segmented", "label", "labels", "gt",
    "groundtruth", "ground_truth", "ground-truth", "annotation", "annotations", "annotated",
)  # fmt: skip
_OVERLAY = ("overlay", "overlays", "contour", "contours", "heatmap", "heatmaps")
_THUMBNAIL = ("thumb", "thumbs", "thumbnail", "thumbnails", "preview", "previews")
#: A label map has few grey levels; a compressed mask hardly any between black and white, and is
#: white where it is not black, as no picture is.
_FEW_LEVELS, _MOST_EXTREME, _MOST_OF_BRIGHT = 4, 0.9, 0.5
#: Sides shorter or longer than the median by this factor are of another kind of image.
_OTHER_SIZE = 3
#: Where this share of the images is alike, being so is not odd.
_MOST = 0.9
#: Most names that a pattern may spell out.
_SPELT = 50
#: Adapters with the option `skip`.
_WITH_SKIP = ("folders", "csv")


@dataclass(frozen=True)
class Oddity:
    """Images of one suspicious kind.

    Attributes
    ----------
    what : str
        What they are, after 'n images that'.
    names : tuple of str
        Their files.
    positive, negative : int
        How many of them each class has.
    consequence : str
        What training on them would do.
    skip : str
        The value of the task's option ``skip`` that leaves them out, and what it left out
        before; empty where the adapter has no such option or no pattern tells them apart.
    """

    what: str
    names: tuple[str, ...]
    positive: int
    negative: int
    consequence: str
    skip: str

    def __str__(self) -> str:
        number = "1 image that" if len(self.names) == 1 else f"{len(self.names)} images that"
        remedy = (
            f"to leave them out: skip = {toml_value(self.skip)} in the task's options"
            if self.skip
            else "to leave them out, move them away"
        )
        return (
            f"{number} {self.what} ({self.positive} positive, {self.negative} negative): "
            f"{listed(self.names, 3)}; {self.consequence}; {remedy}"
        )


def find_oddities(dataset: Dataset, task: Task) -> list[Oddity]:
    """What of a data set a person should look at before it is trained on.

    Parameters
    ----------
    dataset : Dataset
        Read once if it was not; nothing is looked for in SYNTHETIC images.
    task : Task
        Its table of the plan.

    Returns
    -------
    list of Oddity
        Each image is under the first that fits: masks, drawings on images, thumbnails, other
        sizes, blank images; then images that stand in both classes.
    """
    if dataset.synthetic:
        return []
    found = []
    taken = np.zeros(len(dataset), dtype=bool)
    for what, odd, consequence in _kinds(dataset, task):
        own = odd & ~taken
        if own.any():
            taken |= own
            found.append(_oddity(dataset, task, what, own, consequence))
    both = _in_both_classes(dataset, ~taken)
    if both.any():
        what = "show the same as an image of the other class"
        consequence = "one of the labels is wrong, and which cannot be told from here"
        found.append(_oddity(dataset, task, what, both, consequence))
    return found


def _kinds(dataset: Dataset, task: Task) -> Iterator[tuple[str, np.ndarray, str]]:
    facts = dataset.facts
    levels, black, white = (facts[name].to_numpy() for name in ("levels", "black", "white"))
    few = levels <= _FEW_LEVELS
    extreme = (black + white >= _MOST_EXTREME) & (white >= _MOST_OF_BRIGHT * (1 - black))
    binary: np.ndarray = (levels > 1) & (few | extreme)
    yield (
        "look like segmentation masks",
        _unusual(_named(dataset, task, _MASK)) | _unusual(binary),
        "they would count as cases of their own and give the answer away",
    )
    copies = _unusual(facts["colour"].to_numpy()) & _has_grey_twin(dataset)
    yield (
        "look like images with something drawn on them",
        _unusual(_named(dataset, task, _OVERLAY)) | copies,
        "what is drawn may give the answer away",
    )
    yield (
        "look like thumbnails by their names",
        _unusual(_named(dataset, task, _THUMBNAIL)),
        "they would count as cases of their own",
    )
    width, height = float(facts["width"].median()), float(facts["height"].median())
    ratios = np.column_stack([facts["width"] / width, facts["height"] / height])
    far = (ratios > _OTHER_SIZE) | (ratios < 1 / _OTHER_SIZE)
    other = far[:, 0] | far[:, 1]
    yield (
        f"are of a size far from the usual {width:g} × {height:g} pixels",
        other,
        "if they are of one class only, their size gives the answer away",
    )
    yield (
        "are blank",
        _unusual(levels == 1),
        "nothing can be learned from them",
    )


def _unusual(odd: np.ndarray) -> np.ndarray:
    """`odd`, or nothing where nearly all images are so."""
    return odd if odd.mean() < _MOST else np.zeros_like(odd)


def _oddity(dataset: Dataset, task: Task, what: str, odd: np.ndarray, consequence: str) -> Oddity:
    names = [dataset.images.label(index) for index in range(len(dataset))]
    own = list(dict.fromkeys(name for name, is_odd in zip(names, odd, strict=True) if is_odd))
    positive = int(dataset.cases["y_true"].to_numpy()[odd].sum())
    skip = ""
    if task.adapter in _WITH_SKIP:
        others = {name for name, is_odd in zip(names, odd, strict=True) if not is_odd}
        pattern = skip_pattern(own, others)
        before = task.options.get("skip")
        skip = f"{before}|{pattern}" if before and pattern else pattern
    return Oddity(what, tuple(own), positive, int(odd.sum()) - positive, consequence, skip)


def _named(dataset: Dataset, task: Task, words: Sequence[str]) -> np.ndarray:
    """Whether one of `words` stands in the name of an image's file or its folders."""
    odd = np.zeros(len(dataset), dtype=bool)
    if isinstance(dataset.images, FileImages):
        word = _words(words)
        for index, name in enumerate(dataset.images.names):
            # A class may be called so: 'mask' and 'no mask'.
            inside = name.partition("/")[2] if task.adapter == "folders" else name
            odd[index] = word.search(_without_suffix(inside)) is not None
    return odd


def _words(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{'|'.join(words)})(?![a-z])", re.IGNORECASE)


def _without_suffix(name: str) -> str:
    suffix = next((own for own in SUFFIXES if name.lower().endswith(own)), "")
    return name[: len(name) - len(suffix)]


def _has_grey_twin(dataset: Dataset) -> np.ndarray:
    """Whether an image nearly agrees with one without colour."""
    twin = np.zeros(len(dataset), dtype=bool)
    grey = ~dataset.facts["colour"].to_numpy()
    i, j = dataset.near_duplicate_positions
    twin[i] |= grey[j]
    twin[j] |= grey[i]
    return twin


def _in_both_classes(dataset: Dataset, among: np.ndarray) -> np.ndarray:
    """Whether an image, or a near-duplicate of it, stands in the other class, too."""
    label = dataset.cases["y_true"].to_numpy()
    both = np.zeros(len(dataset), dtype=bool)
    i, j = dataset.near_duplicate_positions
    differ = (label[i] != label[j]) & among[i] & among[j]
    both[i[differ]] = both[j[differ]] = True
    first: dict[str, int] = {}  # copies to the bit, whatever the audit is to look for
    for index in np.flatnonzero(among).tolist():
        other = first.setdefault(_picture(dataset, index), index)
        if label[other] != label[index]:
            both[other] = both[index] = True
    return both


def _picture(dataset: Dataset, index: int) -> str:
    """What two images share that are the same: the bytes of the file, and the frame in it."""
    images = dataset.images
    frame = images.frames[index] if isinstance(images, FileImages) and images.frames else 0
    return f"{dataset.digests[index]}#{frame}"


def skip_pattern(odd: Sequence[str], others: Collection[str]) -> str:
    r"""A regular expression that is found in every name of `odd` and in none of `others`.

    Empty where only a list of more than fifty names would do.

    Examples
    --------
    >>> skip_pattern(["benign/a (1)_mask.png", "normal/b (7)_mask.png"], {"benign/a (1).png"})
    '_mask'
    >>> skip_pattern(["x/a_tumour.png", "y/b_tumour.png"], {"x/a.png", "y/b.png"})
    '_tumour\\.png$'
    >>> skip_pattern(["x/a.png"], {"x/b.png"})
    '^(?:x/a\\.png)$'
    """
    for pattern in _patterns(odd):
        search = re.compile(pattern).search
        if all(map(search, odd)) and not any(map(search, others)):
            return pattern
    return ""


def _patterns(odd: Sequence[str]) -> Iterator[str]:
    word = re.compile(rf"[/ ._-]?{_words((*_MASK, *_OVERLAY, *_THUMBNAIL)).pattern}", re.IGNORECASE)
    spelt = {match[0] for name in odd if (match := word.search(_without_suffix(name)))}
    if 0 < len(spelt) <= 5:
        yield "|".join(map(_escape, sorted(spelt)))
    if len(odd) > 1:
        folders = [set(PurePosixPath(name).parent.parts) for name in odd]
        for folder in sorted(set.intersection(*folders)):
            yield rf"(?:^|/){_escape(folder)}/"
        shared = itertools.takewhile(
            lambda column: len(set(column)) == 1, zip(*(name[::-1] for name in odd), strict=False)
        )
        ending = "".join(column[0] for column in shared)[::-1]
        if whole := re.search(r"[/ ._-].+", ending):  # no part of a word
            yield f"{_escape(whole[0])}$"
    if len(odd) <= _SPELT:
        yield rf"^(?:{'|'.join(map(_escape, odd))})$"


def _escape(text: str) -> str:
    """`text` in a regular expression, no blanks or hyphens escaped."""
    return re.sub(r"[.^$*+?{}\[\]\\|()]", r"\\\g<0>", text)


def unlisted_images(dataset: Dataset) -> list[str]:
    """Images beside those of a data set that are no cases of it, and not left out by the plan.

    Looked for below the folder that the images share; nowhere if they share none but the top.
    """
    images = dataset.images
    if not isinstance(images, FileImages):
        return []
    folders = {PurePosixPath(name).parent.as_posix() for name in images.names}
    if any(folder.startswith("/") for folder in folders):
        return []
    folder = os.path.commonpath(folders)
    if folder in ("", "."):
        return []
    known = {*images.names, *(name for own in dataset.left_out.values() for name in own)}
    try:
        files = images.store.names(folder)
    except UserError:  # names that cannot be used, which the plan does not use
        return []
    return [name for name in files if name.lower().endswith(SUFFIXES) and name not in known]
