"""Birds, butterflies, barcodes and copies of photos become one set: catalogue and log are right, line by line."""

from __future__ import annotations

import csv
from pathlib import Path

import planted
import pyarrow.parquet as pq
from planted import Planted

from clipbio.data.manifest import Manifest
from clipbio.data.prepare import merge_parts, prepare, prepare_part
from clipbio.data.shards import ShardFolder
from clipbio.taxonomy import RANKS


def check(sets: Planted, out: Path) -> None:
    manifest = prepare(sets.merged(), out, progress=False)
    with (out / "conflicts.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == sets.conflicts
    assert pq.read_table(out / "catalog.parquet").to_pylist() == sets.catalog
    kept = {row["id"]: row for row in sets.catalog if row["outcome"] == "kept"}
    index = pq.read_table(out / "index.parquet").to_pylist()
    assert {row["id"] for row in index} == set(kept)
    assert manifest.samples == len(index) == len(kept)
    shared = ("source", "split", "licence", "rights_holder", *RANKS)
    for row in index:
        assert {name: row[name] for name in shared} == {name: kept[row["id"]][name] for name in shared}


def test_small_sets(tmp_path: Path) -> None:
    sets = planted.plant(*planted.write_small(tmp_path), tmp_path)
    check(sets, tmp_path / "shards")
    outcomes = [row["outcome"] for row in sets.catalog]
    # Nothing of what was planted is missing from what is expected.
    assert {name: outcomes.count(name) for name in set(outcomes)} == {
        "kept": 11 + 23 + 24 + 3 + 1, "blocked_species": 6, "blocked_image": 3, "duplicate_photo": 2,
    }  # fmt: skip
    assert {line["reason"] for line in sets.conflicts} == {
        "synonym", "higher_rank", "unmatched", "ambiguous", "duplicate_photo",
    }  # fmt: skip
    texts = pq.read_table(tmp_path / "shards/texts.parquet").to_pylist()
    assert {row["scientific_name"]: row["text"] for row in texts} == planted.COMMON_NAMES
    folder = ShardFolder.open(tmp_path / "shards")
    monarch = next(row for row in range(23) if folder.index("train").ids[row] == "leeds/0-0")
    assert folder.index("train").read(monarch).metadata["given_name"] == "Danaus plexippus"


def test_parts_decide_alike(tmp_path: Path) -> None:
    sets = planted.plant(*planted.write_small(tmp_path), tmp_path)
    for out in ("one", "two"):
        parts = 1 if out == "one" else 3
        for part in reversed(range(parts)):
            prepare_part(sets.merged(), tmp_path / out, part, parts, progress=False, samples_per_shard=5)
        merge_parts(sets.merged(), tmp_path / out, parts)
    files = [
        {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "one", tmp_path / "two")
    ]
    assert files[0] == files[1]
    assert {"conflicts.csv", "catalog.parquet", "merge.json", "README.md"} <= set(Manifest.load(tmp_path / "two").files)


def test_real_sets(shared_data: Path, tmp_path: Path) -> None:
    data = (shared_data / name for name in ("birds", "leeds-butterflies", "coi-butterflies"))
    sets = planted.plant(*data, tmp_path)
    assert len(sets.catalog) == 4_713 + 832 + 28_959 + 7
    check(sets, tmp_path / "shards")
