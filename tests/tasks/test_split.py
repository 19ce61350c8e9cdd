from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from runs import here

from clipbio.config import check_signatures, compose, config_dir, plain
from clipbio.data.shards import ShardFolder

SCHEMES = sorted(path.stem for path in (config_dir() / "split").glob("*.yaml"))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("verb", ["prepare", "split"])
def test_every_scheme_composes_and_fits_its_constructor(verb: str, scheme: str) -> None:
    more = ["split.file=x"] if scheme == "file" else []
    check_signatures(plain(compose(verb, ["source.root=x", "out=y", f"split={scheme}", *more])))


def test_a_split_is_written_and_used_again(make_garden, tmp_path: Path, capsys) -> None:
    source = [f"source.root={make_garden()}"]
    table, shards = tmp_path / "splits.csv", tmp_path / "shards"
    status, told, errors = here(
        capsys, "split", *source, "split=held_out", "split.unseen=[Genusa speciesa]", f"out={table}"
    )
    assert status == 0, errors
    with table.open() as file:
        rows = {row["specimen_id"]: row["split"] for row in csv.DictReader(file)}
    assert len(rows) == 48
    assert {name for name, split in rows.items() if split == "unseen"} >= {name for name in rows if "-0-" in name}
    assert "unseen" in told
    assert "species" in told
    assert here(capsys, "prepare", *source, "split=file", f"split.file={table}", f"out={shards}")[0] == 0
    folder = ShardFolder.open(shards)
    assert {name: split for split in folder.splits for name in folder.index(split).ids} == rows


def test_a_table_that_is_there_is_not_replaced_unasked(make_garden, tmp_path: Path, capsys) -> None:
    given = [f"source.root={make_garden()}", f"out={tmp_path / 'splits.csv'}"]
    assert here(capsys, "split", *given)[0] == 0
    status, _, errors = here(capsys, "split", *given)
    assert status == 2
    assert "give another out=, or overwrite=true" in errors
    assert here(capsys, "split", *given, "overwrite=true")[0] == 0
    assert "must end in .csv or .parquet" in here(capsys, "split", given[0], f"out={tmp_path / 'splits.txt'}")[2]


def test_a_merged_set_is_split_and_its_catalogue_knows(make_garden, tmp_path: Path, capsys) -> None:
    roots = [make_garden(name, first=first) for name, first in (("one", 0), ("two", 9))]
    sources = ",".join(f"{root.name}: {{format: table, root: {root}}}" for root in roots)
    out = tmp_path / "shards"
    status, _, errors = here(
        capsys, "prepare", f"sources={{{sources}}}", "split=hashed", "split.by=genus", f"out={out}"
    )
    assert status == 0, errors
    folder = ShardFolder.open(out)
    genera = [
        {folder.index(split).taxa[row].genus for row in range(len(folder.index(split).taxa))} for split in folder.splits
    ]
    assert sum(map(len, genera)) == len(set.union(*genera)) == 8
    catalogue = pq.read_table(out / "catalog.parquet", columns=["id", "split"]).to_pylist()
    index = pq.read_table(out / "index.parquet", columns=["id", "split"]).to_pylist()
    assert {row["id"]: row["split"] for row in catalogue} == {row["id"]: row["split"] for row in index}
    assert json.loads((out / "split.json").read_text())["by"] == ["genus"]
    assert "split.json" in folder.manifest.files


def test_parts_and_a_serial_preparation_give_the_same_split(make_garden, tmp_path: Path, capsys) -> None:
    given = [f"source.root={make_garden()}", "split=held_out", "split.unseen=0.3", "options.samples_per_shard=5"]
    assert here(capsys, "prepare", *given, f"out={tmp_path / 'one'}")[0] == 0
    for number in (1, 0):
        assert here(capsys, "prepare", *given, f"out={tmp_path / 'two'}", "parts=2", f"part={number}")[0] == 0
    assert here(capsys, "prepare", *given, f"out={tmp_path / 'two'}", "parts=2", "part=merge")[0] == 0
    for name in ("manifest.json", "index.parquet", "split.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
