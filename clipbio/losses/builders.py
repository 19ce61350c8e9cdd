"""What `conf/loss/*.yaml` names: the constructor signature is the schema."""

from __future__ import annotations

from collections.abc import Mapping

from clipbio.losses.captioning import Captioning
from clipbio.losses.head import ContrastiveHead
from clipbio.losses.infonce import InfoNCE
from clipbio.losses.plain import PlainClip
from clipbio.losses.sigmoid import Sigmoid

__all__ = ["captioning_head", "infonce_head", "open_clip_head", "sigmoid_head"]

IMAGE_TEXT = {"image-text": 1.0}


def infonce_head(
    *,
    targets: str = "taxon",
    rank_decay: float = 0.1,
    label_smoothing: float = 0.0,
    temperature: float | None = None,
    learn_temperature: bool = True,
    max_scale: float | None = 100.0,
    pairs: Mapping[str, float] = IMAGE_TEXT,
) -> ContrastiveHead:
    """Return a head with `InfoNCE`; the arguments are those of the two classes."""
    return ContrastiveHead(
        InfoNCE(targets, label_smoothing=label_smoothing, rank_decay=rank_decay),
        temperature=temperature,
        learn_temperature=learn_temperature,
        max_scale=max_scale,
        pairs=pairs,
    )


def captioning_head(
    *,
    targets: str = "taxon",
    rank_decay: float = 0.1,
    label_smoothing: float = 0.0,
    temperature: float | None = None,
    learn_temperature: bool = True,
    max_scale: float | None = 100.0,
    pairs: Mapping[str, float] = IMAGE_TEXT,
    caption_weight: float = 2.0,
) -> Captioning:
    """Return a head with `InfoNCE` and captions; the arguments are those of the two classes."""
    return Captioning(
        InfoNCE(targets, label_smoothing=label_smoothing, rank_decay=rank_decay),
        caption_weight=caption_weight,
        temperature=temperature,
        learn_temperature=learn_temperature,
        max_scale=max_scale,
        pairs=pairs,
    )


def sigmoid_head(
    *,
    targets: str = "taxon",
    rank_decay: float = 0.1,
    temperature: float | None = None,
    bias: float = -10.0,
    learn_temperature: bool = True,
    max_scale: float | None = None,
    pairs: Mapping[str, float] = IMAGE_TEXT,
) -> ContrastiveHead:
    """Return a head with `Sigmoid`; it starts from temperature 0.1 and bias -10, as SigLIP does."""
    return ContrastiveHead(
        Sigmoid(targets, rank_decay=rank_decay),
        temperature=temperature,
        default_temperature=0.1,
        bias=bias,
        learn_temperature=learn_temperature,
        max_scale=max_scale,
        pairs=pairs,
    )


def open_clip_head(
    *,
    local_loss: bool = True,
    gather_with_grad: bool = True,
    temperature: float | None = None,
    learn_temperature: bool = True,
    max_scale: float | None = 100.0,
    pairs: Mapping[str, float] = IMAGE_TEXT,
) -> ContrastiveHead:
    """Return a head with open_clip's own loss."""
    return ContrastiveHead(
        PlainClip(local_loss=local_loss, gather_with_grad=gather_with_grad),
        temperature=temperature,
        learn_temperature=learn_temperature,
        max_scale=max_scale,
        pairs=pairs,
    )
