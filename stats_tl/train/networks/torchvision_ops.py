"""torchvision's models, quickly, and also beside a torch that its operators do not fit.

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

#: The module of torch's compiler that torchvision's detection operators import.
COMPILER = "torch._dynamo.utils"
#: Operators that torchvision's Python code refers to even where it has no extension.
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

#: Declarations last as long as the object that made them.
_library: torch.library.Library | None = None


def _import_models() -> ModuleType:
    try:
        return _import_without_compiler()
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    _declare_operators()
    _forget_torchvision()
    return _import_without_compiler()


def _import_without_compiler() -> ModuleType:
    """``torchvision.models`` without all of torch's compiler.

    ``torchvision.ops.roi_align`` imports one function of it, which no network here calls, and
    which takes three times as long as all the rest. It gets one that asks the compiler's when
    it is called. A torchvision that wants more is imported as it is.
    """
    if COMPILER in sys.modules:
        return importlib.import_module("torchvision.models")
    stand_in = ModuleType(COMPILER)

    def is_compile_supported(device_type: object) -> object:
        return importlib.import_module(COMPILER).is_compile_supported(device_type)

    stand_in.is_compile_supported = is_compile_supported  # type: ignore[attr-defined]
    sys.modules[COMPILER] = stand_in
    try:
        return importlib.import_module("torchvision.models")
    except (ImportError, AttributeError):
        _forget_torchvision()
    finally:
        if sys.modules.get(COMPILER) is stand_in:
            del sys.modules[COMPILER]
    return importlib.import_module("torchvision.models")


def _forget_torchvision() -> None:
    """Drop the submodules that a failed import left."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]


def _declare_operators() -> None:
    global _library
    # torch does not annotate `Library`.
    _library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in SCHEMAS:
        _library.define(schema)  # type: ignore[no-untyped-call]


models = _import_models()
