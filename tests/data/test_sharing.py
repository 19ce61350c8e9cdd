"""Batches of workers: one piece of shared memory for what is small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import IterableDataset

from clipbio.data.sharing import packed, shared_empty
from clipbio.data.stream import loader


def batch() -> dict[str, Any]:
    return {
        "pixels": shared_empty((2, 3, 4, 5), torch.uint8).fill_(7),
        "inputs": {"text": torch.arange(6).reshape(2, 3), "scale": torch.tensor([0.5, 2.0])},
        "mask": torch.tensor([True, False]),
        "turned": torch.arange(6).reshape(2, 3).T,
        "none": torch.empty(0, 3),
        "one": torch.tensor(4),
        "ids": ["a", "b"],
        "step": 3,
    }


def flat(value: Any) -> dict[str, Any]:
    return value | value["inputs"]


def test_a_packed_batch_is_the_same() -> None:
    before, after = flat(batch()), flat(packed(batch()))
    assert list(before) == list(after)
    for name, value in before.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, after[name])
            assert (value.dtype, value.shape) == (after[name].dtype, after[name].shape)
        elif name != "inputs":
            assert value == after[name]


def test_small_tensors_share_one_piece_of_memory() -> None:
    tensors = [value for value in flat(packed(batch())).values() if isinstance(value, torch.Tensor)]
    assert all(tensor.is_shared() for tensor in tensors)
    pieces = {tensor.untyped_storage().data_ptr() for tensor in tensors}
    assert len(tensors) == 7
    assert len(pieces) == 2
    assert all(tensor.data_ptr() % tensor.element_size() == 0 for tensor in tensors)


class Batches(IterableDataset[dict[str, Any]]):
    def __iter__(self) -> Iterator[dict[str, Any]]:
        for _ in range(3):
            yield packed(batch())


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_packed_batches_arrive_whole(context: str) -> None:
    arrived = [flat(found) for found in loader(Batches(), num_workers=1, context=context)]
    assert len(arrived) == 3
    for found in arrived:
        for name, value in flat(batch()).items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, found[name])
