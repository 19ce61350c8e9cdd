"""Training with captions: contrastive training in which a decoder tells the words of each text from its image.

Shape suffixes: b own rows, n own words that are told, m own rows with both, L words, N image tokens, W width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from clipbio.data.batch import Batch
from clipbio.errors import ClipbioError
from clipbio.losses import Captioning, Head, HeadOutput
from clipbio.models import MultiTower, Tower
from clipbio.models.captioner import CaptionDecoder, States, states, words_of
from clipbio.training.microbatches import encode
from clipbio.training.module import ContrastiveModule, labels_of

__all__ = ["CaptioningModule", "check_captions"]

_READ = ("image", "text")


class CaptioningModule(ContrastiveModule):
    """Train a CoCa: what its head says of the embeddings of a batch, and of its captions; see `TrainingModule`.

    Images and texts are encoded once for both. A row without image or text has no caption.
    """

    def _judged(self, part: Batch, head: Head, projection: str) -> tuple[dict[str, Tensor], HeadOutput]:
        if not isinstance(head, Captioning):
            return super()._judged(part, head, projection)
        present = part["present"]
        read = {
            name: _of_present(self.model.tower(name), part["inputs"][name], present[name], projection) for name in _READ
        }
        others = {name: part["inputs"][name] for name in head.modalities if name not in _READ}
        embeddings = encode(self.model, others, present, projection=projection)
        embeddings |= {name: one.vectors_BD for name, one in read.items()}
        output = head(embeddings, present, labels_of(part))
        caption = self._caption_loss(part, head, read)
        report = {**output.report, "contrastive_loss": output.loss.detach(), "caption_loss": caption.detach()}
        return embeddings, HeadOutput(output.loss + head.caption_weight * caption, report, output.row_loss_b)

    def _caption_loss(self, part: Batch, head: Captioning, read: Mapping[str, States]) -> Tensor:
        decoder = self.model.decoder
        assert isinstance(decoder, CaptionDecoder)
        tokens_bL = part["inputs"]["text"].long()
        both_b = part["present"]["image"] & part["present"]["text"]
        told_bL = head.told(tokens_bL, words_of(self.model.tower("text")).last) & both_b[:, None]
        # Without any such row the first one is read, and none of its words counts: every weight has a gradient.
        row_m = both_b.nonzero().squeeze(1) if bool(both_b.any()) else torch.zeros(1, dtype=torch.long)
        row_m = row_m.to(tokens_bL.device)
        told_mL = told_bL[row_m]
        length = max(1, int(told_mL.any(dim=0).sum()))
        text_mLW = read["text"].states_BNW[row_m, :length]
        states_mLW = decoder(read["image"].states_BNW[row_m], text_mLW)
        told_mL, target_mL = told_mL[:, :length], tokens_bL[row_m, 1 : length + 1]
        return head.caption_loss(decoder.logits(states_mLW[told_mL]), target_mL[told_mL])


def check_captions(model: MultiTower, config: Mapping[str, Any], *, sharded: bool = False) -> None:
    """Refuse what captions cannot be trained with.

    Raises:
        ClipbioError: The model has no decoder, features of a frozen trunk are cached, or batches are to be cut into
            pieces or weights sharded.
    """
    if model.decoder is None:
        raise ClipbioError(
            "loss=captioning trains a CoCa, and the model has no caption decoder: take model=coca_tiny, or "
            "model=openclip model.name=coca_ViT-B-32"
        )
    words_of(model.tower("text"))
    if sharded:
        # The decoder is no unit of its own there, and states are read from inside the trunks.
        raise ClipbioError("loss=captioning does not train weights that trainer=fsdp shards: take trainer=ddp")
    if config["micro_batch_size"] is not None:
        raise ClipbioError("micro_batch_size has no effect with loss=captioning: set it to null")
    frozen = [name for name in _READ if model.tower(name).frozen]
    if frozen and config["cache_features"] not in ("off", False):
        raise ClipbioError(
            f"loss=captioning reads what the {' and '.join(frozen)} trunk sees, of which the cache keeps one vector: "
            "set cache_features=off"
        )


def _of_present(tower: Tower, inputs: Tensor, present_b: Tensor, projection: str) -> States:
    """Return vectors and states of the rows that are present, zeros in the others; see `microbatches.encode`."""
    if bool(present_b.all()):
        return states(tower, inputs, projection)
    place_n = present_b.nonzero().squeeze(1)
    found = states(tower, inputs[place_n] if len(place_n) else inputs[:1], projection)
    return States(*(_spread(one[: len(place_n)], place_n, len(inputs)) for one in found))


def _spread(found_n: Tensor, place_n: Tensor, rows: int) -> Tensor:
    return found_n.new_zeros(rows, *found_n.shape[1:]).index_copy(0, place_n, found_n)
