"""The data card says what the set holds."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tables import MakeTable, rows_of

from clipbio.data.card import write_card
from clipbio.data.manifest import Manifest
from clipbio.data.merging import MergedSource, MergeSettings
from clipbio.data.prepare import prepare
from clipbio.data.sources import Source, TableSource


def card_of(source: Source, out: Path) -> str:
    prepare(source, out, progress=False, max_defect_share=0.9)
    return (out / "README.md").read_text("utf-8")


def test_a_card_counts_what_there_is(make_table: MakeTable, tmp_path: Path) -> None:
    rows = [row | {"licence": "", "rights_holder": "", "dna": "", "split": "train"} for row in rows_of(5)]
    rows[0] |= {"licence": "CC BY 4.0", "rights_holder": "A. Nn"}
    rows[1] |= {"licence": "CC0 | public\ndomain", "rights_holder": "B. Nn", "dna": "ACGT"}
    rows[2] |= {"species": "", "split": "test"}
    rows[3] |= {"kingdom": "Plantae"}
    rows[4]["image"] = "gone.jpg"
    card = card_of(TableSource(make_table(rows)), tmp_path / "shards")
    manifest = Manifest.load(tmp_path / "shards")
    assert f"# Data card: 4 specimens\n\nContent hash `{manifest.hash}`." in card
    for line in (
        "- 4 images",
        "- 2 species",
        "| (TableSource) | 4 | 4 | 1 | 2 |",
        "| train | 3 | 3 | 1 | 2 | 1 |",
        "| test | 1 | 1 | 0 | 0 | 1 |",
        "| CC BY 4.0 | 1 |",
        "| CC0 \\| public domain | 1 |",
        "| (not told) | 2 |",
        "| kingdom | 2 | 4 | 100.0% |",
        "| species | 2 | 3 | 75.0% |",
        "| missing\\_image | 1 | specimens.csv row 6: the image gone.jpg is not there |",
    ):
        assert line in card.splitlines()
    assert "2 rights holders are named" in card
    assert "samples_per_shard=2000" in card
    assert str(tmp_path) not in card, "nothing of the machine"


def test_a_card_shows_what_stands_in_cells_as_it_is(make_table: MakeTable, tmp_path: Path) -> None:
    rows = [row | {"licence": "<b>[CC0](http://x.example)</b> *free*"} for row in rows_of(1)]
    card = card_of(TableSource(make_table(rows)), tmp_path / "shards")
    assert "| &lt;b>\\[CC0\\](http://x.example)&lt;/b> \\*free\\* | 1 |" in card.splitlines()


def test_a_card_is_the_same_in_small_batches_and_never_reads_the_whole_index(
    make_table: MakeTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row | {"licence": f"L{n % 3}", "split": "test" if n % 2 else "train"} for n, row in enumerate(rows_of(9))]
    rows[4] |= {"genus": "", "species": ""}
    card = card_of(TableSource(make_table(rows)), tmp_path / "shards")
    monkeypatch.setattr("clipbio.data.card_counts._BATCH_ROWS", 2)
    monkeypatch.setattr(pq, "read_table", None)
    write_card(tmp_path / "shards", Manifest.load(tmp_path / "shards"))
    assert (tmp_path / "shards/README.md").read_text("utf-8") == card


def test_the_manifest_lists_the_card_and_it_is_made_again_alike(make_table: MakeTable, tmp_path: Path) -> None:
    source = TableSource(make_table(rows_of(3)))
    card = card_of(source, tmp_path / "shards")
    manifest = Manifest.load(tmp_path / "shards")
    assert manifest.files["README.md"].bytes == len(card.encode())
    write_card(tmp_path / "shards", manifest)
    assert (tmp_path / "shards/README.md").read_text("utf-8") == card
    assert "## Merging" not in card


def test_the_card_of_a_merged_set_tells_what_merging_did(make_table: MakeTable, tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text(
        "name,rank,status,accepted\nPica pica,species,accepted,\nPica hudsonia,species,synonym,Pica pica\n"
    )
    sources = {name: TableSource(make_table(rows_of(2), name)) for name in ("one", "two")}
    settings = MergeSettings.of({"checklist": str(names), "blocked": {"species": ["Corvus corax"]}})
    card = card_of(MergedSource(sources, settings), tmp_path / "shards")
    for line in (
        "| one | 2 | 2 | 0 | 1 |",
        "| source | records | kept | synonym | duplicate photo |",
        "| one | 2 | 2 | 2 | 0 |",
        "| two | 2 | 0 | 0 | 2 |",
        "| synonym | 1 | 2 |",
        "| species | merge.blocked.species | 0 of 1 |",
    ):
        assert line in card.splitlines()
    assert "- blocked species: none of the 1 entries" in card
    listed = set(Manifest.load(tmp_path / "shards").files)
    assert {"README.md", "conflicts.csv", "catalog.parquet", "merge.json"} <= listed
