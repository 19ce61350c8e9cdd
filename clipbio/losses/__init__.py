"""Contrastive losses over named embeddings. Nothing here knows what a modality is."""

from clipbio.losses.builders import infonce_head, open_clip_head
from clipbio.losses.gather import gather, gather_labels
from clipbio.losses.head import ContrastiveHead, HeadOutput
from clipbio.losses.infonce import InfoNCE
from clipbio.losses.plain import PlainClip
from clipbio.losses.targets import TARGETS, positive_labels

__all__ = [
    "TARGETS",
    "ContrastiveHead",
    "HeadOutput",
    "InfoNCE",
    "PlainClip",
    "gather",
    "gather_labels",
    "infonce_head",
    "open_clip_head",
    "positive_labels",
]
