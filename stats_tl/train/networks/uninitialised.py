"""Networks whose initial values nobody needs, for they are overwritten."""

from __future__ import annotations

__all__ = ["Uninitialised"]

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_DRAWS = {torch.Tensor.normal_, torch.Tensor.uniform_}


class Uninitialised(TorchFunctionMode):
    """Modules made inside draw no initial values: what their parameters hold is arbitrary.

    The meta device would do as well, but torch's Python code for it imports the whole compiler.

    Examples
    --------
    >>> state = torch.get_rng_state()
    >>> with Uninitialised():
    ...     layer = torch.nn.Linear(3, 2)
    >>> layer.weight.shape, torch.equal(torch.get_rng_state(), state)
    (torch.Size([2, 3]), True)
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func in _DRAWS or getattr(func, "__module__", "") == torch.nn.init.__name__:
            return args[0] if args else named["tensor"]
        return func(*args, **named)
