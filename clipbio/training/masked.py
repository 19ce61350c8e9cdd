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
from clipbio.models import DnaTrunk, MultiTower, Tower
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
            losses = [head.token_loss(one.states_bLF, one.vectors_bD, tokens_bL, one.judged_bL)[0] for one in views]
            terms.append(head.weight * torch.stack(losses).mean())
            report["train/token_loss"] = terms[-1].detach() / head.weight
        if head.contrast:
            one_bD, other_bD = (view.vectors_bD for view in views)
            terms.append(head.contrast * head.contrast_loss(one_bD, other_bD, names(tokens_bL)))
            report["train/contrast_loss"] = terms[-1].detach() / head.contrast
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
        own = [derive_seed("view", seed, view) for seed in seeds]
        tower = self.model.tower("dna")
        masked, states_bLF, vectors_bD = _seen(tower, self._head, tokens_bL, own)
        return _View(states_bLF, vectors_bD, self._head.judged(tokens_bL, masked.chosen_BL))


class _View(NamedTuple):
    """States of the tokens of one masking, the vectors of what was not hidden, and the tokens that are judged."""

    states_bLF: Tensor
    vectors_bD: Tensor
    judged_bL: Tensor


def join_tokens(model: MultiTower, head: MaskedTokens, counts_LV: Tensor) -> None:
    """Fit a head to the tokens of the DNA tower, and freeze what the loss does not reach.

    Args:
        model: A DNA tower.
        head: The head.
        counts_LV: How often each token stands at each place of the train barcodes.
    """
    tower, trunk = model.tower("dna"), dna_trunk(model)
    head.read_tokens(width=trunk.width, dim=tower.dim(), first=trunk.tokenizer.first_kmer, counts_LV=counts_LV)
    for name, projection in tower.projections.items():
        if name != "default":
            # No gradient reaches it, which DDP does not allow.
            projection.requires_grad_(False)


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
    tower, tokenizer = model.tower("dna"), dna_trunk(model).tokenizer

    @torch.inference_mode()
    def some(tokens_bL: Tensor, seeds: Sequence[int]) -> Guesses:
        masked, states_bLF, vectors_bD = _seen(tower, head, tokens_bL, seeds)
        guess_bL = torch.zeros_like(tokens_bL)
        logits_nK = head.logits(states_bLF, vectors_bD, masked.chosen_BL)
        guess_bL[masked.chosen_BL] = logits_nK.argmax(dim=1) + head.first
        return Guesses(tokens_bL.cpu(), masked.chosen_BL.cpu(), guess_bL.cpu())

    def guess(barcodes: Sequence[str], seeds: Sequence[int]) -> Guesses:
        modules: tuple[nn.Module, ...] = (tower, head)
        modes = [module.training for module in modules]
        device = next(tower.parameters()).device
        for module in modules:
            module.to(device).eval()
        parts = [
            some(tokenizer(barcodes[at : at + _BARCODES_AT_ONCE]).to(device), seeds[at : at + _BARCODES_AT_ONCE])
            for at in range(0, len(barcodes), _BARCODES_AT_ONCE)
        ]
        for module, mode in zip(modules, modes, strict=True):
            module.train(mode)
        return Guesses(*(torch.cat(one) for one in zip(*parts, strict=True)))

    return guess


def _seen(tower: Tower, head: MaskedTokens, tokens_bL: Tensor, seeds: Sequence[int]) -> tuple[Masked, Tensor, Tensor]:
    """Hide tokens; return what was hidden, the states of all, and the unit vectors of what was not hidden."""
    trunk = tower.trunk
    assert isinstance(trunk, DnaTrunk)
    masked = _hide(head, trunk.tokenizer, tokens_bL, seeds)
    states_bLF, there_bL = trunk.states(masked.tokens_BL)
    return masked, states_bLF, tower.project(trunk.pool(states_bLF, there_bL & ~masked.chosen_BL))


def _hide(head: MaskedTokens, tokenizer: BarcodeTokenizer, tokens_bL: Tensor, seeds: Sequence[int]) -> Masked:
    return head.masking(
        tokens_bL, seeds, first=tokenizer.first_kmer, last=tokenizer.vocab_size - 1, mask_id=tokenizer.mask_id
    )
