"""Numbers that show how contrastive training goes, and warnings when it goes wrong.

Per logged step: one gathering of two labels per row, one sum of D x D numbers per modality over the processes, and an
eigenvalue decomposition of size D on the CPU. Steps that are not logged cost nothing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, cast

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from clipbio.data.batch import Batch
from clipbio.distributed import world_size
from clipbio.losses import Captioning, ContrastiveHead, InfoNCE, PlainClip, gather_labels
from clipbio.losses.targets import deepest_taxon
from clipbio.models.sharding import assemble
from clipbio.training.measures import (
    Moments,
    duplicate_share,
    effective_rank,
    mean_gap,
    means_by_type,
    moments,
    sums_by_type,
)
from clipbio.training.module import ContrastiveModule
from clipbio.training.norms import ProjectionNorms
from clipbio.training.watch import Reading, Watch

__all__ = ["Monitors"]

log = logging.getLogger(__name__)

Batches = Mapping[str, Batch]


class Monitors(Callback):
    """Log `monitor/...` at the logging steps, and warn.

    Over the global batch: `duplicates/text` and `duplicates/taxon` are the shares of the rows whose text or taxon
    comes more than once, `norm/MODALITY` the mean length of the embeddings before they are normalised,
    `effective_rank/MODALITY` the number of dimensions that they fill, `gap/ONE-OTHER` the distance of the means of two
    modalities, and `loss/TYPE` the loss of the rows with one type of text. A projection other than `default` stands
    before the last part: `norm/replay/image`.

    Args:
        watch: Thresholds of the warnings; None gives no warnings.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self.watch = watch
        self._watches: dict[str, Watch] = {}
        self._norms = ProjectionNorms()
        self._begin: dict[str, Any] = {}
        self._restored: dict[str, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Learn where the warm-up ends, and whether this is the start of the run."""
        module = cast(ContrastiveModule, pl_module)
        self._begin = {"warmup": module.recipe.warmup_steps(module.length), "fresh": trainer.global_step == 0}
        self._watches = {}
        for projection, state in self._restored.items() if self.watch is not None else ():
            self._watch_of(projection).restore(state)

    def state_dict(self) -> dict[str, Any]:
        """Return what the watches have seen: a continued run judges and warns as an undisturbed one."""
        return {projection: watch.state() for projection, watch in self._watches.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep it until training starts."""
        self._restored = dict(state_dict)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Listen to the projections where the coming step is logged."""
        if _is_logged(trainer, trainer.global_step + 1):
            self._norms.attach(cast(ContrastiveModule, pl_module).model)

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Stop to listen: chunks that are computed again for their gradient would be heard twice."""
        self._norms.detach()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batches, batch_idx: int
    ) -> None:
        """Measure, log and warn; every process takes part in the same collectives."""
        self._norms.detach()
        if not _is_logged(trainer, trainer.global_step) or not outputs["embeddings"]:
            return
        module = cast(ContrastiveModule, pl_module)
        values = self._mean_norms(module.device)
        # Lightning hands over the loss divided by the number of accumulated batches.
        own_loss = outputs["loss"].detach().float().reshape(1) * trainer.accumulate_grad_batches
        loss = _summed([own_loss])[0].item() / world_size()
        for projection, part in batch.items():
            vectors = outputs["embeddings"].get(projection, {})
            row_loss = outputs["row_loss"].get(projection)
            measured, reading = _measure(part, vectors, row_loss, Reading(trainer.global_step, loss))
            values |= {_insert(projection, key): value for key, value in measured.items()}
            factor = module.loss_weights[projection] if len(batch) == 1 else 0.0
            self._warn(trainer, projection, _completed(reading, module.heads[projection], factor=factor))
        # Not through `log`, which would repeat the last loss of a type of text that this batch lacks. The step is that
        # of the line with the loss, which Lightning numbers from 0.
        found = {f"monitor/{key}": value for key, value in values.items()}
        for logger in trainer.loggers:
            logger.log_metrics(found, step=trainer.global_step - 1)

    def _mean_norms(self, device: torch.device) -> dict[str, float]:
        sums = self._norms.sums(device)
        totals = dict(zip(sums, _summed(list(sums.values())), strict=True))
        return {f"norm/{key}": float(total / count) for key, (total, count) in totals.items() if count}

    def _warn(self, trainer: pl.Trainer, projection: str, reading: Reading) -> None:
        if self.watch is None:
            return
        for message in self._watch_of(projection).read(reading):
            if trainer.is_global_zero:
                log.warning("%s%s", "" if projection == "default" else f"projection {projection}: ", message)

    def _watch_of(self, projection: str) -> Watch:
        assert self.watch is not None
        if projection not in self._watches:
            self._watches[projection] = self.watch.begin(**self._begin)
        return self._watches[projection]


def _is_logged(trainer: pl.Trainer, step: int) -> bool:
    return step % trainer.log_every_n_steps == 0  # type: ignore[attr-defined,no-any-return]


def _insert(projection: str, key: str) -> str:
    """Put another projection than the default one after the name of the measure."""
    measure, rest = key.split("/", 1)
    return key if projection == "default" else f"{measure}/{projection}/{rest}"


def _measure(
    part: Batch, vectors: Mapping[str, Tensor], row_loss_b: Tensor | None, reading: Reading
) -> tuple[dict[str, float], Reading]:
    """Return the values of one contrastive batch over all processes, and what of them is watched."""
    labels_b2 = torch.stack(
        [part["text_B"], deepest_taxon(part["taxon_BR"], torch.full_like(part["text_B"], -1))], dim=1
    )
    text_B, taxon_B = gather_labels(labels_b2).unbind(dim=1)
    found = {name: one for name, one in _all_moments(vectors, part["present"]).items() if bool(one.number > 0)}
    ranks = {modality: effective_rank(one.outer_DD) for modality, one in found.items()}
    values = {"duplicates/text": duplicate_share(text_B), "duplicates/taxon": duplicate_share(taxon_B)}
    values |= {f"effective_rank/{modality}": rank for modality, rank in ranks.items()}
    values |= {f"gap/{one}-{other}": mean_gap(found[one], found[other]) for one, other in combinations(found, 2)}
    if row_loss_b is not None:
        by_type = means_by_type(_summed([sums_by_type(row_loss_b, part["text_types"])])[0])
        values |= {f"loss/{text_type}": mean for text_type, mean in by_type.items()}
    return values, replace(
        reading,
        rows={modality: int(one.number) for modality, one in found.items()},
        duplicate_texts=values["duplicates/text"],
        distinct_texts=len(torch.unique(text_B)),
        ranks=ranks,
    )


def _all_moments(vectors: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> dict[str, Moments]:
    own = {modality: moments(vectors_bD, present[modality]) for modality, vectors_bD in vectors.items()}
    return {modality: Moments(*_summed(list(one))) for modality, one in own.items()}


def _summed(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the sums of tensors over all processes, in one collective."""
    if world_size() == 1 or not tensors:
        return list(tensors)
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    dist.all_reduce(flat)
    pieces = torch.split(flat, [tensor.numel() for tensor in tensors])
    return [piece.reshape(tensor.shape) for piece, tensor in zip(pieces, tensors, strict=True)]


def _completed(reading: Reading, head: nn.Module, *, factor: float) -> Reading:
    """Add what the head knows: chance level, temperature, and who is a negative of whom.

    `factor` stands before the loss of the head in the loss of the reading, 0 where other losses are in it too.
    """
    if not isinstance(head, ContrastiveHead):
        return reading
    # What guessing gives for captions is not known: words are not equally frequent.
    softmax = isinstance(head.loss, InfoNCE | PlainClip) and factor > 0 and not isinstance(head, Captioning)
    # Rows that have one of a pair are compared with all that have the other.
    counts = {pair: [reading.rows.get(modality, 0) for modality in pair] for pair in head.pairs}
    known = softmax and all(min(one) > 1 for one in counts.values())
    chances = [weight * math.log(math.prod(counts[pair])) / 2 for pair, weight in head.pairs.items() if known]
    return replace(
        reading,
        chance=factor * sum(chances) if known else None,
        negatives=getattr(head.loss, "targets", "instance") == "instance",
        scale=assemble(head.logit_scale.detach(), keep=True).exp().item(),
        max_scale=math.inf if head.max_scale is None else head.max_scale,
    )
