"""A study plan: TOML → validated, immutable configuration.

A plan says *what* is compared, never *where* or *how fast*: paths can be given
in it for convenience, but no path, device or worker count enters the identity
of a cell (see :mod:`stats_tl.study.cells`).

Every model below is one table of the TOML file; its docstring and field
descriptions are the reference of the plan format (``docs/plan.md``).
"""

from __future__ import annotations

__all__ = [
    "Arm",
    "Audit",
    "CrossValidation",
    "GridBlock",
    "Head",
    "Intensity",
    "Keep",
    "LabelTable",
    "Plan",
    "Study",
    "Task",
    "Training",
]

import contextlib
import re
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Field,
    field_validator,
    model_validator,
)

from ..analysis_plan import Analysis
from ..errors import suggest
from ..schema import SparseTable, Table

BACKBONES = (
    "resnet50",
    "densenet121",
    "inception_v3",
    "resnet18",
    "squeezenet1_1",
    "mobilenet_v2",
)
#: Parameter-bearing stages of each backbone; `unfreeze` may not exceed them.
STAGE_COUNTS = {
    "resnet50": 5,
    "densenet121": 5,
    "inception_v3": 4,
    "resnet18": 5,
    "squeezenet1_1": 5,
    "mobilenet_v2": 6,
}
#: Pixels a side of the images that each architecture was made for.
IMAGE_SIZES = {name: 299 if name == "inception_v3" else 224 for name in BACKBONES}
#: Halvings that :mod:`stats_tl.stats` needs to estimate a variance from.
FEWEST_HALVINGS = 5
ADAPTERS = (
    "phantom-breast",
    "phantom-knee",
    "busbra",
    "busi",
    "radimagenet",
    "medmnist",
    "mrnet",
    "folders",
    "csv",
)
#: In front of the name of a model of timm, which is a backbone too; only timm knows its stages.
TIMM = "timm:"
Adapter = Literal[ADAPTERS]  # type: ignore[valid-type]
Preprocessing = Literal["imagenet", "symmetric", "caffe", "unit", "clip", "xrayvision"]
Unfreeze = Annotated[int, Field(ge=0)] | Literal["all"]

_TIMM_MODEL = re.compile(r"timm:[A-Za-z0-9_]{1,96}(\.[A-Za-z0-9_-]{1,96})?")


def check_backbone(name: str) -> str:
    """The name of a backbone, if one may be called so; whether timm has it, timm says.

    Raises
    ------
    ValueError
        If none is.
    """
    if name.startswith(TIMM):
        if not _TIMM_MODEL.fullmatch(name):
            raise ValueError(
                "expected 'timm:' and the name of a model of timm, as 'timm:convnext_tiny' or "
                "'timm:convnext_tiny.in12k_ft_in1k'"
            )
    elif name not in BACKBONES:
        raise ValueError(f"{suggest(name, BACKBONES)}, or 'timm:' and the name of a model of timm")
    return name


# The names that need no timm stand in a type of their own, where the documentation finds them.
Backbone = Annotated[str, AfterValidator(check_backbone)] | Literal[BACKBONES]  # type: ignore[valid-type]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a name is 1 to 64 letters, digits and '_.+-', and begins with a letter or digit"
        )
    return name


class _Named(Table):
    name: str

    _named = field_validator("name")(_check_name)


def _check_label(label: str) -> str:
    if label != label.strip() or not label.isprintable():
        raise ValueError("a label is printable text on one line, without spaces at its ends")
    return label


Label = Annotated[str, Field(max_length=60), AfterValidator(_check_label)]


class _Labelled(_Named):
    """A named table whose name readers may see as something else."""

    younger: ClassVar[dict[str, Any]] = {"label": ""}

    label: Label = Field(
        "", description="What text, tables and figures call it; default: a known label or the name."
    )


class Study(_Named):
    """``[study]``: what this is."""

    title: str = Field("", description="One line for the tables' captions.")
    seed: int = Field(2025, ge=0, lt=2**32, description="Root of every random number.")


class Intensity(SparseTable):
    """``intensity`` of a task: which samples become black and white; one key of these.

    Without any, 8 unsigned bits stay as they are, DICOM files are shown in their first window,
    and all else is scaled from its own minimum to its own maximum.
    """

    own_range: bool = Field(False, description="Minimum and maximum of each image.")
    range: tuple[float, float] | None = Field(None, description="These two values.")
    percentiles: tuple[float, float] | None = Field(
        None, description="These two percentiles of each image."
    )
    window: str | None = Field(
        None, description="DICOM: the window of this name; 'first': the first of the file."
    )

    @model_validator(mode="after")
    def _one_and_increasing(self) -> Intensity:
        if len(self.model_fields_set) > 1:
            raise ValueError("give one of own_range, range, percentiles and window")
        for key in ("range", "percentiles"):
            pair = getattr(self, key)
            if pair is not None and not pair[0] < pair[1]:
                raise ValueError(f"{key}: the first value must be less than the second")
        if (
            self.percentiles is not None
            and not 0 <= min(self.percentiles) < max(self.percentiles) <= 100
        ):
            raise ValueError("percentiles lie between 0 and 100")
        return self

    @property
    def auto(self) -> bool:
        """Nothing is asked for."""
        return not (self.own_range or self.range or self.percentiles or self.window)


class Task(_Labelled):
    """``[[tasks]]``: a data set with a binary reference standard."""

    younger: ClassVar[dict[str, Any]] = {
        **_Labelled.younger,
        "intensity": None,
        "frames": "one",
        "plane": None,
    }

    adapter: Adapter = Field(description="How the data lie on disk.")
    path: str | None = Field(
        None, description="Folder or file; relative to the plan. `--data NAME=PATH` overrides it."
    )
    options: dict[str, Any] = Field(
        {}, description="What the adapter asks for, e.g. `positive` or `normals`."
    )
    intensity: Intensity | None = Field(
        None, description="Which samples become black and white; default: see docs/data.md."
    )
    frames: Annotated[int, Field(ge=1)] | Literal["one", "middle", "all"] = Field(
        "one", description="Which images of files with several: one refuses such files."
    )
    plane: Literal["axial", "coronal", "sagittal"] | None = Field(
        None, description="In which plane volumes are sliced (NIfTI, MRNet)."
    )

    @field_validator("intensity")
    @classmethod
    def _empty_is_default(cls, intensity: Intensity | None) -> Intensity | None:
        return None if intensity is not None and intensity.auto else intensity


class CrossValidation(Table):
    """``[cv]``: which cases train, tune and test, how often."""

    younger: ClassVar[dict[str, Any]] = {"learning_curve_repeats": 0, "halvings": 0}

    folds: int = Field(
        5, ge=1, le=100, description="Folds of one cross-validation; 1: a single published split."
    )
    repeats: int = Field(5, ge=1, le=1000, description="Cross-validations, each with its split.")
    seeds: int = Field(1, ge=1, le=1000, description="Trainings of each fold.")
    official_folds: bool = Field(
        False, description="Repeat 0 uses the data set's published folds; the others our own."
    )
    validation_share: float = Field(
        0.2, gt=0, lt=1, description="Share of each training part kept for choosing the epoch."
    )
    learning_curve_repeats: int = Field(
        0,
        ge=0,
        le=100,
        description="Extra repeats of two-fold cross-validation, which train on half of the data "
        "and show how steep the learning curve is; five suffice.",
    )
    halvings: int = Field(
        0,
        ge=0,
        le=1000,
        description="Random divisions of the patients into two halves, each cross-validated by "
        "itself in two repeats, which measure the variance that training causes; 0 for none, "
        "else 5 or more; 20 are recommended.",
    )


class Head(_Labelled):
    """``[[heads]]``: a classifier on the pooled features (four are built in)."""

    kind: Literal["linear", "nonlinear", "conv", "convskip"]
    ratio: float = Field(0.5, gt=0, le=4, description="nonlinear: hidden units per feature.")
    filters: int = Field(16, ge=1, le=256, description="conv, convskip: filters.")
    kernel_size: int = Field(2, ge=1, le=64, description="conv, convskip: width of the filters.")
    dropout: float = Field(0.5, ge=0, lt=1, description="nonlinear, conv, convskip.")


BUILTIN_HEADS = tuple(
    Head(name=kind, kind=kind) for kind in ("linear", "nonlinear", "conv", "convskip")
)


class Arm(_Labelled):
    """``[[arms]]``: a source of pretrained weights; exactly one is the reference."""

    younger: ClassVar[dict[str, Any]] = {**_Labelled.younger, "network": {}}

    source: Literal["imagenet", "radimagenet", "random", "checkpoint"]
    reference: bool = Field(False, description="The arm that the others are compared with.")
    files: dict[str, str] = Field(
        {},
        description="Local weight files by backbone; relative to the plan. Without one, the hub.",
    )
    sha256: dict[str, str] = Field({}, description="Expected hash of the file, by backbone.")
    network: dict[str, str] = Field(
        {},
        description="Which of several networks in a file, by backbone: the group and prefix that "
        "the message about it lists, such as 'state_dict_ema' or 'teacher.'.",
    )
    variant: str = Field(
        "IMAGENET1K_V1",
        description="source = 'imagenet': torchvision's weights to use, or the tag of timm's.",
    )
    preprocessing: Preprocessing | None = Field(
        None, description="Input scaling; default: what the source's authors used."
    )

    @model_validator(mode="after")
    def _files_are_of_backbones(self) -> Arm:
        for key in ("files", "sha256", "network"):
            for name in getattr(self, key):
                try:
                    check_backbone(name)
                except ValueError as error:
                    raise ValueError(
                        f"{key} names the unknown backbone {name!r}; {error}"
                    ) from None
        if self.source == "checkpoint" and not self.files:
            raise ValueError("source = 'checkpoint' needs files = { <backbone> = '<path>' }")
        if self.source == "random" and self.files:
            raise ValueError("source = 'random' takes no files")
        return self

    def weight_file(self, backbone: str, base: Path) -> Path:
        """Where the file lies that the plan names, relative to `base`; ``~`` is the home folder."""
        path = Path(self.files[backbone])
        with contextlib.suppress(RuntimeError):  # nobody's home: a file whose name begins so
            path = path.expanduser()
        return base / path


class Training(Table):
    """``[training]``: how every cell is fitted; a grid block may change keys of it."""

    younger: ClassVar[dict[str, Any]] = {"augmentation_views": 0, "activations": "float32"}

    epochs: int = Field(30, ge=1, le=10_000)
    batch_size: int = Field(64, ge=2, le=65_536)
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(1e-3, gt=0, le=10)
    weight_decay: float = Field(1e-5, ge=0, le=10)
    momentum: float = Field(0.9, ge=0, lt=1, description="sgd only (Nesterov).")
    schedule: Literal["constant", "cosine", "halving"] = Field(
        "cosine", description="cosine: to a fifth of the rate; halving: by half every epoch."
    )
    class_weights: Literal["none", "balanced"] = "none"
    augmentation: Literal["none", "affine"] = Field(
        "none", description="affine: flip, rotation, translation, scale, shear, new every epoch."
    )
    selection: Literal["best-validation-auc", "last-epoch"] = "best-validation-auc"
    patience: int = Field(
        0, ge=0, description="Stop after so many epochs without a better validation AUC; 0: never."
    )
    image_size: int | None = Field(
        None, ge=32, le=2048, description="Pixels a side; default: 224, Inception 299."
    )
    standardize: bool = Field(
        False,
        description="Frozen backbones: scale each feature to mean 0 and SD 1 over the cell's "
        "training cases, so that one learning rate suits the features of every arm.",
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32",
        description="bfloat16: mixed precision on CUDA, and on a CPU that has instructions for "
        "it; float16: on CUDA only.",
    )
    augmentation_views: int = Field(
        0,
        ge=0,
        le=1000,
        description="affine: so many views of every image, drawn once and taken in turn, epoch by "
        "epoch, so that frozen stages see each once; 0: new views in every epoch.",
    )
    activations: Literal["float32", "float16", "bfloat16"] = Field(
        "float32",
        description="float16: the output of frozen stages is rounded to half precision; "
        "bfloat16: they compute in it where the device does.",
    )


class GridBlock(Table):
    """``[[grid]]``: a product of settings; the study is the union of its blocks."""

    tasks: tuple[str, ...] | None = Field(None, description="Default: all tasks.")
    arms: tuple[str, ...] | None = Field(None, description="Default: all arms.")
    backbones: tuple[Backbone, ...] = Field(min_length=1)
    heads: tuple[str, ...] = Field(min_length=1)
    unfreeze: tuple[Unfreeze, ...] = Field((0,), min_length=1, description="Stages, from the end.")
    training: dict[str, Any] = Field({}, description="Changes to [training] for this block.")


class Audit(Table):
    """``[audit]``: leakage between partitions."""

    near_duplicates: Literal["report", "group", "ignore"] = Field(
        "report", description="group: near-duplicate images stay on one side of a split."
    )
    hash_distance: int = Field(
        16, ge=0, le=64, description="Bits of 256 by which perceptual hashes of duplicates differ."
    )


class Keep(Table):
    """``[keep]``: what the archive holds beyond scores and records, and under which names."""

    younger: ClassVar[dict[str, Any]] = {"identifiers": "as-given"}

    backbones: bool = Field(False, description="Trained backbones, as safetensors.")
    identifiers: Literal["as-given", "hashed"] = Field(
        "as-given", description="hashed: salted hashes of the case and patient identifiers."
    )


class LabelTable(SparseTable):
    """``[labels]``: what readers see in place of names; no result depends on it.

    For names that have no table of their own in the plan; it prevails over `label` there.
    """

    tasks: dict[str, Label] = Field({}, description="By name of the task.")
    arms: dict[str, Label] = Field({}, description="By name of the arm.")
    backbones: dict[str, Label] = Field({}, description="By name of the backbone.")
    heads: dict[str, Label] = Field({}, description="By name of the head.")
    unfreeze: dict[str, Label] = Field({}, description='By depth, as text: "0", "2", "all".')
    covariates: dict[str, Label] = Field({}, description="By name of the cases' covariate.")


class Plan(Table):
    """A whole plan, defaults filled in."""

    younger: ClassVar[dict[str, Any]] = {"labels": {}}

    study: Study
    tasks: tuple[Task, ...] = Field(min_length=1)
    cv: CrossValidation = CrossValidation()
    heads: tuple[Head, ...] = ()
    arms: tuple[Arm, ...] = Field(min_length=2)
    grid: tuple[GridBlock, ...] = Field(min_length=1)
    training: Training = Training()
    analysis: Analysis = Analysis()
    audit: Audit = Audit()
    keep: Keep = Keep()
    labels: LabelTable = LabelTable()

    def portable(self) -> dict[str, Any]:
        """The plan as JSON types, with files named but not where they lie."""
        plan = self.model_dump(mode="json")
        for task in plan["tasks"]:
            if task["path"] is not None:
                task["path"] = PurePath(task["path"]).name
        for arm in plan["arms"]:
            arm["files"] = {key: PurePath(path).name for key, path in arm["files"].items()}
        return plan

    @property
    def reference(self) -> str:
        """Name of the reference arm."""
        return next(arm.name for arm in self.arms if arm.reference)

    @property
    def all_heads(self) -> dict[str, Head]:
        """Heads by name: the built-in ones and the plan's own, which may redefine them."""
        return {head.name: head for head in (*BUILTIN_HEADS, *self.heads)}
