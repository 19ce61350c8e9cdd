"""Several small tables merged: what is kept, what is left out, and what is written about it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from checklists import table_rows, write_rows
from tables import MakeTable, Row, encoded, rows_of, write_csv

from clipbio.data.merging import MergedSource, MergeSettings
from clipbio.data.merging.deciding import _Deciding
from clipbio.data.prepare import prepare
from clipbio.data.sources import TableSource
from clipbio.data.specimen import Specimen
from clipbio.data.splitting import Hashed, SplitSource
from clipbio.errors import ClipbioError
from clipbio.taxonomy import RANKS

PICA = "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia"
MONARCH = "Animalia Arthropoda Insecta Lepidoptera Nymphalidae Danaus plexippus"


def rows(count: int, taxon: str, first: int = 0, **more: str) -> list[Row]:
    values = dict(zip(RANKS, ("" if word == "-" else word for word in taxon.split())))
    numbers = range(first, first + count)
    return [{"specimen_id": f"s{n}", "image": f"images/{n}.jpg", **values, **more} for n in numbers]


@pytest.fixture
def checklist(tmp_path: Path) -> str:
    synonyms = {"Danaus archippus": "Danaus plexippus"}
    return str(write_rows(tmp_path / "names.csv", table_rows([PICA, MONARCH], synonyms)))


@pytest.fixture
def make_sources(make_table: MakeTable) -> Callable[..., dict[str, Any]]:
    """Give a function that writes one table for each keyword, the photo `n.jpg` with other bytes in each source."""

    def make(**tables: list[Row]) -> dict[str, Any]:
        sources: dict[str, Any] = {}
        for place, (name, table) in enumerate(tables.items()):
            root = make_table(table, name)
            for number, path in enumerate(sorted((root / "images").iterdir())):
                path.write_bytes(encoded(1000 * place + number))
            sources[name] = TableSource(root)
        return sources

    return make


def merged(sources: dict[str, Any], **settings: Any) -> MergedSource:
    return MergedSource(sources, MergeSettings.of(settings))


def catalog(source: MergedSource, folder: Path) -> list[dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    source.write_side_files(folder)
    return pq.read_table(folder / "catalog.parquet").to_pylist()


def ids(source: MergedSource) -> list[str]:
    return [specimen.id for specimen in source]


def test_ids_groups_and_sources_carry_the_name_of_the_source(make_sources: Any) -> None:
    sources = make_sources(a=rows(2, PICA, group_id="g"), b=rows(1, MONARCH))
    source = merged(sources)
    found = list(source)
    assert [(one.id, one.source, one.group_id) for one in found] == [
        ("a/s0", "a", "a/g"),
        ("a/s1", "a", "a/g"),
        ("b/s0", "b", ""),
    ]
    assert found == list(source), "twice the same"
    assert source.total == 3


def test_a_group_with_a_worldwide_name_is_one_group_in_all_sources(make_sources: Any) -> None:
    url = "https://www.inaturalist.org/observations/1"
    sources = make_sources(a=rows(1, PICA, group_id=url.replace("https", "http")), b=rows(1, PICA, group_id=url))
    assert [one.group_id for one in merged(sources)] == [url, url]


def test_groups_with_a_photo_in_common_are_one_group(make_sources: Any, tmp_path: Path) -> None:
    a = rows(1, PICA, group_id="") + rows(2, PICA, 1, group_id="a-one") + rows(1, PICA, 3, group_id="a-two")
    b = rows(2, PICA, group_id="b-one") + rows(3, PICA, 2, group_id="b-two") + rows(1, PICA, 5, group_id="alone")
    sources = make_sources(a=a, b=b)
    # The photo of a record without a group, and one of each group of a in one group of b.
    for first, second in ((0, 0), (1, 2), (3, 3)):
        shutil.copy(tmp_path / f"a/images/{first}.jpg", tmp_path / f"b/images/{second}.jpg")
    found = {one.id: one.group_id for one in merged(sources)}
    assert found["a/s0"] == found["b/s1"] == "b/b-one"
    assert {found[name] for name in ("a/s1", "a/s2", "a/s3", "b/s4")} == {"a/a-two"}
    assert found["b/s5"] == "b/alone"
    splits = {one.id: one.split for one in SplitSource(merged(sources), Hashed(shares={"train": 0.5, "test": 0.5}))}
    assert splits["a/s0"] == splits["b/s1"]
    assert len({splits[name] for name in ("a/s1", "a/s2", "a/s3", "b/s4")}) == 1


def test_of_the_last_source_nothing_is_remembered(make_sources: Any) -> None:
    table = rows(3, PICA)
    for number, row in enumerate(table):
        row["image_url"] = f"https://photos.example/{number}.jpg"
    sources = make_sources(a=table, b=table)
    for names, held in (("a", 0), ("ab", 3)):
        source = merged({name: sources[name] for name in names})
        deciding = _Deciding(source.sources, source.rules)
        deciding.run()
        assert len(deciding.held) == held


def test_the_record_keeps_the_name_it_was_given(make_sources: Any, checklist: str) -> None:
    sources = make_sources(a=rows(1, "Animalia - - - - Danaus archippus") + rows(1, PICA, 1))
    found = list(merged(sources, checklist=checklist))
    assert found[0].taxon.ranks == tuple(MONARCH.split())
    assert [one.metadata for one in found] == [{"given_name": "Danaus archippus"}, {}]


def test_conflicts_are_counted_by_what_they_say(make_sources: Any, checklist: str, tmp_path: Path) -> None:
    table = rows(5, MONARCH.replace("Nymphalidae", "Danaidae")) + rows(1, PICA, 5)
    source = merged(make_sources(a=table, b=table[:1]), checklist=checklist)
    source.write_side_files(tmp_path)
    with (tmp_path / "conflicts.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    same = {"name": "Danaus plexippus", "rank": "family", "given": "Danaidae", "chosen": "Nymphalidae"}
    same |= {"reason": "higher_rank", "suggestion": ""}
    assert lines == [
        {"source": "a", **same, "records": "5", "first_ids": "a/s0 a/s1 a/s2"},
        {"source": "b", **same, "records": "1", "first_ids": "b/s0"},
    ]


def test_the_same_photo_is_kept_once_and_what_is_lost_is_told(
    make_sources: Any, checklist: str, tmp_path: Path
) -> None:
    sources = make_sources(a=rows(3, PICA, dna=""), b=rows(3, MONARCH, dna="ACGT", licence="CC0"))
    shutil.copy(tmp_path / "a/images/1.jpg", tmp_path / "b/images/2.jpg")
    source = merged(sources, checklist=checklist)
    assert ids(source) == ["a/s0", "a/s1", "a/s2", "b/s0", "b/s1"]
    row = catalog(source, tmp_path / "out")[-1]
    assert (row["outcome"], row["instead"], row["lost"]) == ("duplicate_photo", "a/s1", "dna licence")
    lines = source.decisions.log.rows()
    assert [(line["source"], line["rank"], line["given"], line["chosen"], line["reason"]) for line in lines] == [
        ("b", "phylum", "Arthropoda", "Chordata", "duplicate_photo")
    ]


def test_two_records_of_one_source_may_share_a_photo(make_sources: Any, tmp_path: Path) -> None:
    sources = make_sources(a=rows(2, PICA), b=rows(1, PICA))
    shutil.copy(tmp_path / "a/images/0.jpg", tmp_path / "a/images/1.jpg")
    assert len(ids(merged(sources))) == 3
    shutil.copy(tmp_path / "a/images/0.jpg", tmp_path / "b/images/0.jpg")
    assert ids(merged(sources)) == ["a/s0", "a/s1"]
    assert len(ids(merged(sources, identical_photos=False))) == 3


def test_the_same_address_is_the_same_photo(make_sources: Any) -> None:
    url = "https://photos.example/1.jpg"
    sources = make_sources(
        a=rows(1, PICA, image_url=url, identifier="1"),
        b=rows(1, PICA, image_url=url.replace("https", "http"), identifier="x"),
        c=rows(1, PICA, image_url="", identifier="1"),
    )
    assert ids(merged(sources)) == ["a/s0", "c/s0"], "a short number is no name all over the world"
    assert len(ids(merged(sources, photo_identifiers=[]))) == 3


def test_sizes_of_one_photo_of_inaturalist_are_the_same_photo(make_sources: Any) -> None:
    sources = make_sources(
        a=rows(1, PICA, image_url="https://inaturalist-open-data.s3.amazonaws.com/photos/12/medium.jpeg"),
        b=rows(1, PICA, identifier="https://static.inaturalist.org/photos/12/original.jpg"),
        c=rows(1, PICA, identifier="https://static.inaturalist.org/photos/123/original.jpg"),
    )
    assert ids(merged(sources)) == ["a/s0", "c/s0"]


def test_a_better_determination_that_is_lost_is_told(make_sources: Any, tmp_path: Path) -> None:
    sources = make_sources(a=rows(1, PICA.replace("hudsonia", "-")), b=rows(1, PICA))
    shutil.copy(tmp_path / "a/images/0.jpg", tmp_path / "b/images/0.jpg")
    source = merged(sources)
    assert catalog(source, tmp_path / "out")[-1]["lost"] == "taxon"
    (line,) = source.decisions.log.rows()
    assert (line["given"], line["chosen"], line["reason"]) == ("Pica hudsonia", "Pica", "duplicate_photo_finer")


class Tar:
    """A source whose pictures are read out of a larger file when they are wanted."""

    def __init__(self, source: TableSource) -> None:
        self.source, self.defects, self.read = source, source.defects, 0

    def __iter__(self) -> Any:
        for one in self.source:
            yield Specimen(one.id, one.taxon, lambda path=one.image: self._bytes(path))

    def _bytes(self, path: Path) -> bytes:
        self.read += 1
        return path.read_bytes()

    def species_texts(self) -> list[Any]:
        return []

    def fingerprint(self) -> str:
        return "tar"


def test_pictures_inside_larger_files_are_compared_too(make_sources: Any, tmp_path: Path) -> None:
    sources = make_sources(a=rows(2, PICA), b=rows(2, PICA))
    shutil.copy(tmp_path / "a/images/1.jpg", tmp_path / "b/images/0.jpg")
    sources["b"] = Tar(sources["b"])
    assert ids(merged(sources)) == ["a/s0", "a/s1", "b/s1"]


def test_unmatched_names_may_be_dropped(make_sources: Any, checklist: str, tmp_path: Path) -> None:
    sources = make_sources(a=rows(1, PICA.replace("hudsonia", "ignota")) + rows(1, PICA, 1))
    assert len(ids(merged(sources, checklist=checklist))) == 2
    source = merged(sources, checklist=checklist, unmatched="drop")
    assert ids(source) == ["a/s1"]
    assert [row["outcome"] for row in catalog(source, tmp_path / "out")] == ["unmatched", "kept"]


def test_the_catalogue_has_the_split_and_the_fate_that_the_index_has(make_sources: Any, tmp_path: Path) -> None:
    sources = make_sources(a=rows(12, PICA), b=rows(2, MONARCH))
    (tmp_path / "b/images/1.jpg").write_bytes(b"no picture")
    scheme = Hashed(by="specimen", shares={"train": 0.5, "test": 0.5})
    out = tmp_path / "shards"
    prepare(SplitSource(merged(sources), scheme), out, progress=False)
    index = {row["id"]: row["split"] for row in pq.read_table(out / "index.parquet").to_pylist()}
    found = {row["id"]: row for row in pq.read_table(out / "catalog.parquet").to_pylist()}
    assert found["b/s1"]["outcome"] == "not_written"
    assert {name: row["split"] for name, row in found.items() if row["outcome"] == "kept"} == index
    assert set(index.values()) == {"train", "test"}


def test_texts_follow_the_accepted_name(make_table: MakeTable, checklist: str) -> None:
    texts = [{"scientific_name": "Danaus archippus", "description": "Orange with black veins"}]
    a = TableSource(make_table(rows(1, "Animalia - - - - Danaus archippus"), "a", descriptions=texts))
    b = TableSource(
        make_table(rows(1, MONARCH), "b", descriptions=[{**texts[0], "scientific_name": "Danaus plexippus"}])
    )
    (text,) = merged({"a": a, "b": b}, checklist=checklist).species_texts()
    assert (text.kingdom, text.scientific_name, text.source) == ("Animalia", "Danaus plexippus", "a")


def test_defects_name_their_source(make_table: MakeTable) -> None:
    root = make_table(rows_of(2))
    (root / "images/1.jpg").unlink()
    source = merged({"a": TableSource(root)})
    for _ in range(2):
        assert len(list(source)) == 1
        assert source.defects.counts == {"missing_image": 1}
        assert source.defects.of("missing_image")[0].where == "a: specimens.csv row 3"
    assert source.total == 2


def test_summary_counts(make_sources: Any, checklist: str, tmp_path: Path) -> None:
    sources = make_sources(a=rows(2, "Animalia - - - - Danaus archippus"), b=rows(1, PICA))
    source = merged(sources, checklist=checklist, blocked={"species": ["Pica hudsonia"]})
    source.write_side_files(tmp_path)
    summary = json.loads((tmp_path / "merge.json").read_text())
    assert summary["sources"] == {
        "a": {"records": 2, "kept": 2, "filled_ranks": 8, "synonym": 2},
        "b": {"records": 1, "kept": 0, "blocked_species": 1},
    }
    assert summary["conflict_lines"] == {"synonym": 1}
    assert summary["blocked_entries_found"]["species"] == {"merge.blocked.species": "1 of 1"}


def test_a_checklist_of_other_things_is_a_warning(make_sources: Any, checklist: str) -> None:
    source = merged(make_sources(a=rows(1, "Animalia - - - - Aus bus")), checklist=checklist)
    assert source.warnings() == ["the checklist names.csv has none of the names of the data"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cheklist": "x"}, r"merge\.cheklist is no setting; did you mean 'checklist'"),
        ({"checklist": {"pat": "x"}}, r"merge\.checklist\.pat is no setting; did you mean 'path'"),
        ({"checklist": {"format": "gbif"}}, r"merge\.checklist\.path is missing"),
        ({"blocked": {"specie": []}}, r"merge\.blocked\.specie is no setting; did you mean 'species'"),
        ({"unmatched": "delete"}, r"merge\.unmatched=delete is unknown; valid are: keep, drop"),
        ({"unmatched": "drop"}, r"merge\.unmatched=drop needs merge\.checklist"),
        ({"languages": {"en": 1}}, r"merge\.languages must be a list"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        MergeSettings.of(settings)


@pytest.mark.parametrize("name", ["a/b", "", "a b", "../x"])
def test_names_of_sources_are_plain_words(make_table: MakeTable, name: str) -> None:
    with pytest.raises(ClipbioError, match="cannot name a source"):
        MergedSource({name: TableSource(make_table(rows_of(1)))})


def test_the_fingerprint_knows_settings_and_files(make_table: MakeTable, checklist: str, tmp_path: Path) -> None:
    sources = {"a": TableSource(make_table(rows_of(1)))}

    def fingerprints() -> list[str]:
        return [merged(sources).fingerprint(), merged(sources, checklist=checklist).fingerprint()]

    before = fingerprints()
    assert before == fingerprints()
    assert len(set(before)) == 2
    write_csv(Path(checklist), table_rows([PICA]))
    assert fingerprints()[1] != before[1]


def test_the_fingerprint_does_not_know_where_files_lie(make_table: MakeTable, checklist: str, tmp_path: Path) -> None:
    sources = {"a": TableSource(make_table(rows_of(1)))}
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.copy(checklist, tmp_path / "elsewhere")
    assert merged(sources, checklist=checklist).fingerprint() == merged(sources, checklist=str(moved)).fingerprint()
