"""Heads: named embeddings, a presence mask and labels in; a loss out."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clipbio.errors import ClipbioError
from clipbio.losses.gather import gather
from clipbio.losses.labels import LabelTable

__all__ = ["ContrastiveHead", "Head", "HeadOutput"]


@dataclass(frozen=True, slots=True)
class HeadOutput:
    """The loss to descend, what is worth logging, and the loss (b,) of each own row, NaN where it took no part.

    All but `loss` are detached.
    """

    loss: Tensor
    report: dict[str, Tensor]
    row_loss_b: Tensor | None = None


class Head(nn.Module):
    """What a training step needs of a head.

    `modalities` names the towers whose embeddings it reads.
    """

    modalities: tuple[str, ...] = ()

    def prepare(self, taxon_NR: Tensor, *, dim: int) -> None:
        """Learn the labels of all train specimens, and the length of embeddings; most heads need nothing."""

    def start_from(self, logit_scale: float | None, logit_bias: float | None = None) -> None:
        """Take over the temperature of a pretrained model; heads without one ignore it."""

    def clamp(self) -> None:
        """Put parameters back into their bounds after a step."""

    def settle(self) -> None:
        """Let explicit settings win over weights of another run that were loaded."""

    @abstractmethod
    def forward(
        self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor], labels: Mapping[str, Tensor]
    ) -> HeadOutput:
        """Return the loss.

        Args:
            embeddings: Unit vectors (b, D) per modality, the rows being the same specimens.
            present: Mask (b,) per modality.
            labels: `taxon_BR`, `bin_B`, `text_B` and `group_B` of these rows.
        """


class ContrastiveHead(Head):
    """Learnable temperature and a loss term per pair of modalities, each distinct pair once.

    Args:
        loss: Module such as `InfoNCE`, called with the own rows of the first and all rows of the second modality.
        pairs: Weight of each pair, such as `image-text`; the weighted terms are added.
        temperature: Initial temperature; a pretrained model brings its own unless this is given.
        learn_temperature: Whether temperature and bias are trained.
        max_scale: Upper bound of the inverse temperature; 100 as in CLIP, None for no bound.
        default_temperature: Where neither the config nor a pretrained model gives one.
        bias: Initial bias of losses that have one.
    """

    def __init__(
        self,
        loss: nn.Module,
        *,
        pairs: Mapping[str, float],
        temperature: float | None = None,
        learn_temperature: bool = True,
        max_scale: float | None = 100.0,
        default_temperature: float = 0.07,
        bias: float | None = None,
    ) -> None:
        super().__init__()
        if max_scale is not None and max_scale < 1.0:
            raise ClipbioError(f"loss.max_scale={max_scale} must be at least 1, or null")
        lowest = 0.0 if max_scale is None else 1 / max_scale
        if temperature is not None and not (0 < temperature <= 1 and temperature >= lowest * (1 - 1e-9)):
            raise ClipbioError(
                f"loss.temperature={temperature} must lie between 1 / loss.max_scale ({lowest:g}) and 1, as it is kept"
            )
        self.loss = loss
        self.max_scale = max_scale
        self.pairs = _pairs(pairs)
        self.modalities = tuple(dict.fromkeys(name for pair in self.pairs for name in pair))
        self._given = temperature
        # One dimension, not zero: sharded training cannot hold a scalar parameter.
        self.logit_scale = nn.Parameter(
            torch.full((1,), -math.log(temperature or default_temperature)), requires_grad=learn_temperature
        )
        self.logit_bias = (
            None if bias is None else nn.Parameter(torch.full((1,), bias), requires_grad=learn_temperature)
        )
        self.clamp()

    def start_from(self, logit_scale: float | None, logit_bias: float | None = None) -> None:
        """Take over a pretrained model's log inverse temperature and bias, unless the config gives one.

        A loss with a bias takes over only from a model that was trained with one: the two belong together.
        """
        if logit_scale is None or self._given is not None or (self.logit_bias is not None and logit_bias is None):
            return
        with torch.no_grad():
            self.logit_scale.fill_(logit_scale)
            if self.logit_bias is not None and logit_bias is not None:
                self.logit_bias.fill_(logit_bias)
        self.clamp()

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep the inverse temperature between 1 and `max_scale`, as CLIP does after each step."""
        self.logit_scale.clamp_(0.0, None if self.max_scale is None else math.log(self.max_scale))

    @torch.no_grad()
    def settle(self) -> None:
        """Put back a temperature that the config gives, and its bounds, after weights of another run were loaded."""
        if self._given is not None:
            self.logit_scale.fill_(-math.log(self._given))
        self.clamp()

    def forward(
        self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor], labels: Mapping[str, Tensor]
    ) -> HeadOutput:
        """Return the weighted sum of the terms; see `Head.forward`."""
        self._check(embeddings)
        # Sums over thousands of logits need float32.
        with torch.autocast(embeddings[self.modalities[0]].device.type, enabled=False):
            return self._forward(embeddings, present, labels)

    def _forward(
        self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor], labels: Mapping[str, Tensor]
    ) -> HeadOutput:
        table = LabelTable.gather(labels, {name: present[name] for name in self.modalities})
        # All processes' rows, with gradients, of each modality that stands second in some pair.
        gathered = {name: gather(embeddings[name]) for name in dict.fromkeys(second for _, second in self.pairs)}
        scale = self.logit_scale.exp()
        terms, row_losses = {}, []
        for first, second in self.pairs:
            rows = table.pair(first, second)
            terms[first, second], row_loss_n = self.loss(
                rows.rows(embeddings[first]),
                rows.columns(gathered[second]),
                scale,
                self.logit_bias,
                table=table,
                rows=rows,
            )
            row_losses.append(rows.spread(row_loss_n.detach(), table.own))
        loss = torch.stack([weight * terms[pair] for pair, weight in self.pairs.items()]).sum()
        return HeadOutput(loss, self._report(terms, scale), torch.stack(row_losses).nanmean(0))

    def _report(self, terms: Mapping[tuple[str, str], Tensor], scale: Tensor) -> dict[str, Tensor]:
        report = {"logit_scale": scale.detach().squeeze()}
        if self.logit_bias is not None:
            report["logit_bias"] = self.logit_bias.detach().squeeze()
        if len(terms) > 1:
            report |= {f"loss/{first}-{second}": term.detach() for (first, second), term in terms.items()}
        return report

    def _check(self, embeddings: Mapping[str, Tensor]) -> None:
        for name in self.modalities:
            if name not in embeddings:
                raise ClipbioError(f"loss.pairs: a pair needs '{name}', but the batch has {', '.join(embeddings)}")


def _pairs(pairs: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """Read names such as `image-text`; a pair and its reverse are one term."""
    found: dict[tuple[str, str], float] = {}
    for name, weight in pairs.items():
        parts = tuple(name.split("-"))
        if len(parts) != 2 or not all(parts):
            raise ClipbioError(f"loss.pairs: '{name}' must name two modalities, such as 'image-text'")
        if parts[0] == parts[1]:
            raise ClipbioError(
                f"loss.pairs: '{name}' pairs {parts[0]} with itself: name two modalities, such as 'image-text'; "
                "barcodes alone are trained by loss=masked_tokens"
            )
        first, second = parts
        if (second, first) in found:
            raise ClipbioError(
                f"loss.pairs: '{name}' is '{second}-{first}' once more: each pair counts both ways already"
            )
        if weight < 0:
            raise ClipbioError(f"loss.pairs.{name}={weight} must not be negative")
        if weight > 0:
            found[first, second] = float(weight)
    if not found:
        raise ClipbioError("loss.pairs holds no pair with a weight above 0: set one, such as loss.pairs.image-text=1")
    return found
