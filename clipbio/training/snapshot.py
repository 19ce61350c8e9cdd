"""The state of a step, as it was."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor

__all__ = ["snapshot"]


def snapshot(value: Any) -> Any:
    """Return a copy on the CPU of nested containers that shares nothing with what training goes on to change.

    Tensors that are the same memory stay so, as with tied weights.
    """
    return _copy(value, {})


def _copy(value: Any, seen: dict[tuple[Any, ...], Tensor]) -> Any:
    if isinstance(value, Tensor):
        place = (value.untyped_storage().data_ptr(), value.storage_offset(), value.shape, value.stride())
        key = (value.device, value.dtype, *place)
        if key not in seen:
            seen[key] = value.detach().to("cpu", copy=True)
        return seen[key]
    if isinstance(value, dict):
        # Copied first: state dicts of torch carry attributes beside their items.
        copied = copy.copy(value)
        copied.update({name: _copy(item, seen) for name, item in value.items()})
        return copied
    if type(value) in (list, tuple):
        return type(value)(_copy(item, seen) for item in value)
    return copy.deepcopy(value)
