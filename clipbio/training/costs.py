"""What trunks cost: operations and activations of one sample, counted without computing anything where that works."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from clipbio.models import DnaTrunk, ImageTrunk, TextTrunk
from clipbio.models.trunks import Trunk

__all__ = ["TrunkCost", "trunk_cost"]


class TrunkCost(NamedTuple):
    """Cost of one sample.

    Args:
        forward: Operations of encoding it; a multiplication and an addition are two.
        backward: Operations of its gradient, without those of encoding once more.
        activations: Bytes kept for the gradient, in the precision of the weights.
        inputs: Bytes of the pixels or tokens.
    """

    forward: float
    backward: float
    activations: int
    inputs: int


def trunk_cost(trunk: Trunk) -> TrunkCost:
    """Return what a sample costs: texts and barcodes are taken to be as long as the trunk reads at most.

    It is counted on tensors without contents. A trunk that looks into its input encodes one sample instead. Nothing
    of the trunk is changed, and no random number is drawn.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            return _counted(trunk, _longest_input(trunk, 2).to("meta"), lambda one: one.detach().to("meta"))
        except (RuntimeError, TypeError, ValueError):
            # Buffers are cloned, or batch statistics would learn of it.
            return _counted(trunk, _longest_input(trunk, 1), lambda one: one.detach().clone())


def _counted(trunk: Trunk, inputs: Tensor, copied: Callable[[Tensor], Tensor]) -> TrunkCost:
    weights = {
        name: copied(value).requires_grad_(value.requires_grad)
        for name, value in trunk.named_parameters(remove_duplicate=False)
    }
    state = weights | {name: copied(value) for name, value in trunk.named_buffers(remove_duplicate=False)}
    trained = any(one.requires_grad for one in weights.values())
    kept: dict[int, Tensor] = {}
    own = {one.untyped_storage()._cdata for one in state.values()}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()._cdata
        if storage not in own and value is not inputs:
            kept[storage] = value
        return value

    rows = len(inputs)
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(trained):
        with saved_tensors_hooks(keep, lambda value: value):
            features = functional_call(trunk, state, (inputs,))
        forward = float(counter.get_total_flops())
        activations = sum(value.untyped_storage().nbytes() for value in kept.values())
        if trained:
            # Not autograd.grad, which the counter refuses where a trunk returns a weight, such as a learned query.
            features.float().sum().backward()
        total = float(counter.get_total_flops())
    return TrunkCost(forward / rows, (total - forward) / rows, activations // rows, inputs.nbytes // rows)


def _longest_input(trunk: nn.Module, rows: int) -> Tensor:
    if isinstance(trunk, ImageTrunk):
        height, width = trunk.spec.size
        return torch.zeros(rows, 3, height, width, dtype=torch.uint8)
    assert isinstance(trunk, TextTrunk | DnaTrunk)
    letters = "ACGT" if isinstance(trunk, DnaTrunk) else "leaf "
    return trunk.tokenizer([letters * 2 * trunk.context_length] * rows)
