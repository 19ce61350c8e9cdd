from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from tables import MakeTable, rows_of

from clipbio.data.digests import barcode_digest, image_digest
from clipbio.data.prepare import prepare
from clipbio.data.shards import ShardFolder
from clipbio.data.sources import TableSource
from clipbio.data.sources.cells import has_bases, is_sequence
from clipbio.dna import clean_barcode


@pytest.mark.parametrize(
    "same", ["acgt", "AC-GT", "ACGTNN", "ACGT?N?", " AC GT\n", "--acgtn-", "ACGU", "..AC.GT", "acgtI"]
)
def test_case_gaps_and_padding_do_not_make_another_barcode(same: str) -> None:
    assert barcode_digest(same) == barcode_digest("ACGT")


@pytest.mark.parametrize("other", ["ACGA", "NACGT", "ACNGT", "ACG"])
def test_other_letters_make_another_barcode(other: str) -> None:
    assert barcode_digest(other) != barcode_digest("ACGT")


def test_nothing_has_no_digest() -> None:
    assert barcode_digest("") == barcode_digest("NN--") == barcode_digest("....") == image_digest(None) == b""


@pytest.mark.parametrize("letters", ["MNPLEF", "ACGT1", "ACGTÜ"])
def test_letters_that_cannot_be_read_are_something(letters: str) -> None:
    assert barcode_digest(letters) == barcode_digest(f" {letters.lower()}\n") != b""


@pytest.mark.parametrize("sequence", ["acgtu-RYKN", "A.C?I GT\tN-", "NNNN", "-.?", "UUUU"])
def test_barcodes_are_the_same_where_models_read_the_same(sequence: str) -> None:
    assert barcode_digest(sequence) == barcode_digest(clean_barcode(sequence))
    assert bool(barcode_digest(sequence)) is has_bases(sequence)


def test_the_index_is_a_catalogue(make_table: MakeTable, tmp_path) -> None:
    rows = rows_of(3, dna="ACGTN", licence="CC0", rights_holder="A. Author", common_name="magpie")
    rows[1]["dna"] = "acgt"
    rows[2]["dna"] = ""
    prepare(TableSource(make_table(rows)), tmp_path / "out", progress=False)
    digests = list(ShardFolder.open(tmp_path / "out").index("train").dna_digests)
    assert digests == [barcode_digest("ACGT"), barcode_digest("ACGT"), b""]
    table = pq.read_table(tmp_path / "out" / "index.parquet")
    assert table["licence"].to_pylist() == ["CC0"] * 3
    assert table["rights_holder"].to_pylist() == ["A. Author"] * 3
    assert table["common_name"].to_pylist() == ["magpie"] * 3


@pytest.mark.parametrize(
    ("cell", "expected"), [("ACGT??-N", True), ("acgtRYk.", True), ("K000123", False), ("AC GT", False)]
)
def test_what_is_a_sequence(cell: str, expected: bool) -> None:
    assert is_sequence(cell) is expected
