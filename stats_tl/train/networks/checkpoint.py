"""Which network of a weight file is the backbone, and its tensors by its library's keys.

Nothing is assumed about the names that a training script put in front of a backbone's own
(``module.``, ``teacher.backbone.``), or about the dictionary it saved it in
(``state_dict_ema``): a candidate is wherever the first layer's name is found with its
shape. One candidate is complete, with nothing foreign among its own modules: that is the
backbone, and what else the file holds is left out and named. If several are, with other
numbers, the plan has to say which.

That nothing may be foreign *among its own modules* keeps larger networks out: ResNet101
holds every tensor of ResNet50, in the same shapes.
"""

from __future__ import annotations

__all__ = ["Placed", "State", "find_backbone", "state_digest"]

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch

from ...errors import UserError
from ...study.keys import table_key
from ...study.plan import BACKBONES, TIMM
from .layouts import Layout, classifier_names, layouts, shapes
from .reading import NUMBERS, Tensors, some
from .unpickling import StoredTensor

State = dict[str, torch.Tensor]

#: Batch counters; older files lack them, and evaluation does not use them.
COUNTER = "num_batches_tracked"
#: torchvision's first DenseNet files have a dot too many: ``norm.1`` for ``norm1``.
DENSELAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
#: Modules that torch puts around others, anywhere in a key.
WRAPPERS = re.compile(r"\b(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
#: What a grey image has of red, green and blue (ITU-R BT.601, as pillow converts).
LUMA = (0.299, 0.587, 0.114)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.int64, torch.int32, torch.int16)
#: MONAI's ResNet has a bias here by default, and another stride in front.
MONAI_RESNET = re.compile(r"layer[1-4]\.0\.downsample\.0\.bias$")
#: Decoders that come with a dilated encoder: the pyramids of DeepLabV3 and DeepLabV3+
#: (segmentation-models-pytorch, torchvision), the attention of PAN.
OF_DILATED = re.compile(
    r"(?:^|\.)(?:aspp\.(?:0\.)?convs\.0\.0|classifier\.0\.convs\.0\.0|fpa\.branch1\.1\.conv)"
    r"\.weight$"
)
#: The head of torchvision's FCN, or the second one of its DeepLabV3: convolutions of 3 x 3
#: and 1 x 1 over a feature map, with batch-norm, ReLU and dropout between them.
FCN_HEAD = re.compile(r"(?:^|\.)(?:aux_)?classifier\.0\.weight$")
ITS_OWN = "."  # the label of a network without a prefix, in no group


@dataclass(frozen=True)
class Placed:
    """A backbone as it was found in a file.

    Attributes
    ----------
    state : dict of str to Tensor
        Every tensor of the backbone by its library's keys, batch counters included (0 where
        the file has none); float32.
    label : str
        Where it was: group and prefix, ``"."`` where there is neither.
    dropped : list of str
        Keys of its group that were left out.
    one_channel : bool
        The file's first layer takes grey images; here it takes red, green and blue, and
        gives the same where the three are equal.
    notes : list of str
    """

    state: State
    label: str
    dropped: list[str]
    one_channel: bool
    notes: list[str]


@dataclass(frozen=True)
class Group:
    """A mapping of a file, its keys without what torch puts around modules."""

    label: str
    state: Tensors
    originals: Mapping[str, str]

    @classmethod
    def of(cls, label: str, tensors: Tensors) -> Group:
        """Simplify the keys."""
        originals = {WRAPPERS.sub("", DENSELAYER.sub(r"\1\2", key)): key for key in tensors}
        return cls(label, {key: tensors[own] for key, own in originals.items()}, originals)


@dataclass(frozen=True)
class Candidate:
    """A place in a file where a backbone may be."""

    backbone: str
    group: Group
    prefix: str
    layout: Layout

    @property
    def label(self) -> str:
        """How a plan names the place."""
        return "/".join(part for part in (self.group.label, self.prefix) if part) or ITS_OWN

    @cached_property
    def keys(self) -> dict[str, str]:
        """The backbone's keys to the file's."""
        return {key: self.prefix + self.layout.write(key) for key in shapes(self.backbone)}

    @cached_property
    def missing(self) -> list[str]:
        """Tensors that are not there; counters may be."""
        state = self.group.state
        return [
            source
            for key, source in self.keys.items()
            if source not in state and not key.endswith(COUNTER)
        ]

    @cached_property
    def misshapen(self) -> list[str]:
        """Tensors of another shape, but for a first layer of one channel.

        Not those that are no plain numbers, whose shape is not known: they are refused as that.
        """
        state, expected = self.group.state, shapes(self.backbone)
        first = next(iter(expected))
        return [
            f"{source} {tuple(state[source].shape)} for {tuple(expected[key])}"
            for key, source in self.keys.items()
            if source in state
            and not isinstance(state[source], StoredTensor)
            and state[source].shape != expected[key]
            and not (key == first and _is_grey(state[source].shape, expected[key]))
        ]

    @cached_property
    def foreign(self) -> list[str]:
        """Tensors among the backbone's own modules that it does not have, classifier aside."""
        start = len(self.prefix)
        classifier = tuple(f"{name}." for name in classifier_names(self.backbone))
        own = {source[start:].partition(".")[0] for source in self.keys.values()}
        known = set(self.keys.values())
        return sorted(
            self.group.originals[key]
            for key in self.group.state
            if key.startswith(self.prefix)
            and key[start:].partition(".")[0] in own
            and key not in known
            and not (classifier and key[start:].startswith(classifier))
        )

    @property
    def complete(self) -> bool:
        """Every tensor is there, and no other among them."""
        return not (self.missing or self.misshapen or self.foreign)

    @property
    def share(self) -> float:
        """Tensors of the backbone that are there, of all."""
        return 1 - (len(self.missing) + len(self.misshapen)) / len(self.keys)

    def same_as(self, other: Candidate) -> bool:
        """Whether both have the same numbers, as one network has that is saved twice."""
        pairs = (
            (self.group.state[source], other.group.state[other.keys[key]])
            for key, source in self.keys.items()
            if not key.endswith(COUNTER)
        )
        return all(
            isinstance(mine, torch.Tensor)
            and isinstance(theirs, torch.Tensor)
            and torch.equal(mine, theirs)
            for mine, theirs in pairs
        )


def _is_grey(shape: torch.Size, expected: torch.Size) -> bool:
    return (
        len(shape) == len(expected) == 4
        and (shape[0], *shape[2:]) == (expected[0], *expected[2:])
        and (shape[1], expected[1]) == (1, 3)
    )


def _candidates(groups: list[Group], backbone: str) -> list[Candidate]:
    """Places where the first layer is, each once."""
    found: dict[tuple[str, frozenset[str]], Candidate] = {}
    for candidate in _places(groups, backbone, [next(iter(shapes(backbone)))]):
        found.setdefault((candidate.group.label, frozenset(candidate.keys.values())), candidate)
    return list(found.values())


def _places(groups: list[Group], backbone: str, probes: list[str]) -> Iterator[Candidate]:
    """Places where one of the keys is found, with its shape."""
    for group in groups:
        for layout in layouts(backbone):
            prefixes = {
                key.removesuffix(layout.write(probe))
                for probe in probes
                for key, value in group.state.items()
                if f".{key}".endswith(f".{layout.write(probe)}")
                and _fits(value.shape, shapes(backbone)[probe])
            }
            for prefix in sorted(prefixes):
                yield Candidate(backbone, group, prefix, layout)


def _fits(shape: torch.Size, expected: torch.Size) -> bool:
    return shape == expected or shape == torch.Size(()) or _is_grey(shape, expected)


def find_backbone(
    groups: Mapping[str, Tensors], backbone: str, *, name: str, network: str | None = None
) -> Placed:
    """Find a backbone in a file and bring it to its library's keys, in float32.

    Parameters
    ----------
    groups : mapping of str to dict of str to Tensor
        As :func:`~stats_tl.train.networks.reading.read_state_file` gives them.
    backbone : str
    name : str
        Of the file, for messages.
    network : str, optional
        Which of several: the label that the message gives.

    Returns
    -------
    Placed

    Raises
    ------
    UserError
        If a tensor is missing, has another shape or type, belongs to no part of the
        network, or holds numbers that are not finite; the message says which backbone the
        file looks like. Also if the file has several such networks and `network` does not
        say which.
    """
    simplified = [Group.of(label, state) for label, state in groups.items()]
    candidates = _candidates(simplified, backbone)
    if network is not None:
        candidates = _named(candidates, network, backbone, name)
    complete = [candidate for candidate in candidates if candidate.complete]
    if not complete:
        raise _unfit(simplified, candidates, backbone, name)
    chosen = complete[0]
    others = [other for other in complete[1:] if not chosen.same_as(other)]
    if others:
        labels = [candidate.label for candidate in (chosen, *others)]
        raise UserError(
            f"weights {name}: {len(labels)} networks of the file are a {backbone} "
            f"({', '.join(map(repr, labels))}); say which in the plan's arm: "
            f"network = {{ {table_key(backbone)} = {labels[0]!r} }}"
        )
    used = set(chosen.keys.values())
    dropped = sorted(
        original for key, original in chosen.group.originals.items() if key not in used
    )
    dilated = next((key for key in dropped if _is_of_dilated(key, chosen)), None)
    if dilated is not None:
        raise UserError(
            f"weights {name}: {dilated} is of a segmentation network whose encoder dilates its "
            f"last layers instead of halving: another function than {backbone}, whatever the names "
            "of its tensors; if its encoder is known to halve, save the encoder's tensors alone"
        )
    where = [] if chosen.label == ITS_OWN else [f"found under {chosen.label!r}"]
    if chosen.layout is not layouts(backbone)[0]:
        where.append(f"written in {chosen.layout.name}")
    state, one_channel = _tensors(chosen, name)
    return Placed(state, chosen.label, dropped, one_channel, where)


def _is_of_dilated(key: str, chosen: Candidate) -> bool:
    """Whether a tensor beside the backbone belongs to a network that dilates its encoder."""
    if OF_DILATED.search(key):
        return True
    if not FCN_HEAD.search(key):
        return False
    own, state = WRAPPERS.sub("", key), chosen.group.state
    last = state.get(own.removesuffix("0.weight") + "4.weight")
    return last is not None and (state[own].shape[2:], last.shape[2:]) == ((3, 3), (1, 1))


def _named(candidates: list[Candidate], network: str, backbone: str, name: str) -> list[Candidate]:
    """The candidates that a plan means."""
    wanted = network.strip("/.")
    chosen = [candidate for candidate in candidates if candidate.label.strip("/.") == wanted]
    if not chosen:
        labels = ", ".join(repr(candidate.label) for candidate in candidates) or "none"
        raise UserError(
            f"weights {name}: no {backbone} is under {network!r}, as the plan's `network` says; "
            f"in the file: {labels}"
        )
    return chosen


def _tensors(candidate: Candidate, name: str) -> tuple[State, bool]:
    """The tensors in float32, after a look at what they hold."""
    state: State = {}
    expected = shapes(candidate.backbone)
    one_channel = False
    for key, source in candidate.keys.items():
        shown = candidate.group.originals.get(source, source)
        found = candidate.group.state.get(source, torch.zeros((), dtype=torch.int64))
        value = _plain(found, key, shown, name)
        if value.is_floating_point():
            value = _finite(value, shown, name)
        if value.shape != expected[key]:
            one_channel = True
            value = torch.cat([share * value for share in LUMA], dim=1)
        state[key] = value
    return state, one_channel


def _plain(value: torch.Tensor | StoredTensor, key: str, shown: str, name: str) -> torch.Tensor:
    """The tensor, if it is of plain numbers of a kind that weights are."""
    counter = key.endswith(COUNTER)
    if isinstance(value, StoredTensor):
        kind = value.other
    elif value.layout != torch.strided or value.is_quantized:
        kind = f"a tensor of layout {value.layout}"
    elif value.dtype in FLOATS or (counter and value.dtype in INTEGERS):
        return value
    else:
        kind = f"of type {str(value.dtype).removeprefix('torch.')}"
    raise UserError(f"weights {name}: {shown} is {kind}; {NUMBERS}")


def _finite(value: torch.Tensor, shown: str, name: str) -> torch.Tensor:
    """The values in float32."""
    if not torch.isfinite(value).all():
        raise UserError(f"weights {name}: {shown} holds numbers that are not finite")
    single = value.to(torch.float32)
    if not torch.isfinite(single).all():
        raise UserError(
            f"weights {name}: {shown} holds numbers up to {value.abs().max():.1e}, too large for "
            "float32; a training that diverged leaves such weights"
        )
    return single


def _unfit(groups: list[Group], candidates: list[Candidate], backbone: str, name: str) -> UserError:
    """Why no network of the file is the backbone."""
    if not candidates:
        # Without a first layer: what fits best shows what is amiss.
        probes = list(shapes(backbone))[1:]
        candidates = list(_places(groups, backbone, probes[:: len(probes) // 8 or 1]))
    if not candidates:
        candidates = [Candidate(backbone, groups[0], "", layouts(backbone)[0])]
    best = max(candidates, key=lambda candidate: candidate.share)
    problems = [
        f"{len(found)} {what} ({some(found)})"
        for what, found in [
            ("missing", best.missing),
            ("of another shape", best.misshapen),
            ("unexpected", best.foreign),
        ]
        if found
    ]
    place = "" if best.label == ITS_OWN else f" (under {best.label!r})"
    return UserError(
        f"weights {name} do not fit {backbone}: of {len(best.keys)} tensors{place} "
        f"{'; '.join(problems)}{_resemblance(groups, best)}"
    )


def _resemblance(groups: list[Group], best: Candidate) -> str:
    """The tail of a message: the backbone that the file looks like."""
    if any(MONAI_RESNET.search(key) for key in best.foreign):
        return (
            "; the file looks like MONAI's ResNet, whose first layer has stride 1: another "
            "function than torchvision's"
        )
    share = {best.backbone: best.share}
    for other in BACKBONES:
        found = [candidate.share for candidate in _candidates(groups, other)]
        share[other] = max([share.get(other, 0.0), *found])
    likeliest = max(share, key=share.__getitem__)
    if share[likeliest] < 0.5:
        names = some([key for group in groups for key in group.state])
        return f"; it looks like no backbone known here (its names: {names})"
    if likeliest != best.backbone:
        return f"; the file looks like {likeliest}"
    library = "timm" if best.backbone.startswith(TIMM) else "torchvision"
    if not best.missing and not best.misshapen:
        return f"; the file looks like a larger network than {best.backbone}, or another one"
    return f"; expected the state dict of {library}'s network, or of its backbone"


def state_digest(state_dict: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of names, shapes and values, whatever the file format.

    Examples
    --------
    >>> state_digest({"a": torch.zeros(2)})[:8] == state_digest({"a": torch.ones(2)})[:8]
    False
    """
    digest = hashlib.sha256()
    for key in sorted(state_dict):
        value = state_dict[key].detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
