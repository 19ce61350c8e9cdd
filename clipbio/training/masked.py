"""Pretraining on barcodes alone: hidden tokens are guessed; a thin shell around a DNA trunk and its head.

Shape suffixes: b own rows, L tokens, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from clipbio.data.batch import Batch
from clipbio.dna import BarcodeTokenizer
from clipbio.errors import ClipbioError
from clipbio.losses import MaskedTokens
from clipbio.losses.masking import Masked
from clipbio.models import DnaTrunk, MultiTower
from clipbio.models.projections import Projection, Standardise
from clipbio.seeding import derive_seed
from clipbio.training.base import TrainingModule

__all__ = ["Guesses", "MaskedTokenModule", "check_alone", "dna_trunk", "guesser", "join_tokens"]

_BARCODES_AT_ONCE = 256


class Guesses(NamedTuple):
    """Tokens of barcodes, which of them were hidden, and what the model takes them for (each (N, L))."""

    tokens_NL: Tensor
    hidden_NL: Tensor
    guess_NL: Tensor


class MaskedTokenModule(TrainingModule):
    """Train the DNA tower of a model by masked tokens; see `TrainingModule`."""

    def training_step(self, batch: dict[str, Batch], batch_idx: int) -> dict[str, Any]:
        """Return the loss of this process's share of a global batch; masks belong to the row, not to the process."""
        self.seed_step(batch)
        (part,) = batch.values()
        head, tokens_bL = self._head, part["inputs"]["dna"]
        views = [self._view(tokens_bL, part["seeds"], view) for view in range(2 if head.contrast else 1)]
        report: dict[str, Tensor] = {}
        terms = []
        if head.weight:
            losses = [head.token_loss(view.states_bLF, tokens_bL, view.judged_bL) for view in views]
            terms.append(head.weight * torch.stack([loss for loss, _ in losses]).mean())
            report["train/token_loss"] = terms[-1].detach() / head.weight
        if head.contrast:
            vectors = [self._vectors(view) for view in views]
            terms.append(head.contrast * head.contrast_loss(vectors[0], vectors[1], names(tokens_bL)))
            report["train/contrast_loss"] = terms[-1].detach() / head.contrast
        else:
            self._take_in(views[0])
        loss = torch.stack(terms).sum()
        if self.logs_now:
            self.log("train/loss", loss.detach(), prog_bar=True, sync_dist=True, batch_size=len(tokens_bL))
            self.log_dict(report, sync_dist=True, batch_size=len(tokens_bL))
        return {"loss": loss, "embeddings": {}, "row_loss": {}}

    @property
    def _head(self) -> MaskedTokens:
        head = self.heads["default"]
        assert isinstance(head, MaskedTokens)
        return head

    def _view(self, tokens_bL: Tensor, seeds: Sequence[int], view: int) -> _View:
        trunk = dna_trunk(self.model)
        own = [derive_seed("view", seed, view) for seed in seeds]
        masked = _hide(self._head, trunk.tokenizer, tokens_bL, own)
        states_bLF, there_bL = trunk.states(masked.tokens_BL)
        judged_bL = self._head.judged(tokens_bL, masked.chosen_BL)
        return _View(states_bLF, there_bL & ~masked.chosen_BL, judged_bL)

    def _vectors(self, view: _View) -> Tensor:
        """Return the embedding of what was not hidden."""
        return self.model.tower("dna").project(self._pooled(view))

    def _pooled(self, view: _View) -> Tensor:
        features_bF: Tensor = dna_trunk(self.model).pool(view.states_bLF, view.seen_bL)
        return features_bF

    @torch.no_grad()
    def _take_in(self, view: _View) -> None:
        """Let the norm of a projection, which no loss trains, learn how features are spread."""
        for projection in self.model.tower("dna").projections.values():
            assert isinstance(projection, Projection)
            if isinstance(projection.input_norm, Standardise):
                # What is frozen is in evaluation mode, and has its norms there with it.
                projection.input_norm.train()(self._pooled(view))


class _View(NamedTuple):
    """States of the tokens of one masking, the tokens that were seen, and those that are judged."""

    states_bLF: Tensor
    seen_bL: Tensor
    judged_bL: Tensor


def join_tokens(model: MultiTower, head: MaskedTokens, counts_LV: Tensor) -> None:
    """Fit a head to the tokens of the DNA tower, and freeze what the loss does not reach.

    Args:
        model: A DNA tower.
        head: The head.
        counts_LV: How often each token stands at each place of the train barcodes.
    """
    tower, trunk = model.tower("dna"), dna_trunk(model)
    head.read_tokens(width=trunk.width, first=trunk.tokenizer.first_kmer, counts_LV=counts_LV)
    if not head.contrast:
        # No gradient reaches them, which DDP does not allow.
        tower.projections.requires_grad_(False)
        trunk.pool.requires_grad_(False)


def check_alone(model: MultiTower, micro_batch_size: int | None = None, *, sharded: bool = False) -> None:
    """Refuse a model that masked tokens do not train.

    Raises:
        ClipbioError: The model has other towers, its trunk is frozen, or batches are to be cut into pieces or weights
            sharded.
    """
    if sharded:
        # States are read from inside the trunk, where nothing gathers its weights.
        raise ClipbioError("loss=masked_tokens does not train weights that trainer=fsdp shards: take trainer=ddp")
    if micro_batch_size is not None:
        raise ClipbioError("micro_batch_size has no effect with loss=masked_tokens: set it to null")
    if model.modalities != ("dna",):
        towers = " and ".join(model.modalities)
        raise ClipbioError(
            f"loss=masked_tokens trains a DNA tower alone, and the model has {towers}: take model=barcode"
        )
    if model.tower("dna").frozen:
        raise ClipbioError("loss=masked_tokens trains the trunk, which model.dna.unlocked=0 freezes: set it to all")


def dna_trunk(model: MultiTower) -> DnaTrunk:
    """Return the trunk of the DNA tower."""
    trunk = model.tower("dna").trunk
    assert isinstance(trunk, DnaTrunk)
    return trunk


def names(tokens_bL: Tensor) -> Tensor:
    """Return a number (b,) that equal rows of tokens share."""
    generator = torch.Generator().manual_seed(0)
    factor_L = torch.randint(2**62, tokens_bL.shape[1:], generator=generator).to(tokens_bL.device)
    # Integers wrap around, which is as good as any hash here.
    return (tokens_bL * factor_L).sum(dim=1)


def guesser(model: MultiTower, head: MaskedTokens) -> Callable[[Sequence[str], Sequence[int]], Guesses]:
    """Return a function from barcodes and seeds to what the model guesses of their hidden tokens."""
    trunk = dna_trunk(model)

    @torch.inference_mode()
    def some(tokens_bL: Tensor, seeds: Sequence[int]) -> Guesses:
        masked = _hide(head, trunk.tokenizer, tokens_bL, seeds)
        states_bLF, _ = trunk.states(masked.tokens_BL)
        guess_bL = torch.zeros_like(tokens_bL)
        guess_bL[masked.chosen_BL] = head.logits(states_bLF, masked.chosen_BL).argmax(dim=1) + head.first
        return Guesses(tokens_bL.cpu(), masked.chosen_BL.cpu(), guess_bL.cpu())

    def guess(barcodes: Sequence[str], seeds: Sequence[int]) -> Guesses:
        modules: tuple[nn.Module, ...] = (trunk, head)
        modes = [module.training for module in modules]
        device = next(trunk.parameters()).device
        for module in modules:
            module.to(device).eval()
        parts = [
            some(trunk.tokenizer(barcodes[at : at + _BARCODES_AT_ONCE]).to(device), seeds[at : at + _BARCODES_AT_ONCE])
            for at in range(0, len(barcodes), _BARCODES_AT_ONCE)
        ]
        for module, mode in zip(modules, modes, strict=True):
            module.train(mode)
        return Guesses(*(torch.cat(one) for one in zip(*parts, strict=True)))

    return guess


def _hide(head: MaskedTokens, tokenizer: BarcodeTokenizer, tokens_bL: Tensor, seeds: Sequence[int]) -> Masked:
    return head.masking(
        tokens_bL, seeds, first=tokenizer.first_kmer, last=tokenizer.vocab_size - 1, mask_id=tokenizer.mask_id
    )
