"""Cleaning, the other strand, and augmentation."""

from __future__ import annotations

from collections import Counter

import pytest
from Bio.Seq import Seq
from hypothesis import given
from hypothesis import strategies as st

from clipbio.dna import BarcodeAugmentation, clean_barcode, reverse_complement
from clipbio.errors import ClipbioError

LETTERS = st.text("ACGTRYSWKMBDHVNacgtryswkmbdhvn-", max_size=60)


def test_cleaning() -> None:
    assert clean_barcode(" ac-gu\r\n.N?i ry ") == "ACGTNNNRY"
    assert clean_barcode(" ac-gu\r\n.N?i ry ", gaps="keep") == "AC-GT-NNNRY"


@given(LETTERS)
def test_the_other_strand_is_that_of_biopython_and_its_other_strand_the_first(sequence: str) -> None:
    assert reverse_complement(sequence) == str(Seq(sequence).reverse_complement())
    assert reverse_complement(reverse_complement(sequence)) == sequence


@given(st.text("ACGT", min_size=1, max_size=40), st.integers(0, 2**62))
def test_an_augmented_barcode_is_a_suffix_of_one_strand(sequence: str, seed: int) -> None:
    augmentation = BarcodeAugmentation(offset=5, reverse_complement=0.5)
    seen = augmentation(sequence, seed)
    assert seen == augmentation(sequence, seed)
    assert len(sequence) - 4 <= len(seen)
    assert seen
    assert sequence.endswith(seen) or reverse_complement(sequence).endswith(seen)


def test_offsets_and_strands_come_equally_often() -> None:
    augmentation = BarcodeAugmentation(offset=4, reverse_complement=0.25)
    seen = Counter(augmentation("ACGTTTTT", seed) for seed in range(2000))
    assert augmentation.random
    assert len(seen) == 8
    strands = Counter()
    for sequence, count in seen.items():
        strands["ACGTTTTT".endswith(sequence)] += count
    assert abs(strands[True] / 2000 - 0.75) < 0.04
    lengths = Counter()
    for sequence, count in seen.items():
        lengths[len(sequence)] += count
    assert all(abs(count / 2000 - 0.25) < 0.04 for count in lengths.values())


def test_nothing_happens_by_default() -> None:
    augmentation = BarcodeAugmentation()
    assert not augmentation.random
    assert augmentation("ACGT", 1) == "ACGT"
    assert BarcodeAugmentation(offset=9)("", 1) == ""
    assert not BarcodeAugmentation(offset=1).random


@pytest.mark.parametrize("settings", [{"offset": -1}, {"offset": 1.5}, {"reverse_complement": 1.2}])
def test_wrong_settings_of_the_augmentation_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ClipbioError, match=next(iter(settings))):
        BarcodeAugmentation(**settings)  # type: ignore[arg-type]
