"""Sharding over processes with PyTorch's `fully_shard`: each keeps its part of every weight, gradient and moment.

The units are the blocks of a trunk's largest stack, what is left of the trunk, each projection and each head. A unit's
weights are whole only while it runs, forward and backward, and running it is a collective of all processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from clipbio.errors import ClipbioError
from clipbio.models.tower import Tower

__all__ = ["assemble", "make_whole", "shard", "shard_again", "split_like"]


def shard(towers: Iterable[Tower], heads: Iterable[nn.Module], mesh: DeviceMesh) -> None:
    """Shard towers and heads in place, frozen parts too; the values of parameters must be equal on all processes."""
    for tower in towers:
        # Projections apart from the trunk: a tower runs either of them alone where features are cached.
        for unit in (*_blocks(tower.trunk), tower.trunk, *tower.projections.values()):
            _shard_unit(unit, mesh)
    seen: set[int] = set()
    for head in heads:
        own = {id(parameter) for parameter in head.parameters()}
        if seen & own:
            raise ClipbioError(
                "trainer=fsdp cannot shard a temperature that several projections share: set "
                "data.streams.NAME.own_temperature=true, or take trainer=ddp"
            )
        seen |= own
        _shard_unit(head, mesh)


def _shard_unit(unit: nn.Module, mesh: DeviceMesh) -> None:
    parameters = list(unit.parameters())
    for parameter in parameters:
        # Another memory order, such as channels last, cannot be sharded.
        if not isinstance(parameter, DTensor):
            parameter.data = parameter.data.contiguous()
    if parameters:
        fully_shard(unit, mesh=mesh)


def _blocks(trunk: nn.Module) -> list[nn.Module]:
    """Return the blocks of the largest stack; without one the trunk is a single unit."""
    stacks = [stack for stack in trunk.modules() if isinstance(stack, nn.ModuleList | nn.Sequential) and len(stack) > 1]
    if not stacks:
        return []
    stack = max(stacks, key=lambda one: sum(parameter.numel() for parameter in one.parameters()))
    # A list inside a list is never called, so nothing would gather its weights.
    return [block for block in stack if not isinstance(block, nn.ModuleList | nn.ModuleDict)]


def _units(module: nn.Module) -> list[FSDPModule]:
    return [unit for unit in module.modules() if isinstance(unit, FSDPModule)]


def make_whole(module: nn.Module) -> None:
    """Gather all weights, which then stay: forward passes are no collectives until `shard_again`."""
    # Storage made in inference mode could not be trained with afterwards.
    with torch.inference_mode(False), torch.no_grad():
        for unit in _units(module):
            unit.set_reshard_after_forward(False, recurse=False)
            unit.unshard()


def shard_again(module: nn.Module) -> None:
    """Give up the weights of others again."""
    for unit in _units(module):
        unit.set_reshard_after_forward(True, recurse=False)
        unit.reshard()


def assemble(state: Any, *, keep: bool) -> Any:
    """Return containers with whole tensors on the CPU in the place of shards; every process must call it.

    Args:
        state: Nested dicts and lists, such as a state dict.
        keep: Whether this process wants the result; others get containers without shards' values.
    """
    if isinstance(state, DTensor):
        whole = state.full_tensor()
        return whole.cpu() if keep else None
    if isinstance(state, Mapping):
        return {key: assemble(value, keep=keep) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(assemble(value, keep=keep) for value in state)
    return state


def split_like(whole: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return this process's shard of a tensor that every process holds, laid out as `like`."""
    if not isinstance(like, DTensor) or whole.shape != like.shape:
        return whole
    # No communication: each process takes its part of its own copy.
    return distribute_tensor(whole.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
