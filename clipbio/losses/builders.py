"""What `conf/loss/*.yaml` names: the constructor signature is the schema."""

from __future__ import annotations

from collections.abc import Sequence

from clipbio.losses.head import ContrastiveHead
from clipbio.losses.infonce import InfoNCE
from clipbio.losses.plain import PlainClip

__all__ = ["infonce_head", "open_clip_head"]


def infonce_head(
    *,
    targets: str = "taxon",
    label_smoothing: float = 0.0,
    temperature: float | None = None,
    learn_temperature: bool = True,
    max_scale: float = 100.0,
    pairs: Sequence[str] = ("image-text",),
) -> ContrastiveHead:
    """Return a head with `InfoNCE`; the arguments are those of the two classes."""
    return ContrastiveHead(
        InfoNCE(targets, label_smoothing=label_smoothing),
        temperature=temperature,
        learn_temperature=learn_temperature,
        max_scale=max_scale,
        pairs=pairs,
    )


def open_clip_head(
    *,
    temperature: float | None = None,
    learn_temperature: bool = True,
    max_scale: float = 100.0,
    pairs: Sequence[str] = ("image-text",),
) -> ContrastiveHead:
    """Return a head with open_clip's own loss."""
    return ContrastiveHead(
        PlainClip(),
        temperature=temperature,
        learn_temperature=learn_temperature,
        max_scale=max_scale,
        pairs=pairs,
    )
