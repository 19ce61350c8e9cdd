"""Writing the vectors of sentences: those that are known are taken over, equal sentences are encoded once.

Shape suffixes: T texts that are new, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clipbio.errors import ClipbioError
from clipbio.search.new_rows import EncodeText
from clipbio.search.query import Array
from clipbio.search.texts import Texts
from clipbio.search.vectors import unit
from clipbio.tensor_files import VectorFile

__all__ = ["flat", "write_sentence_vectors"]

_AT_ONCE = 4_096


def flat(text: str) -> str:
    """Return a text on one line: breaks within it are of the page, not of the sentence."""
    return " ".join(text.split())


def write_sentence_vectors(
    path: Path, texts: Sequence[str], encode_text: EncodeText | None, known: Texts, dim: int
) -> int:
    """Write the vector of each of some flat sentences, and return their dimensions.

    Args:
        path: The file.
        texts: The sentences, at least one.
        encode_text: Encodes those that are new; None if there are none.
        known: Sentences with vectors.
        dim: Number of dimensions of the other vectors of the index, 0 if there are none.

    Raises:
        ClipbioError: Some are new and nothing encodes them, or their vectors do not fit.
    """
    old_SD = known.sentence_SD if known.sentence_SD is not None else np.zeros((0, dim), np.float32)
    have = {flat(text): number for number, text in zip(range(len(old_SD)), known.all_sentences(), strict=False)}
    new = {text: number for number, text in enumerate(dict.fromkeys(text for text in texts if text not in have))}
    new_TD = _encoded(list(new), encode_text, dim) if new else old_SD[:0]
    with VectorFile(path) as file:
        for start in range(0, len(texts), _AT_ONCE):
            part = texts[start : start + _AT_ONCE]
            file.add(np.stack([old_SD[have[text]] if text in have else new_TD[new[text]] for text in part]))
    return file.dim


def _encoded(texts: Sequence[str], encode_text: EncodeText | None, dim: int) -> Array:
    """Return unit vectors_TD."""
    if encode_text is None:
        raise ClipbioError(f"{len(texts)} sentences are new to the index: give the model that encoded its others")
    parts = []
    for start in range(0, len(texts), _AT_ONCE):
        part = texts[start : start + _AT_ONCE]
        parts.append(unit(np.asarray(encode_text(part)), [f"the text '{text[:60]}'" for text in part]))
        if dim and parts[-1].shape[1] != dim:
            raise ClipbioError(
                f"vectors of text have {parts[-1].shape[1]} dimensions, others of this index {dim}: "
                "all need one model with one space"
            )
    return np.concatenate(parts)
