"""What a sound barcode is."""

from __future__ import annotations

from pathlib import Path

import pytest
from Bio.Seq import Seq
from hypothesis import given
from hypothesis import strategies as st
from real_barcodes import read_barcodes

from clipbio.dna import BarcodeRules, barcode_defects, barcode_quality, reverse_complement
from clipbio.errors import ClipbioError


def test_length_and_ambiguity_are_those_between_the_first_and_the_last_known_base() -> None:
    quality = barcode_quality("--NNAC-GRNTA nn--")
    assert (quality.length, quality.ambiguous) == (7, pytest.approx(2 / 7))
    assert barcode_quality("NN--") == barcode_quality("")
    assert barcode_quality("").length == 0


@given(st.text("ACGT", min_size=3, max_size=90))
def test_stop_codons_are_those_of_biopython_in_the_best_frame(sequence: str) -> None:
    frames = [sequence[frame:] for frame in range(3)]
    counts = [str(Seq(frame[: len(frame) // 3 * 3]).translate(table=5)).count("*") for frame in frames]
    assert barcode_quality(sequence).stop_codons == min(counts)


def test_a_stretch_that_was_not_sequenced_does_not_shift_the_frame() -> None:
    open_frame = "TTATGATTT" * 20
    assert barcode_quality(open_frame).stop_codons == 0
    assert barcode_quality(open_frame[:60] + "-" * 40 + open_frame[100:]).stop_codons == 0


def test_defects_of_each_kind() -> None:
    rules = BarcodeRules(min_length=6, max_ambiguous=0.2, stop_codons="reject")
    assert [defect.kind for defect in barcode_defects("RACAG", rules)] == ["short_barcode"]
    assert [defect.kind for defect in barcode_defects("ARRRAACG", rules)] == ["ambiguous_barcode"]
    assert [defect.kind for defect in barcode_defects("TAATAATAATTAATTAA", rules)] == ["stop_codons"]
    assert [defect.kind for defect in barcode_defects("MNPLEFWW", rules)] == ["bad_barcode"]
    assert barcode_defects("ACGACGACG", rules) == ()
    assert barcode_defects("R", BarcodeRules()) == ()


def test_messages_tell_the_numbers() -> None:
    (short,) = barcode_defects("ACG", BarcodeRules(min_length=6))
    (ambiguous,) = barcode_defects("ARCC", BarcodeRules(max_ambiguous=0.2))
    assert short.message == "3 bases, fewer than 6"
    assert ambiguous.message == "25.0% of the bases are not A, C, G or T, more than 20.0%"


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"min_length": 0}, "min_length"), ({"max_ambiguous": 2}, "max_ambiguous"), ({"stop_codons": "drop"}, "drop")],
)
def test_wrong_rules_are_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ClipbioError, match=told):
        BarcodeRules(**settings)  # type: ignore[arg-type]


def test_real_barcodes_are_open_in_one_frame_and_their_other_strand_is_not(shared_data: Path) -> None:
    barcodes = read_barcodes(shared_data)[::50]
    stops = [barcode_quality(barcode).stop_codons > 0 for barcode in barcodes]
    other = [barcode_quality(reverse_complement(barcode)).stop_codons > 0 for barcode in barcodes]
    assert sum(stops) / len(stops) < 0.01
    assert sum(other) / len(other) > 0.95
