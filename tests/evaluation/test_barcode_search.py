import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clipbio.dna import BadBarcode
from clipbio.evaluation.barcode_search import (
    kmer_vectors,
    nearest_by_alignment,
    nearest_by_kmers,
    plain_barcodes,
)

GENERATOR = np.random.default_rng(0)


def random_barcode(length: int = 120) -> str:
    return "".join(GENERATOR.choice(list("ACGT"), size=length))


def mutated(barcode: str, changes: int) -> str:
    letters = list(barcode)
    for place in GENERATOR.choice(len(letters), size=changes, replace=False):
        letters[place] = {"A": "C", "C": "G", "G": "T", "T": "A"}[letters[place]]
    return "".join(letters)


def counted_by_hand(barcode: str, k: int) -> Counter[str]:
    windows = (barcode[start : start + k] for start in range(len(barcode) - k + 1))
    return Counter(window for window in windows if set(window) <= set("ACGT"))


@given(st.lists(st.text("ACGTNR", max_size=30), min_size=1, max_size=6), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_the_cosine_of_kmer_vectors_is_that_of_counts_made_by_hand(barcodes, k):
    vectors = kmer_vectors(barcodes, k=k)
    assert vectors.shape == (len(barcodes), 4**k)
    counts = [counted_by_hand(one, k) for one in barcodes]
    for first, one in zip(vectors, counts, strict=True):
        for second, other in zip(vectors, counts, strict=True):
            norm = math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
            dot = sum(n * other[word] for word, n in one.items())
            assert float(first @ second) == pytest.approx(dot / norm if norm else 0, abs=1e-5)


def test_gaps_case_and_padding_do_not_make_another_barcode():
    assert plain_barcodes(["ac-gun", "ACGTNNN", "", "NN"]) == ["ACGT", "ACGT", "", ""]
    with pytest.raises(BadBarcode):
        plain_barcodes(["MKLV"])


def test_both_baselines_find_the_nearest_barcode_and_the_first_of_equal_ones():
    keys = [random_barcode() for _ in range(8)]
    keys += [keys[2], mutated(keys[5], 6)]
    queries = [mutated(keys[2], 3), keys[5], mutated(keys[9], 1), keys[2]]
    assert nearest_by_kmers(queries, keys).tolist() == [2, 5, 9, 2]
    assert nearest_by_alignment(queries, keys).tolist() == [2, 5, 9, 2]


def test_alignment_sees_through_missing_ends_and_a_lost_base_and_codes():
    keys = [random_barcode() for _ in range(5)]
    shifted = keys[3][10:60] + keys[3][61:110]
    coded = "".join("N" if place % 6 == 0 else letter for place, letter in enumerate(keys[4]))
    assert nearest_by_alignment([shifted, coded], keys).tolist() == [3, 4]


def test_only_the_shortlist_is_aligned():
    base = random_barcode(200)
    # Few scattered changes destroy more k-mers than one block of many changes.
    scattered = "".join(
        {"A": "C", "C": "G", "G": "T", "T": "A"}[letter] if place % 5 == 4 and place < 100 else letter
        for place, letter in enumerate(base)
    )
    block = base[:160] + mutated(base[160:], 40)
    keys = [scattered, block]
    assert nearest_by_kmers([base], keys).tolist() == [1]
    assert nearest_by_alignment([base], keys, shortlist=1).tolist() == [1]
    assert nearest_by_alignment([base], keys, shortlist=2).tolist() == [0]


def test_barcodes_too_short_for_a_kmer_have_an_answer_too():
    assert nearest_by_kmers(["AC"], ["GT", "ACGTACGT"]).tolist() == [0]
    assert nearest_by_alignment(["AC", ""], ["GT", "ACGTACGT"]).tolist() == [1, 0]


def test_zeros_for_a_barcode_without_kmers():
    assert torch.equal(kmer_vectors(["NNNNNNN", ""], k=3), torch.zeros(2, 64))
