"""Organs on sheets: a segmenter, COCO files, and crops as further views of a specimen."""

from clipbio.lazy import lazily

__all__ = ["Segmenter", "SegmenterOptions", "load_segmenter"]

__getattr__ = lazily(__name__, dict.fromkeys(__all__, "segmenter"))
