"""Organs on sheets: a segmenter, COCO files, and crops as further views of a specimen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipbio.lazy import lazily

if TYPE_CHECKING:
    from clipbio.organs.segmenter import Segmenter, SegmenterOptions, load_segmenter

__all__ = ["Segmenter", "SegmenterOptions", "load_segmenter"]

__getattr__ = lazily(__name__, dict.fromkeys(__all__, "segmenter"))
