"""Losses over named embeddings. Nothing here knows what a modality is."""

from clipbio.losses.builders import captioning_head, infonce_head, open_clip_head, sigmoid_head
from clipbio.losses.captioning import Captioning
from clipbio.losses.classification import TaxonClassifier
from clipbio.losses.gather import gather, gather_labels
from clipbio.losses.head import ContrastiveHead, Head, HeadOutput
from clipbio.losses.infonce import InfoNCE
from clipbio.losses.masked_tokens import MaskedTokens
from clipbio.losses.plain import PlainClip
from clipbio.losses.sigmoid import Sigmoid
from clipbio.losses.targets import TARGETS

__all__ = [
    "TARGETS",
    "Captioning",
    "ContrastiveHead",
    "Head",
    "HeadOutput",
    "InfoNCE",
    "MaskedTokens",
    "PlainClip",
    "Sigmoid",
    "TaxonClassifier",
    "captioning_head",
    "gather",
    "gather_labels",
    "infonce_head",
    "open_clip_head",
    "sigmoid_head",
]
