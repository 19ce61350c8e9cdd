"""Batches in shared memory: what a worker delivers is mapped by the process that trains, not sent.

Each piece of shared memory costs a file descriptor and a handshake, which for the dozen small tensors of a batch take
more time than the tensors are worth: they share one piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

__all__ = ["packed", "shared_empty"]

T = TypeVar("T")
_ALIGNMENT = 64


def shared_empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return room in shared memory, made there instead of being moved there."""
    room = torch.empty(tuple(shape), dtype=dtype, device="meta")
    storage = torch.UntypedStorage._new_shared(max(1, room.numel() * room.element_size()))  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=dtype).set_(storage, 0, room.shape, room.stride())


def packed(batch: T) -> T:
    """Return a batch, dictionaries of tensors and other things, whose tensors lie in one piece of shared memory.

    Tensors that are shared already stay where they are.
    """
    loose = [tensor for tensor in _tensors(batch) if not tensor.is_shared()]  # type: ignore[no-untyped-call]
    ends = [0]
    for tensor in loose:
        ends.append(ends[-1] + -(-tensor.numel() * tensor.element_size() // _ALIGNMENT) * _ALIGNMENT)
    room = shared_empty((ends[-1],), torch.uint8)
    moved: dict[int, Tensor] = {}
    for tensor, start in zip(loose, ends, strict=False):
        size = tensor.numel() * tensor.element_size()
        moved[id(tensor)] = room[start : start + size].view(tensor.dtype).view(tensor.shape).copy_(tensor)
    return _replaced(batch, moved)  # type: ignore[no-any-return]


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)


def _replaced(value: Any, moved: dict[int, Tensor]) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(item, moved) for name, item in value.items()}
    return moved.get(id(value), value)
