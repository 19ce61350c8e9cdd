"""What turns the input of one modality into features: the contract of a trunk.

Shape suffixes: B batch, C channels, H height, W width, L tokens, F features.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clipbio.errors import ClipbioError
from clipbio.models.tokenizer import Tokenizer

__all__ = ["ImageSpec", "ImageTrunk", "TextTrunk", "Trunk", "block_groups", "hash_state", "recompute_blocks"]

# Part of every fingerprint: raise it when the same weights begin to give other features.
FEATURE_VERSION = 1


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """How a picture becomes the pixels a trunk expects; normalisation is left to the trunk.

    `size` is (height, width). `resize_mode` is `shortest` (shorter side to `size / crop_fraction`, then centre crop),
    `squash` (both sides, ignoring the aspect) or `longest` (fit inside, pad with `fill`).
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    crop_fraction: float = 1.0
    resize_mode: str = "shortest"
    fill: int = 0


class Trunk(nn.Module):
    """One modality's encoder up to, not including, its projection.

    `config` says how the encoder was built, in plain JSON values; with the weights it identifies the features.
    """

    modality: str = ""

    def __init__(self, encoder: nn.Module, *, width: int, config: dict[str, Any]) -> None:
        super().__init__()
        self.encoder = encoder
        self.width = width
        self.config = config
        self._fingerprint: tuple[tuple[tuple[int, int], ...], str] | None = None

    def groups(self) -> list[list[nn.Parameter]]:
        """Return the parameters from input to output, in the steps by which a trunk is unlocked."""
        return block_groups(self.encoder)

    def checkpoint_activations(self) -> None:
        """Compute the activations of blocks again in the backward pass instead of keeping them."""
        recompute_blocks(self.encoder, self.modality)

    def identity(self) -> dict[str, Any]:
        """Return what beside the weights decides the features, in plain JSON values."""
        return {"class": type(self).__name__, "version": FEATURE_VERSION, "config": self.config}

    def fingerprint(self) -> str:
        """Return a hash of the weights with their dtypes and of all that decides the features beside them.

        It is computed once; any write to a weight through PyTorch makes it stale.
        """
        state = self.state_dict()
        versions = tuple((tensor.data_ptr(), tensor._version) for tensor in state.values())
        if self._fingerprint is None or self._fingerprint[0] != versions:
            self._fingerprint = (versions, hash_state(state, self.identity()))
        return self._fingerprint[1]


class ImageTrunk(Trunk):
    """A trunk for uint8 pixels, which it normalises on its own device."""

    modality = "image"
    mean: Tensor
    std: Tensor

    def __init__(self, encoder: nn.Module, *, width: int, spec: ImageSpec, config: dict[str, Any]) -> None:
        super().__init__(encoder, width=width, config=config)
        self.spec = spec
        # Not in checkpoints: they belong to the architecture, and strict loading stays compatible.
        self.register_buffer("mean", 255 * torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)

    def normalise(self, pixels_BCHW: Tensor) -> Tensor:
        """Turn uint8 pixels into the encoder's normalised input."""
        # In place: room for another batch of floats costs more time than the arithmetic.
        return pixels_BCHW.to(self.mean.dtype, copy=True).sub_(self.mean).div_(self.std)

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Return features_BF of uint8 pixels."""
        features: Tensor = self.encoder(self.normalise(pixels_BCHW))
        return features

    def identity(self) -> dict[str, Any]:
        """Return what beside the weights decides the features: also the image transform."""
        return super().identity() | {"spec": dataclasses.asdict(self.spec)}


class TextTrunk(Trunk):
    """A trunk for tokens; its tokenizer makes them."""

    modality = "text"

    def __init__(self, encoder: nn.Module, *, width: int, tokenizer: Tokenizer, config: dict[str, Any]) -> None:
        super().__init__(encoder, width=width, config=config)
        self.tokenizer = tokenizer

    @property
    def context_length(self) -> int:
        """Tell how many tokens are read at most."""
        return self.tokenizer.context_length

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Return features_BF of tokens."""
        features: Tensor = self.encoder(tokens_BL.long())
        return features

    def identity(self) -> dict[str, Any]:
        """Return what beside the weights decides the features: also the tokenizer."""
        return super().identity() | {"tokenizer": self.tokenizer.identity}


def recompute_blocks(module: Any, modality: str) -> None:
    """Switch gradient checkpointing on, by whichever name a library gives it."""
    cannot = ClipbioError(
        f"model.{modality}.gradient_checkpointing: {type(module).__name__} cannot do it; set it to false"
    )
    try:
        if hasattr(module, "set_grad_checkpointing"):  # open_clip and timm
            module.set_grad_checkpointing(True)
        elif hasattr(module, "activation_checkpointing_enable"):  # transformers from 5 on
            module.activation_checkpointing_enable({"use_reentrant": False})
        elif hasattr(module, "gradient_checkpointing_enable"):
            module.gradient_checkpointing_enable({"use_reentrant": False})
        else:
            raise cannot
    except (AssertionError, ValueError) as error:  # how timm and transformers refuse
        raise cannot from error


def block_groups(encoder: nn.Module) -> list[list[nn.Parameter]]:
    """Group parameters as stem and embeddings, each block of the largest stack, and what follows joined to the last."""
    stacks = [module for module in encoder.modules() if isinstance(module, nn.ModuleList) and len(module) > 0]
    if not stacks:
        raise ClipbioError(
            f"model: {type(encoder).__name__} has no stack of blocks to unlock in part; use unlocked=all or unlocked=0"
        )
    stack = max(stacks, key=lambda candidate: sum(parameter.numel() for parameter in candidate.parameters()))
    blocks = [list(block.parameters()) for block in stack]
    inside = {id(parameter) for block in blocks for parameter in block}
    before, after = _around(list(encoder.parameters()), inside)
    blocks[-1] += after
    return [before, *blocks]


def _around(parameters: Sequence[nn.Parameter], inside: set[int]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split the parameters outside a stack into those registered before and those registered after it."""
    positions = [position for position, parameter in enumerate(parameters) if id(parameter) in inside]
    return list(parameters[: positions[0]]), list(parameters[positions[-1] + 1 :])


def hash_state(state: Mapping[str, Tensor], identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of weights with their names, dtypes and shapes, and of what else decides a result."""
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
