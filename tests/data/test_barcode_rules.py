"""Barcodes that break rules are taken out while shards are made."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables import MakeTable, Row

from clipbio.cli import main
from clipbio.data.barcodes import SoundBarcodes
from clipbio.data.manifest import Manifest
from clipbio.data.sources import TableSource
from clipbio.dna import BarcodeRules

ROWS: list[Row] = [
    {"specimen_id": "sound", "image": "", "dna": "ACGACGACG"},
    {"specimen_id": "short", "image": "", "dna": "ACG"},
    {"specimen_id": "short-with-image", "image": "images/2.jpg", "dna": "ACG"},
    {"specimen_id": "image", "image": "images/3.jpg", "dna": ""},
    {"specimen_id": "ambiguous", "image": "", "dna": "ARRRACGACG"},
]
RULES = BarcodeRules(min_length=6, max_ambiguous=0.1)


def test_a_rejected_barcode_is_counted_and_its_image_stays(make_table: MakeTable) -> None:
    source = SoundBarcodes(TableSource(make_table(ROWS)), RULES)
    assert {one.id: one.dna for one in source} == {"sound": "ACGACGACG", "short-with-image": "", "image": ""}
    assert source.defects.counts == {"short_barcode": 2, "ambiguous_barcode": 1}
    assert source.defects.skipped == 2
    assert str(source.defects.of("short_barcode")[0]) == "specimen 'short' (record 2): 3 bases, fewer than 6"
    assert source.total == 5


def test_rules_make_another_source(make_table: MakeTable) -> None:
    table = TableSource(make_table(ROWS))
    prints = {SoundBarcodes(table, rules).fingerprint() for rules in (RULES, BarcodeRules(min_length=7))}
    assert len(prints | {table.fingerprint()}) == 3


@pytest.mark.parametrize(("asked", "samples"), [([], 5), (["barcodes.min_length=6"], 4)])
def test_prepare_rejects_when_it_is_asked(
    make_table: MakeTable, tmp_path: Path, asked: list[str], samples: int, capsys: pytest.CaptureFixture[str]
) -> None:
    out, root = tmp_path / "shards", make_table(ROWS)
    command = ["prepare", f"source.root={root}", f"out={out}", "options.max_defect_share=1", *asked]
    assert main(command) == 0
    assert Manifest.load(out).samples == samples
    assert ("short_barcode: 2" in capsys.readouterr().out) == bool(asked)
