from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checklists import GBIF_HEADER, Row, table_rows, write_rows
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clipbio.data.merging.checklist import Checklist
from clipbio.data.merging.resolving import Resolver
from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon

MONARCH = Taxon("Animalia", "Arthropoda", "Insecta", "Lepidoptera", "Nymphalidae", "Danaus", "plexippus")
HIGHER = dict(zip(("kingdom", "phylum", "class", "order", "family", "genus"), MONARCH.ranks))


def gbif_rows() -> list[Row]:
    accepted = {"taxonRank": "species", "taxonomicStatus": "accepted", **HIGHER}
    return [
        {"taxonID": "1", "canonicalName": "Animalia", "taxonRank": "kingdom", "taxonomicStatus": "accepted"},
        {"taxonID": "5", "canonicalName": "Danaus plexippus", "parentNameUsageID": "4", **accepted},
        {
            "taxonID": "6",
            "canonicalName": "Papilio plexippus",
            "acceptedNameUsageID": "5",
            "taxonRank": "species",
            "taxonomicStatus": "homotypic synonym",
            **HIGHER,
        },
        # A lone quote, as the backbone has them.
        {"taxonID": "7", "canonicalName": "Danaus erippus", "scientificName": 'Danaus "erippus Cramer', **accepted},
        {"taxonID": "8", "canonicalName": "Danaus plexippus megalippe", **accepted, "taxonRank": "subspecies"}
        | {"parentNameUsageID": "5"},
        {
            "taxonID": "9",
            "canonicalName": "Danais leucogyne",
            "acceptedNameUsageID": "8",
            "taxonRank": "species",
            "taxonomicStatus": "heterotypic synonym",
        },
        {"taxonID": "10", "canonicalName": "Danaus chrysippus", **accepted, "taxonomicStatus": "misapplied"},
    ]


def itis_rows() -> list[Row]:
    names = [
        *(("202423", "Animalia", "Kingdom", "0"), ("82696", "Arthropoda", "Phylum", "202423")),
        *(("563886", "Hexapoda", "Subphylum", "82696"), ("99208", "Insecta", "Class", "563886")),
        *(("117232", "Lepidoptera", "Order", "99208"), ("188576", "Nymphalidae", "Family", "117232")),
        *(("777950", "Danainae", "Subfamily", "188576"), ("117262", "Danaus", "Genus", "777950")),
        *(("117263", "Danaus plexippus", "Species", "117262"),),
    ]
    keys = ("tsn", "complete_name", "rank", "parent_tsn")
    rows = [dict(zip(keys, name)) | {"name_usage": "valid", "kingdom": "Animalia"} for name in names]
    synonym = {"tsn": "1", "complete_name": "Papilio plexippus", "rank": "Species", "kingdom": "Animalia"}
    chain = {"tsn": "2", "complete_name": "Danais plexippe", "rank": "Species", "kingdom": "Animalia"}
    rows.append(synonym | {"name_usage": "invalid", "accepted_tsn": "117263"})
    rows.append(chain | {"name_usage": "invalid", "accepted_tsn": "1"})
    return rows


def coldp_rows() -> list[Row]:
    rows, parent = [], ""
    for rank, name in (*HIGHER.items(), ("subgenus", "Danaus (Danaus)"), ("species", "Danaus (Danaus) plexippus")):
        rows.append({"col:ID": name[:4] + rank, "col:parentID": parent, "col:status": "accepted"})
        rows[-1] |= {"col:scientificName": name, "col:rank": rank}
        parent = rows[-1]["col:ID"]
    synonym = {"col:ID": "S", "col:parentID": parent, "col:status": "ambiguous synonym", "col:rank": "species"}
    rows.append(synonym | {"col:scientificName": "Papilio plexippus"})
    rows.append({"col:ID": "B", "col:status": "bare name", "col:rank": "species", "col:scientificName": "Danaus nudus"})
    return rows


COLDP_HEADER = ("col:ID", "col:parentID", "col:status", "col:scientificName", "col:authorship", "col:rank")


def monarch_of(checklist: Checklist, genus: str, species: str) -> Taxon:
    return Resolver(checklist)(Taxon(genus=genus, species=species)).taxon


def test_gbif_backbone_in_a_zip(tmp_path: Path) -> None:
    taxa = write_rows(tmp_path / "Taxon.tsv", gbif_rows(), GBIF_HEADER)
    with zipfile.ZipFile(tmp_path / "backbone.zip", "w") as archive:
        archive.write(taxa, "backbone/Taxon.tsv")
    for path in (taxa, tmp_path, tmp_path / "backbone.zip"):
        checklist = Checklist.load(path)
        assert len(checklist) == 7
        assert monarch_of(checklist, "Danaus", "plexippus") == MONARCH
        assert monarch_of(checklist, "Papilio", "plexippus") == MONARCH
        assert monarch_of(checklist, "Danaus", "erippus").family == "Nymphalidae"


def test_a_synonym_of_a_subspecies_is_one_of_its_species(tmp_path: Path) -> None:
    checklist = Checklist.load(write_rows(tmp_path / "Taxon.tsv", gbif_rows(), GBIF_HEADER))
    assert monarch_of(checklist, "Danais", "leucogyne") == MONARCH
    assert Resolver(checklist)(Taxon(genus="Danaus", species="chrysippus")).match == "unmatched", "misapplied"


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_itis_walks_its_parents_and_follows_chains(tmp_path: Path, suffix: str) -> None:
    header = ("tsn", "complete_name", "rank", "name_usage", "parent_tsn", "accepted_tsn", "kingdom")
    checklist = Checklist.load(write_rows(tmp_path / f"itis{suffix}", itis_rows(), header))
    for name in (("Danaus", "plexippus"), ("Papilio", "plexippus"), ("Danais", "plexippe")):
        assert monarch_of(checklist, *name) == MONARCH


def test_coldp_synonyms_point_to_their_parent(tmp_path: Path) -> None:
    write_rows(tmp_path / "NameUsage.tsv", coldp_rows(), COLDP_HEADER)
    checklist = Checklist.load(tmp_path)
    assert monarch_of(checklist, "Papilio", "plexippus") == MONARCH
    assert monarch_of(checklist, "Danaus", "plexippus") == MONARCH, "the subgenus in brackets is no part of the name"
    assert Resolver(checklist)(Taxon(genus="Danaus", species="nudus")).match == "unmatched", "a bare name"


def test_any_table_with_its_own_column_names(tmp_path: Path) -> None:
    rows = table_rows([" ".join(MONARCH.ranks)], {"Papilio plexippus": "Danaus plexippus"})
    renamed = [{"Taxon" if key == "name" else key: value for key, value in row.items()} for row in rows]
    path = write_rows(tmp_path / "names.csv", renamed)
    with pytest.raises(ClipbioError, match=r"names.csv: the column 'name' is missing.*columns: \{name"):
        Checklist.load(path)
    with pytest.raises(ClipbioError, match=r"columns\.nam is no field .*did you mean 'name'"):
        Checklist.load(path, columns={"nam": "Taxon"})
    with pytest.raises(ClipbioError, match=r"columns\.name=Taxo is not there; did you mean 'Taxon'"):
        Checklist.load(path, format="table", columns={"name": "Taxo"})
    checklist = Checklist.load(path, columns={"name": "Taxon"})
    assert monarch_of(checklist, "Papilio", "plexippus") == MONARCH


@pytest.mark.parametrize("name", ["names.csv.gz", "names.parquet"])
def test_other_suffixes(tmp_path: Path, name: str) -> None:
    rows = table_rows([" ".join(MONARCH.ranks)])
    plain = write_rows(tmp_path / "names.csv", rows)
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(plain.read_bytes()))
    else:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    assert monarch_of(Checklist.load(tmp_path / name), "Danaus", "plexippus") == MONARCH


def test_an_accepted_name_with_its_author_is_no_synonym(tmp_path: Path) -> None:
    rows = [
        {"name": "Pica hudsonia", "rank": "species", "accepted": "Pica hudsonia (Sabine, 1822)"},
        {"name": "Corvus hudsonius", "rank": "species", "accepted": "Pica hudsonia (Sabine, 1822)"},
    ]
    resolver = Resolver(Checklist.load(write_rows(tmp_path / "names.csv", rows)))
    assert resolver(Taxon(genus="Pica", species="hudsonia")).match == "accepted"
    assert resolver(Taxon(genus="Corvus", species="hudsonius")).taxon.scientific_name == "Pica hudsonia"


def test_an_unknown_status_is_a_doubtful_name_or_points_to_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        {"name": "Pica hudsonia", "rank": "species", "status": "checked", "accepted": ""},
        {"name": "Corvus hudsonius", "rank": "species", "status": "checked", "accepted": "Pica hudsonia"},
        {"name": "Pica pica", "rank": "species", "status": "unaccepted", "accepted": ""},
    ]
    checklist = Checklist.load(write_rows(tmp_path / "names.csv", rows))
    assert checklist.status_N.tolist() == [1, 0, 0]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "unknown words of status: ['checked']; synonyms where they point to a name, else doubtful"
    ]


def test_names_with_authors_and_hybrid_signs_are_cut(tmp_path: Path) -> None:
    rows = [{"name": name, "rank": "species"} for name in ("Mentha × piperita L.", "Pica hudsonia (Sabine, 1822)")]
    checklist = Checklist.load(write_rows(tmp_path / "names.csv", [*rows, {"name": "Metazoa", "rank": "kingdom"}]))
    assert [checklist.name(row) for row in range(3)] == ["Mentha piperita", "Pica hudsonia", "Animalia"]


@pytest.mark.parametrize(
    ("synonyms", "message"),
    [
        ([("Aus bus", "Aus cus"), ("Aus cus", "Aus bus")], "row 2: 'Aus bus' leads to a synonym of itself"),
        ([("Aus bus", "Aus cus"), ("Aus cus", "Aus dus"), ("Aus dus", "Aus bus")], "a synonym of itself"),
    ],
)
def test_circular_synonyms_are_refused(tmp_path: Path, synonyms: list[tuple[str, str]], message: str) -> None:
    rows = [{"name": one, "rank": "species", "status": "synonym", "accepted": other} for one, other in synonyms]
    with pytest.raises(ClipbioError, match=message):
        Checklist.load(write_rows(tmp_path / "names.csv", rows))


def test_circular_parents_are_refused(tmp_path: Path) -> None:
    rows = [{"id": "1", "parent_id": "2"}, {"id": "2", "parent_id": "1"}]
    rows = [row | {"name": name, "rank": "genus"} for row, name in zip(rows, ("Aus", "Bus"))]
    with pytest.raises(ClipbioError, match="'Aus' leads to its own parent"):
        Checklist.load(write_rows(tmp_path / "names.csv", rows))


def test_rows_of_a_wrong_width_are_left_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_rows(tmp_path / "names.tsv", table_rows([" ".join(MONARCH.ranks)]))
    path.write_text(path.read_text() + "Aus bus\tspecies\n")
    assert len(Checklist.load(path)) == 7
    assert "1 rows have another number of cells" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("names.csv", b"", "is empty"),
        ("names.csv", b"name,rank\n", "no names"),
        ("names.csv", b"name,rank\n\xff\xfe,species\n", "cannot be read"),
        ("names.parquet", b"no parquet", "cannot be read"),
        ("names.csv.gz", b"no gzip", "cannot be read"),
        ("names.zip", b"no zip", "cannot be read as a zip"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClipbioError, match=message) as caught:
        Checklist.load(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match=r"gone\.tsv is not there"):
        Checklist.load(tmp_path / "gone.tsv")


words = ("species", "genus", "kingdom", "accepted", "synonym", "Aus bus", "Danaus plexippus", "Danaus", "1", "2")
cells = st.sampled_from(words) | st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
tables = st.lists(st.lists(cells, min_size=1, max_size=6), min_size=1, max_size=8)


def told_of(path: Path) -> str:
    """Return how a name is matched by a file, or what is wrong with the file."""
    try:
        return Resolver(Checklist.load(path))(MONARCH).match
    except ClipbioError as error:
        return str(error)


@settings(max_examples=60, deadline=None)
@given(table=tables, header=st.sampled_from([GBIF_HEADER, COLDP_HEADER, ("name", "rank", "accepted", "parent")]))
@example(table=[["name", "rank"], ["Aus bus", "species"]], header=())
@example(table=[['"', "species"]], header=("name", "rank"))
def test_nothing_but_the_documented_error_escapes(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], header: tuple[str, ...]
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    text = "\n".join("\t".join(row) for row in ([list(header), *table] if header else table))
    for name in ("names.tsv", "names.csv"):
        (folder / name).write_bytes((text if name == "names.tsv" else text.replace("\t", ",")).encode())
        told = told_of(folder / name)
        assert "\n" not in told
        assert told


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_checklist_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    for name in ("a.tsv", "a.csv", "a.csv.gz", "a.parquet", "a.zip"):
        (folder / name).write_bytes(data)
        with pytest.raises(ClipbioError):
            Checklist.load(folder / name)
