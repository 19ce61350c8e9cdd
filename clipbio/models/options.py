"""The options every tower has, whatever its trunk."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from torch import nn

from clipbio.errors import ClipbioError, nearest
from clipbio.models.lora import LoraOptions
from clipbio.models.projections import INPUT_NORMS, PROJECTIONS, Projection, build_projection
from clipbio.models.tower import Tower
from clipbio.models.trunks import Trunk

__all__ = ["TowerOptions", "TowerRecipe"]


@dataclass(frozen=True, kw_only=True)
class TowerOptions:
    """How a tower is trained and projected.

    `unlocked`: `all`, or how many of the trunk's last groups are trained; 0 freezes it.
    `lr`: the tower's own learning rate.
    `projections`: names of further projections, each of which begins as a copy of the `default` one.
    `projection`: `pretrained` (the loaded model's own), or a new `linear`, `mlp` or `identity`.
    `hidden`: the hidden width of `mlp`, by default the dimension of the space.
    `dropout`, `input_norm` (`none`, `layer`, `l2`, `standard`): applied to the features before the projection.
    `identity_start`: a square `linear` projection begins as the identity.
    `train_projection`: False freezes the projection too.
    `lora`: options of low-rank adapters (see `LoraOptions`). The unlocked part of the trunk is then trained through
        adapters, and none of its own weights.
    `gradient_checkpointing`: compute activations of the trunk's blocks again in the backward pass instead of keeping
        them.
    """

    unlocked: int | Literal["all"] = "all"
    lr: float | None = None
    projection: str = "pretrained"
    projections: Sequence[str] = ()
    hidden: int | None = None
    dropout: float = 0.0
    input_norm: str = "none"
    identity_start: bool = False
    train_projection: bool = True
    lora: Mapping[str, Any] | None = None
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        for key, value, valid in (
            ("projection", self.projection, PROJECTIONS),
            ("input_norm", self.input_norm, INPUT_NORMS),
        ):
            if value not in valid:
                raise ClipbioError(f"model: unknown {key} '{value}'{nearest(value, valid)}")
        if len({"default", *self.projections}) != 1 + len(self.projections) or any("." in n for n in self.projections):
            raise ClipbioError(
                f"model: projections={list(self.projections)} must be distinct names without dots beside 'default'"
            )
        if self.unlocked != "all" and (type(self.unlocked) is not int or self.unlocked < 0):
            raise ClipbioError(f"model: unlocked is 'all' or a number of groups from 0 on, not '{self.unlocked}'")
        if not 0 <= self.dropout < 1:
            raise ClipbioError(f"model: dropout lies in [0, 1), not {self.dropout}")
        if self.lr is not None and not self.lr > 0:
            raise ClipbioError(f"model: lr is above 0, not {self.lr}")
        if self.unlocked == 0:
            for key, given in (("lora", self.lora), ("gradient_checkpointing", self.gradient_checkpointing)):
                if given:
                    raise ClipbioError(
                        f"model: {key} has no effect on a frozen trunk; give unlocked=all or a number of groups"
                    )

    def tower(self, trunk: Trunk, *, dim: int | None, pretrained: nn.Module | None = None, own_dim: int = 0) -> Tower:
        """Put a trunk and a projection together; `pretrained` maps its features to `own_dim`."""
        default = self._projection(trunk, dim, pretrained, own_dim)
        tower = Tower(
            trunk,
            {"default": default, **{name: copy.deepcopy(default) for name in self.projections}},
            unlocked=self.unlocked,
            train_projection=self.train_projection,
            lr=self.lr,
        )
        if self.lora is not None:
            tower.adapt(LoraOptions.of(self.lora))
        if self.gradient_checkpointing:
            trunk.checkpoint_activations()
        return tower

    def _projection(self, trunk: Trunk, dim: int | None, pretrained: nn.Module | None, own_dim: int) -> Projection:
        dropout, norm = self.dropout, self.input_norm
        key = f"model.{trunk.modality}.projection"
        if self.projection != "pretrained":
            return build_projection(
                self.projection,
                trunk.width,
                dim=dim or own_dim or trunk.width,
                hidden=self.hidden,
                dropout=dropout,
                input_norm=norm,
                identity_start=self.identity_start,
            )
        if pretrained is None:
            raise ClipbioError(f"{key}=pretrained: this trunk comes without a projection; use linear or mlp")
        if dim not in (None, own_dim):
            raise ClipbioError(f"{key}=pretrained gives {own_dim} dimensions, model.dim is {dim}; use linear or mlp")
        return Projection(pretrained, width=trunk.width, dim=own_dim, dropout=dropout, input_norm=norm)


class TowerRecipe(Protocol):
    """What can build a tower for a space of `dim` dimensions; None is what the trunk gives."""

    def build(self, *, dim: int | None, load_weights: bool = True) -> Tower:
        """Return the tower."""
        ...
