"""torchvision's models, also beside a torch that its compiled operators do not fit.

The torchvision wheel of a package index is compiled for CUDA. Beside a CPU-only torch
its extension cannot be loaded, and ``import torchvision`` then fails with 'operator
torchvision::nms does not exist', although no network here uses such an operator.
Declaring the operators (their signature, not their code) lets the import pass.

Every other module takes torchvision from here::

    from .torchvision_ops import models
"""

from __future__ import annotations

__all__ = ["models"]

import importlib
import sys
from types import ModuleType

import torch

#: Operators that torchvision's Python code refers to even where it has no extension.
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

#: Declarations last as long as the object that made them.
_library: torch.library.Library | None = None


def _import_models() -> ModuleType:
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    _declare_operators()
    # The failed import left the submodules that came before the failure.
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    return importlib.import_module("torchvision.models")


def _declare_operators() -> None:
    global _library
    # torch does not annotate `Library`.
    _library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in SCHEMAS:
        _library.define(schema)  # type: ignore[no-untyped-call]


models = _import_models()
