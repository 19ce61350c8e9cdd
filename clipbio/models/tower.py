"""A tower: a trunk and its named projections.

Shape suffixes: B batch, F features, D dimensions of the shared space.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.models.lora import LoraOptions, add_adapters
from clipbio.models.projections import Projection
from clipbio.models.trunks import Trunk, hash_state

__all__ = ["Tower"]


class Tower(nn.Module):
    """Encode one modality: trunk features, then one unit vector per named projection.

    A projection that the tower does not have is its `default`: an extra image projection is compared with the one text
    projection. `lr` is the tower's own learning rate, for whoever builds the optimiser; None means the common one.
    """

    def __init__(
        self,
        trunk: Trunk,
        projections: Mapping[str, Projection],
        *,
        unlocked: int | Literal["all"] = "all",
        train_projection: bool = True,
        lr: float | None = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.projections = nn.ModuleDict(projections)
        self.lr = lr
        self.lora: LoraOptions | None = None
        self._originally_trainable = {id(parameter) for parameter in trunk.parameters() if parameter.requires_grad}
        self.unlock(unlocked)
        self.projections.requires_grad_(train_projection)
        self.train(self.training)

    @property
    def modality(self) -> str:
        """Name what the tower encodes."""
        return self.trunk.modality

    @property
    def frozen(self) -> bool:
        """Tell whether no weight of the trunk is trained, so that its features can be cached."""
        return not any(parameter.requires_grad for parameter in self.trunk.parameters())

    def dim(self, projection: str = "default") -> int:
        """Return the length of the vectors of a projection."""
        return self._projection(projection).dim

    def unlock(self, unlocked: int | Literal["all"]) -> None:
        """Train the whole trunk, or only its last `unlocked` groups (0 freezes it); projections are left alone."""
        trainable = self._originally_trainable
        if unlocked != "all":
            last = self._last_groups(unlocked) if unlocked else []
            trainable = trainable & {id(parameter) for group in last for parameter in group}
        for parameter in self.trunk.parameters():
            parameter.requires_grad_(id(parameter) in trainable)
        self.train(self.training)

    def adapt(self, options: LoraOptions) -> None:
        """Train what is unlocked of the trunk through low-rank adapters alone."""
        trained = [parameter for parameter in self.trunk.parameters() if parameter.requires_grad]
        add_adapters(self.trunk.encoder, options, trained)
        self.lora = options
        self._originally_trainable = {id(one) for one in self.trunk.parameters() if one.requires_grad}
        self.train(self.training)

    def _last_groups(self, count: int) -> list[list[nn.Parameter]]:
        groups = self.trunk.groups()
        if not 0 < count <= len(groups):
            raise ClipbioError(
                f"model.{self.modality}.unlocked={count}: the trunk has {len(groups)} groups; "
                f"give 0 to {len(groups)}, or 'all'"
            )
        return groups[-count:]

    def train(self, mode: bool = True) -> Tower:
        """Switch to training mode, except for frozen parts: their dropout stays off, their batch statistics fixed."""
        super().train(mode)
        if mode:
            for part in (self.trunk, *self.projections.values()):
                _settle(part)
        return self

    def features(self, inputs: Tensor) -> Tensor:
        """Return trunk features_BF of pixels or tokens; floating point inputs are cached features and pass through."""
        if inputs.is_floating_point():
            if inputs.shape[-1] != self.trunk.width:
                raise ClipbioError(
                    f"cached {self.modality} features have {inputs.shape[-1]} columns, the trunk gives "
                    f"{self.trunk.width}; they belong to another model"
                )
            return inputs
        # Not inference mode: the projection must be able to save these features for its gradient.
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features_BF: Tensor = self.trunk(inputs)
        return features_BF

    def project(self, features_BF: Tensor, projection: str = "default") -> Tensor:
        """Return unit vectors_BD of trunk features."""
        vectors_BD = self._projected(features_BF, projection)
        # A norm taken in half precision is off by more than the differences that matter between near neighbours.
        return functional.normalize(vectors_BD if vectors_BD.dtype == torch.float64 else vectors_BD.float(), dim=-1)

    def unnormalised(self, inputs: Tensor, projection: str = "default") -> Tensor:
        """Return vectors_BD as the projection gives them, of whatever length."""
        return self._projected(self.features(inputs), projection)

    def _projected(self, features_BF: Tensor, projection: str) -> Tensor:
        head = self._projection(projection)
        parameter = next(head.parameters(), None)
        vectors_BD: Tensor = head(features_BF if parameter is None else features_BF.to(parameter.dtype))
        return vectors_BD

    def forward(self, inputs: Tensor, projection: str = "default") -> Tensor:
        """Return unit vectors_BD of uint8 pixels, integer tokens or floating point cached features."""
        return self.project(self.features(inputs), projection)

    def fingerprint(self) -> str:
        """Return the key of what the trunk computes: weights, dtypes, architecture and input transform."""
        return self.trunk.fingerprint()

    def vector_fingerprint(self, projection: str = "default") -> str:
        """Return the key of the unit vectors of a projection: all that decides the trunk's features, and its weights.

        Scales of adapters are no weights, yet they decide vectors too.
        """
        head = self._projection(projection)
        lora = None if self.lora is None else dataclasses.asdict(self.lora)
        identity = {"features": self.fingerprint(), "lora": lora, "projection": str(head)}
        return hash_state(head.state_dict(), identity)

    def _projection(self, name: str) -> Projection:
        """Return a projection; a tower without one of that name takes part in it with its `default`."""
        head = self.projections[name if name in self.projections else "default"]
        assert isinstance(head, Projection)
        return head


def _settle(module: nn.Module) -> None:
    """Put every part whose weights are all frozen into evaluation mode, with all that is inside it."""
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
        return
    for child in module.children():
        _settle(child)
