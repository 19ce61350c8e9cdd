"""Which number a k-mer has: our vocabulary, and two published ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clipbio.errors import ClipbioError, nearest

__all__ = ["VOCABULARIES", "Vocabulary", "VocabularyName", "vocabulary"]

VocabularyName = Literal["clipbio", "barcodebert", "clibd"]

ABSENT = -1
"""Id of padding where a vocabulary has no such token: never a row of an embedding table."""


@dataclass(frozen=True)
class Vocabulary:
    """The special tokens; the 4^k k-mers follow them in lexicographic order of ACGT.

    Args:
        name: What settings call it.
        specials: Names of the special tokens, in the order of their ids.
        pad_id: Id of padding.
        mask_id: Id of a masked token.
        unk_id: Id of a k-mer with a letter outside ACGT.
        cls_id: Id that stands in front of a barcode, where one does.
        pads_with_n: Whether a barcode is padded with the letter N, so that the k-mer on its end is whole.
        has_mask: Whether padding is told from tokens.
    """

    name: VocabularyName
    specials: tuple[str, ...]
    pad_id: int
    mask_id: int
    unk_id: int
    cls_id: int | None
    pads_with_n: bool = False
    has_mask: bool = True

    @property
    def first_kmer(self) -> int:
        """Give the id of AA...A."""
        return len(self.specials)


# Both published vocabularies number k-mers as itertools.product("ACGT", repeat=k) does: torchtext sorts tokens of equal
# frequency by name, after the special ones (bioscan-ml/BarcodeBERT barcodebert/datasets.py, bioscan-ml/clibd
# bioscanclip/model/dna_encoder.py).
_ALL: tuple[Vocabulary, ...] = (
    Vocabulary("clipbio", ("[PAD]", "[CLS]", "[MASK]", "[UNK]"), pad_id=0, mask_id=2, unk_id=3, cls_id=1),
    # N pads to 660, a mask of len // stride ones hides what is only padding.
    Vocabulary("barcodebert", ("[MASK]", "[UNK]"), pad_id=ABSENT, mask_id=0, unk_id=1, cls_id=None, pads_with_n=True),
    # Quirks of CLIBD: the id 0 in front is <MASK> and not <CLS>, padding is attended to and averaged.
    Vocabulary(
        "clibd",
        ("<MASK>", "<CLS>", "<UNK>"),
        pad_id=2,
        mask_id=0,
        unk_id=2,
        cls_id=0,
        pads_with_n=True,
        has_mask=False,
    ),
)
VOCABULARIES = {one.name: one for one in _ALL}


def vocabulary(name: str) -> Vocabulary:
    """Return a vocabulary by name, or say which there are."""
    for one in _ALL:
        if one.name == name:
            return one
    raise ClipbioError(f"vocabulary={name}: there is no such vocabulary of barcodes{nearest(name, VOCABULARIES)}")
