"""Blocked species and pictures are really out: in whatever form the list names them, under whatever name they come."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from checklists import table_rows, write_rows
from tables import MakeTable, Row, encoded, write_csv

from clipbio.data.merging import MergedSource, MergeSettings
from clipbio.data.sources import TableSource
from clipbio.errors import ClipbioError
from clipbio.taxonomy import RANKS

SHELL = "Animalia Mollusca Gastropoda Littorinimorpha Cassidae Cassis tuberculata"
PICA = "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia"
HERB = "Plantae Tracheophyta Magnoliopsida Lamiales Lamiaceae Prunella vulgaris"
BIRD = "Animalia Chordata Aves Passeriformes Prunellidae Prunella vulgaris"
SYNONYMS = {"Buccinum tuberculatum": "Cassis tuberculata", "Cypraecassis testiculus": "Cassis tuberculata"}


@pytest.fixture
def source(make_table: MakeTable, tmp_path: Path) -> Any:
    """Give a function that merges one record of each lineage under the settings of `blocked`."""
    checklist = write_rows(tmp_path / "names.csv", table_rows([SHELL, PICA, HERB, BIRD], SYNONYMS))

    def make(*lineages: str, checked: bool = True, **blocked: list[str]) -> MergedSource:
        table: list[Row] = []
        for number, lineage in enumerate(lineages):
            values = dict(zip(RANKS, ("" if word == "-" else word for word in lineage.split())))
            table.append({"specimen_id": f"s{number}", "image": f"images/{number}.jpg", **values})
        shutil.rmtree(tmp_path / "table", ignore_errors=True)
        settings = {"checklist": str(checklist)} if checked else {}
        return MergedSource({"a": TableSource(make_table(table))}, MergeSettings.of(settings | {"blocked": blocked}))

    return make


def ids(source: MergedSource) -> list[str]:
    return [specimen.id for specimen in source]


@pytest.mark.parametrize(
    "name",
    [
        "Cassis tuberculata",
        "cassis tuberculata",
        "Cassis tuberculata (Linnaeus, 1758)",
        "Animalia-Mollusca-Gastropoda-Littorinimorpha-Cassidae-Cassis-tuberculata",
        "Buccinum tuberculatum",
    ],
)
def test_a_species_is_blocked_in_any_spelling_and_by_a_synonym(source: Any, name: str) -> None:
    lineages = (SHELL, PICA, "Animalia - - - - Buccinum tuberculatum", "Animalia - - - - Cypraecassis testiculus")
    assert ids(source(*lineages, species=[name])) == ["a/s1"]


def test_without_a_checklist_the_very_name_is_blocked(source: Any) -> None:
    merged = source(SHELL, PICA, checked=False, species=["Animalia-Mollusca-Gastropoda-X-Y-Cassis-tuberculata"])
    assert ids(merged) == ["a/s1"]


def test_the_kingdom_tells_hemihomonyms_apart(source: Any, tmp_path: Path) -> None:
    listed = tmp_path / "blocked.csv"
    write_csv(listed, [{"kingdom": "Plantae", "scientific_name": "Prunella vulgaris"}])
    assert ids(source(HERB, BIRD, species=[str(listed)])) == ["a/s1"]
    assert ids(source(HERB, BIRD, PICA, species=["Prunella vulgaris"])) == ["a/s2"], "without a kingdom both are meant"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rare.txt", "\ufeffCassis tuberculata\n\n"),
        ("rare.json", json.dumps({SHELL.replace(" ", "-"): ["one.jpg"]})),
        ("rare.json", json.dumps(["Cassis tuberculata"])),
        ("rare.csv", "genus,species\nCassis,tuberculata\n"),
        ("rare.tsv", "n\tscientific_name\n1\tCassis tuberculata\n"),
    ],
)
def test_lists_of_species_come_in_many_forms(source: Any, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    assert ids(source(SHELL, PICA, species=[str(tmp_path / name)])) == ["a/s1"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("Cassis", r"merge\.blocked\.species: 'Cassis' is no name of a species and would block nothing"),
        ("Animalia-Mollusca-Gastropoda-X-Y-Cassis-", "is no name of a species"),
        ("gone.txt", r"the file gone\.txt is not there"),
        ("lists/rare", "the file lists/rare is not there"),
    ],
)
def test_an_entry_that_would_block_nothing_is_refused(source: Any, entry: str, message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        ids(source(SHELL, species=[entry]))


@pytest.mark.parametrize("entry", ["gone.txt", "lists/gone.csv", "rare/", "./rare", "/nowhere/rare"])
def test_a_list_of_pictures_that_is_not_there_is_refused(source: Any, entry: str) -> None:
    with pytest.raises(ClipbioError, match=r"merge\.blocked\.images: .* is not there"):
        ids(source(SHELL, images=[entry]))


def test_an_absolute_path_names_a_picture(source: Any, tmp_path: Path) -> None:
    merged = source(SHELL, PICA)
    (first, _) = (str(one.image) for one in merged)
    assert ids(source(SHELL, PICA, images=[first])) == ["a/s1"]


def test_each_entry_that_was_given_by_itself_and_blocks_nothing_is_told(source: Any) -> None:
    (warning,) = source(SHELL, PICA, images=["s1", "lists/rare"]).warnings()
    assert warning == "blocked images: 'lists/rare' of merge.blocked.images occurs nowhere in the data"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rare.json", b"[12]", "the entry 12 is no text"),
        (
            "rare.txt",
            "Cassis tubercul\u00e4ta".encode("latin-1"),
            "cannot be read as a list, one entry a line in UTF-8",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["species", "images"])
def test_a_list_in_another_form_is_refused(
    source: Any, tmp_path: Path, kind: str, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClipbioError, match=message):
        ids(source(SHELL, **{kind: [str(tmp_path / name)]}))


def test_a_bad_line_of_a_list_is_named(source: Any, tmp_path: Path) -> None:
    (tmp_path / "rare.txt").write_text("Cassis tuberculata\nunknown\n")
    with pytest.raises(ClipbioError, match=r"rare\.txt line 2: 'unknown' is no name of a species"):
        ids(source(SHELL, species=[str(tmp_path / "rare.txt")]))


def test_a_list_that_matches_nothing_is_a_warning(
    source: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rare.txt").write_text("Prunella vulgaris\nPica pica\n")
    (tmp_path / "pictures.txt").write_text("eol_1.jpg\n")
    merged = source(SHELL, PICA, species=[str(tmp_path / "rare.txt")], images=[str(tmp_path / "pictures.txt")])
    assert len(ids(merged)) == 2
    (tmp_path / "out").mkdir()
    told = caplog.text
    merged.write_side_files(tmp_path / "out")
    assert caplog.text.count("blocked species: none of the 2 entries of rare.txt occurs in the data") == 1
    assert "blocked species: none of the 2 entries of rare.txt occurs in the data" in told, "before a file is written"
    assert "blocked images: none of the 1 entries of pictures.txt occurs in the data" in caplog.text
    assert len(merged.summary()["warnings"]) == 2


def test_an_ambiguous_name_blocks_all_that_it_may_mean(make_table: MakeTable, tmp_path: Path) -> None:
    table = table_rows([SHELL, PICA])
    for accepted in ("Pica hudsonia", "Cassis tuberculata"):
        table.append({"name": "Corvus medius", "rank": "species", "status": "synonym", "accepted": accepted})
    checklist = write_rows(tmp_path / "names.csv", table)
    rows = [
        {"specimen_id": name, "image": f"images/{name}.jpg", "species": name} for name in ("Pica hudsonia", "Aus bus")
    ]
    settings = MergeSettings.of({"checklist": str(checklist), "blocked": {"species": ["Corvus medius"]}})
    assert ids(MergedSource({"a": TableSource(make_table(rows))}, settings)) == ["a/Aus bus"]


def hashed(name: str, data: bytes) -> str:
    return (
        hashlib.blake2b(data, digest_size=16).hexdigest() if name == "blake2b" else hashlib.new(name, data).hexdigest()
    )


@pytest.mark.parametrize("name", ["blake2b", "md5", "sha256"])
def test_pictures_are_blocked_by_digest(source: Any, name: str) -> None:
    assert ids(source(SHELL, PICA, images=[hashed(name, encoded(1))])) == ["a/s0"]


@pytest.mark.parametrize("entry", ["s1", "a/s1", "1.jpg", "images/1.jpg", "s1.jpg"])
def test_pictures_are_blocked_by_id_and_by_file_name(source: Any, tmp_path: Path, entry: str) -> None:
    assert ids(source(SHELL, PICA, images=[entry])) == ["a/s0"]
    (tmp_path / "list.csv").write_text(f"image\n{entry}\n")
    assert ids(source(SHELL, PICA, images=[str(tmp_path / "list.csv")])) == ["a/s0"]


def test_a_name_of_several_pictures_blocks_all_of_them_and_is_told(make_table: MakeTable, tmp_path: Path) -> None:
    rows = [{"specimen_id": f"s{n}", "image": "images/0.jpg", "species": "Pica hudsonia"} for n in range(2)]
    merged = MergedSource({"a": TableSource(make_table(rows))}, MergeSettings.of({"blocked": {"images": ["0.jpg"]}}))
    assert ids(merged) == []
    assert merged.warnings() == ["blocked images: '0.jpg' names 2 records; write more of the path, or NAME/ID"]


def test_a_folder_of_pictures_is_blocked_by_content(source: Any, tmp_path: Path) -> None:
    (tmp_path / "rare" / "species").mkdir(parents=True)
    (tmp_path / "rare" / "species" / "other-name.jpg").write_bytes(encoded(1))
    assert ids(source(SHELL, PICA, images=[str(tmp_path / "rare")])) == ["a/s0"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ClipbioError, match="empty holds no pictures"):
        ids(source(SHELL, images=[str(tmp_path / "empty")]))


@pytest.mark.parametrize("blocked", [{"species": ["Cassis tuberculata"]}, {"images": ["rare/s0"]}])
def test_a_copy_under_another_name_is_blocked_too(
    make_table: MakeTable, tmp_path: Path, blocked: dict[str, list[str]]
) -> None:
    """The published exclusion compared names alone: the picture of a rare species came back under another one."""
    keys = ("genus", "species")
    copies = [
        {"specimen_id": f"s{n}", "image": f"images/{n}.jpg", **dict(zip(keys, PICA.split()[-2:]))} for n in (0, 1)
    ]
    rare = [{"specimen_id": "s0", "image": "images/0.jpg", **dict(zip(keys, SHELL.split()[-2:]))}]
    sources = {"first": TableSource(make_table(copies, "first")), "rare": TableSource(make_table(rare, "rare"))}
    shutil.copy(tmp_path / "rare/images/0.jpg", tmp_path / "first/images/1.jpg")
    (tmp_path / "first/images/0.jpg").write_bytes(encoded(7))
    assert ids(MergedSource(sources, MergeSettings.of({"blocked": blocked}))) == ["first/s0"]


def test_texts_of_blocked_species_are_left_out(make_table: MakeTable) -> None:
    rows = [{"specimen_id": "s", "image": "images/0.jpg", "species": "Pica hudsonia"}]
    texts = [{"scientific_name": name, "description": f"of {name}"} for name in ("Pica hudsonia", "Cassis tuberculata")]
    source = TableSource(make_table(rows, descriptions=texts))
    merged = MergedSource({"a": source}, MergeSettings.of({"blocked": {"species": ["Cassis tuberculata"]}}))
    assert [text.text for text in merged.species_texts()] == ["of Pica hudsonia"]
