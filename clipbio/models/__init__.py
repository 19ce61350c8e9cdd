"""Towers, the models made of them, and the recipes that build them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipbio.lazy import lazily
from clipbio.models.captions import generate
from clipbio.models.dna_trunk import DnaTrunk
from clipbio.models.multi import MultiTower, ParameterCount
from clipbio.models.options import TowerOptions
from clipbio.models.projections import Projection, build_projection
from clipbio.models.tokenizer import Tokenizer
from clipbio.models.tower import Tower
from clipbio.models.trunks import ImageSpec, ImageTrunk, TextTrunk, Trunk

if TYPE_CHECKING:
    from clipbio.models.bert_dna import BertDna
    from clipbio.models.conv_dna import ConvDna
    from clipbio.models.openclip_model import openclip
    from clipbio.models.timm_trunk import TimmImage
    from clipbio.models.towers_model import towers
    from clipbio.models.transformers_trunk import TransformersText

__all__ = [
    "BertDna",
    "ConvDna",
    "DnaTrunk",
    "ImageSpec",
    "ImageTrunk",
    "MultiTower",
    "ParameterCount",
    "Projection",
    "TextTrunk",
    "TimmImage",
    "Tokenizer",
    "Tower",
    "TowerOptions",
    "TransformersText",
    "Trunk",
    "build_projection",
    "generate",
    "openclip",
    "towers",
]

# open_clip, timm and transformers take seconds to import: each model waits only for those it is made of, and a data
# worker for none.
_LAZY = {
    "BertDna": "bert_dna",
    "ConvDna": "conv_dna",
    "TimmImage": "timm_trunk",
    "TransformersText": "transformers_trunk",
    "towers": "towers_model",
    "openclip": "openclip_model",
}

__getattr__ = lazily(__name__, _LAZY)
