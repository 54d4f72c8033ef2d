"""Backbones from timm, cut into stages where timm's own feature information says.

timm lists for every network the modules after which a feature map is worth reading
(``feature_info``): the blocks of a transformer, the ends of a resolution of a convolutional
network. Each of them ends a stage. What comes in front of the first belongs to the first
stage, what follows the last, up to the pooled features in front of the classifier, to the
last; a stage without parameters is joined to the next.

A stage is timm's own network with all other modules taken out, so that nothing of timm is
written again. That the stages, one after the other, are timm's function is not believed but
computed: on one random image with random weights they must give timm's features to the bit.
Networks in which a later module needs more than the output of the one before (rotary
positions, several resolutions side by side) do not, and are refused.
"""

from __future__ import annotations

__all__ = [
    "TimmNetwork",
    "build_timm_backbone",
    "check_timm_request",
    "describe_timm",
    "first_layer_first",
    "scaling_of",
]

import copy
import difflib
import functools
import importlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ...errors import UserError, suggest
from ...study.plan import TIMM
from . import torchvision_ops  # noqa: F401  (timm imports torchvision, whose operators it mends)
from .preprocessing import named_preprocessing
from .staged import Backbone

#: In front of timm's own names of tensors, inside a stage.
INNER = "network."
#: Spread of the random numbers that are added to parameters before a network is compared
#: with its stages: fresh ones are partly 0 or tiny, and would hide a difference.
SHAKE = 0.02


@dataclass(frozen=True)
class TimmNetwork:
    """What timm says of a network, and how it is cut.

    Attributes
    ----------
    name : str
        With the prefix ``timm:``, as plans have it.
    version : str
        Of timm.
    tag : str
        Of the configuration: the one in the name, or timm's default.
    cfg : dict
        timm's ``pretrained_cfg``.
    stages : dict of str to tuple of str
        Names of timm's modules by stage.
    pooling : tuple of str
        Modules that belong to the pooling of the last stage.
    n_features : int
    """

    name: str
    version: str
    tag: str
    cfg: Mapping[str, Any]
    stages: Mapping[str, tuple[str, ...]]
    pooling: tuple[str, ...]
    n_features: int

    @property
    def configuration(self) -> str:
        """Architecture and tag, as timm writes them."""
        return f"{self.cfg['architecture']}.{self.tag}" if self.tag else self.cfg["architecture"]

    @property
    def image_size(self) -> int:
        """Pixels a side that the network was made for."""
        return int(self.cfg["input_size"][-1])

    @property
    def fixed_size(self) -> bool:
        """Whether it takes images of this size only."""
        return bool(self.cfg.get("fixed_input_size"))

    @property
    def classifier(self) -> tuple[str, ...]:
        """Names of the modules behind the features."""
        named = self.cfg.get("classifier") or ()
        return (named,) if isinstance(named, str) else tuple(named)


def _timm(name: str) -> Any:
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise UserError(
            f"backbone {name!r} needs the package timm ({error}): pip install 'stats_tl[timm]'"
        ) from None


def _create(name: str) -> nn.Module:
    """timm's network without a classifier, initialised as timm does."""
    timm, known = _timm(name), name.removeprefix(TIMM)
    architecture, _, tag = known.partition(".")
    if not timm.is_model(architecture):
        raise UserError(
            f"no backbone is called {name!r}: timm {timm.__version__} has no model "
            f"{architecture!r}; {_nearest(architecture, timm.list_models())}"
        )
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise UserError(
            f"no backbone is called {name!r}: timm {timm.__version__} has no weights {tag!r} of "
            f"{architecture}; {suggest(tag, tags)}"
        )
    network: nn.Module = timm.create_model(known, pretrained=False, num_classes=0)
    for module in network.modules():
        # Activations at a boundary are shared by many cells: nothing may change them.
        if isinstance(getattr(module, "inplace", None), bool):
            module.inplace = False  # type: ignore[assignment]
    return network


def _nearest(name: str, known: Sequence[str]) -> str:
    """Of a thousand names, those that are spelled alike."""
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"{hint}timm.list_models() lists them"


@functools.cache
def describe_timm(name: str) -> TimmNetwork:
    """Build a network once, cut it, and compare the stages with the whole.

    Parameters
    ----------
    name : str
        ``timm:<model>`` or ``timm:<model>.<tag>``.

    Returns
    -------
    TimmNetwork

    Raises
    ------
    UserError
        If timm is not installed, has no such network, or the network is not a sequence of
        stages.
    """
    version = str(_timm(name).__version__)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = _create(name).eval()
        cfg = dict(network.pretrained_cfg)  # type: ignore[arg-type]
        _shake(network)
        images = torch.randn(1, *cfg["input_size"])
    body, pooling, features = _trace(network, images)
    tag = cfg.get("tag") or ""
    stages = _stages(network, body)
    found = TimmNetwork(
        name, version, "" if tag == "untrained" else tag, cfg, stages, pooling, features.shape[1]
    )
    _check(found, network, images, features)
    return found


@torch.no_grad()
def _shake(network: nn.Module) -> None:
    for parameter in network.parameters():
        parameter.add_(SHAKE * torch.randn(parameter.shape))
    for key, buffer in network.named_buffers():
        if key.endswith("running_mean"):
            buffer.add_(SHAKE * torch.randn(buffer.shape))
        elif key.endswith("running_var"):
            buffer.mul_(0.5 + torch.rand(buffer.shape))


def _cuts(network: nn.Module) -> list[str]:
    info: Any = network.feature_info
    return [entry["module"] for entry in info]


def _units(network: nn.Module) -> dict[str, nn.Module]:
    """The modules that are kept or taken out as a whole; containers are opened where cut."""
    cuts = _cuts(network)
    units: dict[str, nn.Module] = {}

    def walk(module: nn.Module, prefix: str) -> None:
        for name, child in module.named_children():
            full = prefix + name
            if _is_sequence(child) and any(cut.startswith(f"{full}.") for cut in cuts):
                walk(child, f"{full}.")
            else:
                units[full] = child

    walk(network, "")
    return units


def _is_sequence(module: nn.Module) -> bool:
    """A list of modules, or a container that does nothing but call one after the other."""
    plain = isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward
    return plain or isinstance(module, nn.ModuleList)


@torch.no_grad()
def _trace(
    network: nn.Module, images: torch.Tensor
) -> tuple[tuple[str, ...], tuple[str, ...], torch.Tensor]:
    """Modules up to the last feature map in order, those of the pooling, and the features."""
    called: list[str] = []
    hooks = [
        unit.register_forward_hook(lambda *_, name=name: called.append(name))
        for name, unit in _units(network).items()
    ]
    try:
        feature_map = network.forward_features(images)  # type: ignore[operator]
        body = tuple(called)
        called.clear()
        features = network.forward_head(feature_map, pre_logits=True)  # type: ignore[operator]
    finally:
        for hook in hooks:
            hook.remove()
    return body, tuple(dict.fromkeys(called)), features


def _stages(network: nn.Module, body: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Modules by stage, each of which holds parameters."""
    units = _units(network)
    stages: dict[str, tuple[str, ...]] = {}
    start = 0
    for cut in _cuts(network):
        # A map inside a module is followed by the rest of it.
        ends = [index for index, name in enumerate(body, 1) if f"{cut}.".startswith(f"{name}.")]
        end = max(ends, default=start)
        if any(True for name in body[start:end] for _ in units[name].parameters()):
            stages[body[end - 1].replace(".", "_")] = tuple(body[start:end])
            start = end
    if not stages:
        return {"network": tuple(body)}
    last, members = stages.popitem()
    stages[last] = members + tuple(body[start:])
    return stages


class _Stage(nn.Module):
    """Part of a network from timm: `members` in order, then perhaps its pooling.

    Parameters
    ----------
    network : Module
        timm's, with nothing left in it but this part.
    members : sequence of str
    first, last : bool
        The first begins as timm's ``forward_features`` does, which embeds the image; the
        last ends as its ``forward_head`` does, which pools.
    """

    def __init__(self, network: nn.Module, members: Sequence[str], *, first: bool, last: bool):
        super().__init__()
        self.network = network
        self._members, self._first, self._last = tuple(members), first, last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Output of the part."""
        if self._first:
            x = self.network.forward_features(x)  # type: ignore[operator]
        else:
            for name in self._members:
                x = self.network.get_submodule(name)(x)
        if self._last:
            x = self.network.forward_head(x, pre_logits=True)  # type: ignore[operator]
        return x


def _part(network: nn.Module, kept: Iterable[str], *, own: bool) -> nn.Module:
    """A copy of a network that shares the modules `kept` with it and has no others.

    Parameters
    ----------
    network : Module
    kept : iterable of str
    own : bool
        Whether it has the parameters that are no module's: tokens and positions.
    """
    units, kept = _units(network), frozenset(kept)

    def copied(module: nn.Module, prefix: str) -> nn.Module:
        part = copy.copy(module)
        part._modules = OrderedDict()
        if not own:
            part._parameters, part._buffers = {}, {}
        for name, child in module._modules.items():
            full = prefix + name
            if child is None or full in kept:
                part._modules[name] = child
            else:
                part._modules[name] = nn.Identity() if full in units else copied(child, f"{full}.")
        return part

    return copied(network, "")


def _cut(found: TimmNetwork, network: nn.Module) -> Backbone:
    names = list(found.stages)
    stages: dict[str, nn.Module] = {}
    for name, members in found.stages.items():
        first, last = name == names[0], name == names[-1]
        kept = (*members, *found.pooling) if last else members
        stages[name] = _Stage(_part(network, kept, own=first), members, first=first, last=last)
    return Backbone(
        found.name,
        stages,
        n_features=found.n_features,
        image_size=found.image_size,
        inner=INNER,
        pooled=True,
    )


@torch.no_grad()
def _check(
    found: TimmNetwork, network: nn.Module, images: torch.Tensor, features: torch.Tensor
) -> None:
    """Refuse a network that is not its stages one after the other."""
    backbone = _cut(found, network).eval()
    reason = "they give other features than the whole"
    try:
        same = torch.equal(backbone(images), features)
    # A module may be called in any way that the network likes.
    except Exception as error:
        same, reason = False, str(error).splitlines()[0] if str(error) else repr(error)
    if not same or features.ndim != 2:
        raise UserError(
            f"backbone {found.name!r}: timm's network cannot be cut into stages that follow each "
            f"other ({reason}); expected one whose modules each take the output of the one before, "
            "as resnet, convnext, efficientnet, vit and swin"
        )
    missing = sorted(network.state_dict().keys() - backbone.library_state_dict().keys())
    if missing:
        raise UserError(
            f"backbone {found.name!r}: timm's network has {len(missing)} tensors that its features "
            f"do not depend on ({missing[0]}, ...); expected a network that uses all it has"
        )


def build_timm_backbone(name: str) -> Backbone:
    """Build a network and cut it; initialised by timm from torch's generator.

    Parameters
    ----------
    name : str

    Returns
    -------
    Backbone

    Raises
    ------
    UserError
        As :func:`describe_timm`.
    """
    return _cut(describe_timm(name), _create(name))


def first_layer_first(name: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state with the layer in front that takes the image; tokens may come before it."""
    layer = describe_timm(name).cfg.get("first_conv") or ()
    heads = [f"{one}.weight" for one in ([layer] if isinstance(layer, str) else layer)]
    order = [key for key in heads if key in state]
    return {key: state[key] for key in (*order, *(key for key in state if key not in order))}


def scaling_of(found: TimmNetwork) -> str:
    """The name of the scaling of the images that a configuration states.

    Raises
    ------
    UserError
        If its mean and deviation have no name here.
    """
    mean, std = found.cfg["mean"], found.cfg["std"]
    name = named_preprocessing(mean, std)
    if name is None:
        raise UserError(
            f"backbone {found.name!r}: timm's {found.configuration} scales images by mean "
            f"{tuple(mean)} and deviation {tuple(std)}, which has no name here; set the arm's "
            "preprocessing if its weights have another, or choose another tag"
        )
    return name


def check_timm_request(name: str, unfreeze: str, image_size: int | None) -> None:
    """Refuse what a plan asks of a network and only timm knows that it is not to be had.

    Parameters
    ----------
    name : str
    unfreeze : str
        As a cell's key has it: a number, or ``all``.
    image_size : int or None
        Of the plan's training.

    Raises
    ------
    UserError
        If there are fewer stages, if all are meant and not said so, or if the network takes
        no images of this size.
    """
    found = describe_timm(name)
    stages = list(found.stages)
    if unfreeze != "all" and int(unfreeze) >= len(stages):
        raise UserError(
            f"`unfreeze` = {unfreeze}: {name} has {len(stages)} stages ({', '.join(stages)}); "
            f'expected 0 to {len(stages) - 1}, or "all"'
        )
    if found.fixed_size and image_size not in (None, found.image_size):
        raise UserError(
            f"training.image_size = {image_size}: {name} takes images of {found.image_size} pixels "
            "only; leave image_size out, or give this block one of that size"
        )
