"""A model: a dictionary of towers that share one space."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from clipbio.errors import ClipbioError, nearest
from clipbio.models.captioner import CaptionDecoder
from clipbio.models.tower import Tower
from clipbio.seeding import derive_seed

__all__ = ["DEFAULT_LOGIT_SCALE", "MultiTower", "ParameterCount", "seeded"]

DEFAULT_LOGIT_SCALE = math.log(1 / 0.07)


class ParameterCount(NamedTuple):
    """How many weights a tower has and how many of them are trained."""

    tower: str
    total: int
    trainable: int


class MultiTower(nn.Module):
    """Encode any subset of modalities into one space.

    `initial_logit_scale` (a natural logarithm) and `initial_logit_bias` are those of the loaded model; the head that
    compares the vectors starts from them and owns the trained values. `decoder` writes captions, where the model is a
    CoCa.
    """

    def __init__(
        self,
        towers: Mapping[str, Tower],
        *,
        initial_logit_scale: float = DEFAULT_LOGIT_SCALE,
        initial_logit_bias: float | None = None,
        decoder: CaptionDecoder | None = None,
    ) -> None:
        super().__init__()
        dims = {name: tower.dim() for name, tower in towers.items()}
        if len(set(dims.values())) > 1:
            sizes = ", ".join(f"{name} {dim}" for name, dim in dims.items())
            raise ClipbioError(f"the towers do not share one space ({sizes}); set model.dim and new projections")
        self.towers = nn.ModuleDict(towers)
        self.decoder = decoder
        self.dim = next(iter(dims.values()))
        self.initial_logit_scale = initial_logit_scale
        self.initial_logit_bias = initial_logit_bias

    @property
    def modalities(self) -> tuple[str, ...]:
        """Name the towers."""
        return tuple(self.towers.keys())

    def tower(self, modality: str) -> Tower:
        """Return the tower of a modality."""
        if modality not in self.towers:
            raise ClipbioError(f"the model has no {modality} tower{nearest(modality, self.modalities)}")
        tower = self.towers[modality]
        assert isinstance(tower, Tower)
        return tower

    def forward(self, inputs: Mapping[str, Tensor], projection: str = "default") -> dict[str, Tensor]:
        """Return unit vectors_BD for each modality present in `inputs`."""
        return {modality: self.tower(modality)(value, projection) for modality, value in inputs.items()}

    def summary(self) -> list[ParameterCount]:
        """Count the parameters of each tower, and of a caption decoder, total and trainable."""
        counts = []
        decoder = {} if self.decoder is None else {"decoder": self.decoder}
        for name, part in [*self.towers.items(), *decoder.items()]:
            sizes = [(parameter.numel(), parameter.requires_grad) for parameter in part.parameters()]
            counts.append(ParameterCount(name, sum(n for n, _ in sizes), sum(n for n, trained in sizes if trained)))
        return counts


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw all initial weights inside from `seed`, and leave the process's own random state as it was."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(derive_seed("model", seed))
    try:
        yield
    finally:
        torch.set_rng_state(state)
