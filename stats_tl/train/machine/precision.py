"""Where a plan's lower precision is computed in, and where it is not."""

from __future__ import annotations

__all__ = ["computes_bfloat16", "describe_precision", "lower_precision"]

import platform
from collections.abc import Collection
from functools import cache

import torch


@cache
def computes_bfloat16() -> bool:
    """True if the processor multiplies bfloat16 by itself, as torch and oneDNN see it.

    On x86 that is AVX512_BF16 or AMX. Without them oneDNN converts to float32 and back, which
    is slower than float32.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if platform.machine().lower() in ("x86_64", "amd64"):
        # Not public in the oldest torch that is supported; a later one may rename them.
        asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(ask() for name in asked if (ask := getattr(torch.cpu, name, None)))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def lower_precision(wanted: str, device: torch.device) -> torch.dtype | None:
    """What layers compute in under ``torch.autocast``, or None: float32.

    Parameters
    ----------
    wanted : {"float32", "bfloat16", "float16"}
        By the plan.
    device : torch.device
        CUDA has all; the CPU bfloat16, if :func:`computes_bfloat16`.
    """
    if wanted == "float32":
        return None
    if device.type == "cuda":
        dtype: torch.dtype = getattr(torch, wanted)
        return dtype
    return torch.bfloat16 if wanted == "bfloat16" and computes_bfloat16() else None


def describe_precision(wanted: Collection[str], device: str) -> list[str]:
    """A sentence for each precision of a plan that is not computed in on a device."""
    if device != "cpu":
        return []
    notes = []
    if "bfloat16" in wanted and not computes_bfloat16():
        notes.append(
            "bfloat16: this processor has no instructions for it (AVX512_BF16 or AMX), without "
            "which it is slower; float32 is used"
        )
    if "float16" in wanted:
        notes.append("precision float16 is for CUDA; on the CPU float32 is used")
    return notes
