"""What a check tells of barcodes."""

from __future__ import annotations

import pytest

from clipbio.checking.barcodes import BarcodeCounts


def test_barcodes_are_counted_by_defect() -> None:
    counts = BarcodeCounts()
    assert counts.add("ACG" * 200) == ""
    assert counts.add("acg-" * 150) == ""
    assert counts.add("ACGN" * 150) == ""
    assert counts.add("TAATTAATTAA" + "ACG" * 200) == ""
    assert "reads like a protein" in counts.add("MNPLEFWW")
    told = counts.to_dict()
    assert (told["barcodes"], told["sound"]) == (5, 1)
    assert told["defects"] == {"short_barcode": 1, "ambiguous_barcode": 1, "stop_codons": 1, "bad_barcode": 1}
    assert (told["length"]["min"], told["length"]["max"]) == (450, 611)
    assert told["ambiguous"]["max"] == pytest.approx(149 / 599)
    assert told["letters"]["-"] == 150


def test_nothing_is_told_of_no_barcodes() -> None:
    told = BarcodeCounts().to_dict()
    assert (told["barcodes"], told["length"], told["ambiguous_share"]) == (0, {}, 0.0)
