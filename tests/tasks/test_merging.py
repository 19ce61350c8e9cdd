"""Several sources on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs import here

from clipbio.data.shards import ShardFolder
from clipbio.tasks.source_overrides import spelled_out


def test_short_forms_are_spelled_out() -> None:
    given = ["sources.a.root=x", "out=y", "sources=[a, b]", "+sources.b.root=z"]
    assert spelled_out(given) == ["out=y", "sources={a:{},b:{}}", "++sources.a.root=x", "++sources.b.root=z", "~source"]
    assert spelled_out(["source=table", "out=y"]) == ["source=table", "out=y"]
    assert spelled_out(["sources={a: {root: x}}", "source=table"]) == ["source=table", "sources={a: {root: x}}"]


def test_several_sources_become_one_set(make_garden, tmp_path: Path, capsys) -> None:
    one, two = make_garden("one"), make_garden("two")
    names = tmp_path / "names.csv"
    names.write_text("name,rank,status,accepted,kingdom\nGenusa speciesz,species,accepted,,Plantae\n"
                     "Genusa speciesa,species,synonym,Genusa speciesz,Plantae\n")  # fmt: skip
    out = tmp_path / "shards"
    sources = f"sources={{first: {{format: table, root: {one}}}, second: {{format: table}}}}"
    status, _, errors = here(capsys, "prepare", sources, f"sources.second.root={two}", f"out={out}",
                             f"merge.checklist={names}")  # fmt: skip
    assert status == 0, errors
    folder = ShardFolder.open(out)
    ids = [id_ for split in folder.splits for id_ in folder.index(split).ids]
    assert {id_.partition("/")[0] for id_ in ids} == {"first"}, "the second garden has the very same pictures"
    taxa = {taxon.scientific_name for split in folder.splits for taxon in folder.index(split).taxa}
    assert "Genusa speciesz" in taxa
    assert "Genusa speciesa" not in taxa


def test_help_lists_the_settings_of_merging(capsys) -> None:
    status, told, _ = here(capsys, "prepare", "--help")
    assert status == 0
    assert "photo_identifiers:" in told
    assert "max_defect_share:" in told


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sources={birds: {rot: x}}"], "sources.birds: format=birds: there is no such choice"),
        (["sources={birds: {format: tabel}}"], "sources.birds.format=tabel: there is no such choice; did you mean 'table'?"),
        (["sources=[table]"], "sources.table.root is missing; give sources.table.root=..."),
        (["sources=[table]", "sources.table.rot=x", "sources.table.root=y"], "sources.table.rot is no setting of"),
        (["sources={birds: 3}"], "sources.birds=3 is no mapping"),
        (["sources=birds"], "sources=birds is no mapping"),
        (["sources=[table]", "merge.cheklist=x"], "merge.cheklist is no setting of 'prepare'; did you mean 'merge.checklist'?"),
        (["source.root=x", "merge.checklist=x"], "merge.* is about several sources"),
        (["~source"], "there is no source"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(capsys, tmp_path: Path, overrides: list[str], message: str) -> None:
    status, _, errors = here(capsys, "prepare", *overrides, f"out={tmp_path / 'shards'}")
    assert status == 2
    assert message in errors
    assert errors.count("\n") == 1
