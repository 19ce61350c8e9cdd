"""Traits of descriptions in an index: stored, filtered and counted by, against loops over what is stored."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pyarrow.parquet as pq
import pytest
from search_worlds import COUNT, specimen, write_world
from small_indexes import batch, encode

from clipbio.errors import ClipbioError
from clipbio.search import Index
from clipbio.search.facets import trait_facets
from clipbio.search.filters import Columns, mask_N
from clipbio.search.folder import IndexFolder
from clipbio.search.manifest import About
from clipbio.search.trait_table import TRAITS
from clipbio.search.writing import IndexWriter
from clipbio.taxonomy import RANKS, Taxon
from clipbio.traits import extract, group_of

SIZES = ("Leaves 20-30 mm long.", "Leaves 4-5 cm long.", "Leaves 25 mm long. Flowers white.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world") / "index")


@pytest.fixture(scope="module")
def columns(folder):
    return Columns(folder)


def small(path, texts, **about):
    """Write an index of one specimen for each text."""
    specimens = [
        replace(specimen(0), id=f"t{number}", descriptions=(text,), common_names=())
        for number, text in enumerate(texts)
    ]
    with IndexWriter.create(path, About("sizes", **about)) as writer:
        writer.append([batch(specimens, dna=False)], encode)
    return IndexFolder.open(path)


def stated(folder, row):
    """Return the (character, state) of a row."""
    texts = folder.texts
    traits = [trait for one in texts.groups.of(int(folder.group_N[row])) for trait in texts.traits_of(int(one))]
    return {(trait.character, trait.value) for trait in traits if not trait.negated}


def test_traits_are_those_of_the_descriptions(folder):
    texts = folder.texts
    for number in range(len(texts.descriptions)):
        record = texts.descriptions.record(number)
        group = group_of(Taxon(*(record[rank] for rank in RANKS)))
        assert texts.traits_of(number) == tuple(extract(record["text"], group=group, language="en"))
    assert folder.manifest.texts.facts["traits"] == len(texts.traits) > 8


def test_what_passes_and_the_counts_are_those_of_a_loop(folder, columns):
    rows = [row for row in range(COUNT) if folder.alive_N[row]]
    has = {row: stated(folder, row) for row in rows}
    every = sorted(set().union(*has.values()))
    assert len({character for character, _ in every}) > 2
    for pair in [(), *((one,) for one in every), *combinations(every, 2)]:
        where = {"trait": [f"{name.upper()}={value}" for name, value in pair]} if pair else {}
        wanted = {}
        for name, value in pair:
            wanted.setdefault(name, set()).add((name, value))

        def passes(row, but="", wanted=wanted):
            return all(has[row] & states for name, states in wanted.items() if name != but)

        assert np.flatnonzero(mask_N(columns, where)).tolist() == [row for row in rows if passes(row)]
        for facet in trait_facets(columns, where):
            left = [row for row in rows if passes(row, facet.character)]
            counts = Counter(value for row in left for name, value in has[row] if name == facet.character)
            assert dict(facet.values) == counts
            assert facet.specimens == sum(any(name == facet.character for name, _ in has[row]) for row in left)


def test_the_most_widespread_characters_come_first_and_chosen_ones_stay(columns):
    every = trait_facets(columns)
    assert [facet.specimens for facet in every] == sorted((facet.specimens for facet in every), reverse=True)
    rare = every[-1]
    few = trait_facets(columns, {"trait": f"{rare.character}={rare.values[0][0]}"}, most=1)
    assert rare.character in [facet.character for facet in few]
    assert len(trait_facets(columns, most=1)) == 1


def test_traits_and_columns_narrow_each_other(folder, columns):
    where = {"trait": "leaf arrangement=alternate", "family": "Rosaceae"}
    counts = {facet.column: dict(facet.values) for facet in Index(folder).facets(where)}
    alternate = [
        row for row in range(COUNT) if folder.alive_N[row] and ("leaf arrangement", "alternate") in stated(folder, row)
    ]
    families = Counter(specimen(row).taxon.family for row in alternate)
    assert counts["family"] == families
    assert len(families) == 2


def test_what_is_denied_does_not_count(folder, columns):
    rows = np.flatnonzero(mask_N(columns, {"trait": "leaf surface=hairy"}))
    assert {specimen(row).taxon.genus for row in rows} == {"Rubus"} | {
        specimen(row).taxon.genus for row in rows if not specimen(row).species
    }
    denied = [
        trait for one in range(len(folder.texts.descriptions)) for trait in folder.texts.traits_of(one) if trait.negated
    ]
    assert ("leaf surface", "hairy") in {(trait.character, trait.value) for trait in denied}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("leaf length=20..30", ["t0", "t2"]),
        ("leaf length=..22", ["t0"]),
        ("leaf length=31..", ["t1"]),
        ("leaf length=42", ["t1"]),
        ("leaf length=25 mm", ["t0", "t2"]),
        ("leaf length=28-40 mm", ["t0", "t1"]),
        (["leaf length=20..30", "flower colour=white"], ["t2"]),
        (["leaf length=40..", "leaf length=..22"], ["t0", "t1"]),
    ],
)
def test_measures_are_asked_for_by_range(tmp_path_factory, wanted, found):
    folder = small(tmp_path_factory.mktemp("sizes") / "index", SIZES)
    rows = np.flatnonzero(mask_N(Columns(folder), {"trait": wanted}))
    assert [f"t{row}" for row in rows] == found
    length = next(facet for facet in trait_facets(Columns(folder)) if facet.character == "leaf length")
    assert (length.range, length.values, length.specimens) == ((20.0, 50.0), (), 3)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("leaf arangement=alternate", "did you mean 'leaf arrangement'"),
        ("leaf arrangement=alternat", "did you mean 'alternate'"),
        ("leaf arrangement=purple", "it is one of: alternate"),
        ("eyespot diameter=3", "there are such as: leaf arrangement"),
        ("ovate", "is no character with a state"),
        ("leaf shape=", "is no character with a state"),
        ([], "the filter on trait is empty"),
    ],
)
def test_what_is_unknown_is_told(columns, wanted, message):
    with pytest.raises(ClipbioError, match=message) as caught:
        mask_N(columns, {"trait": wanted})
    assert "\n" not in str(caught.value)


def test_hits_carry_traits_where_they_stand(folder):
    index = Index(folder)
    found = index.search("leaves alternate", engine="lexical", show="descriptions").hits
    assert any(hit.traits for hit in found)
    for hit in found:
        assert all(hit.text[trait.start : trait.end] == trait.phrase for trait in hit.traits)
        assert all(hit.best.text[trait.start : trait.end] == trait.phrase for trait in hit.best.traits)
    passages = [hit.passage for hit in index.search("flowers white", engine="lexical").hits]
    assert any(one.start > 0 and one.traits for one in passages)
    for one in passages:
        assert all(one.text[trait.start : trait.end] == trait.phrase for trait in one.traits)
    assert all(
        hit.passage
        for hit in index.search("alternate", engine="lexical", where={"trait": "leaf arrangement=alternate"}).hits
    )
    texts = index.descriptions_of(next(row for row in range(COUNT) if specimen(row).taxon.genus == "Rosa"))
    assert texts[0]["traits"]


def test_appends_and_compaction_take_known_traits_over(tmp_path, monkeypatch):
    path, asked = tmp_path / "index", []
    before = small(path, SIZES).texts

    def listening(text, **more):
        asked.append(text)
        return extract(text, **more)

    monkeypatch.setattr("clipbio.search.trait_writing.extract", listening)
    more = replace(specimen(2), id="new", descriptions=("Leaves lobed, margins entire.",))
    with IndexWriter.open(path) as writer:
        writer.append([batch([more], dna=False)], encode)
        after = IndexFolder.open(path).texts
        assert [after.traits_of(one) for one in range(3)] == [before.traits_of(one) for one in range(3)]
        assert after.traits_of(3)
        writer.delete(["t1"])
        writer.compact()
    last = IndexFolder.open(path).texts
    texts = [last.descriptions.text(one) for one in range(len(last.descriptions))]
    assert texts == [SIZES[0], SIZES[2], "Leaves lobed, margins entire."]
    assert [last.traits_of(one) for one in range(3)] == [after.traits_of(one) for one in (0, 2, 3)]
    assert asked == ["Leaves lobed, margins entire."]


def test_an_index_made_without_traits_opens_and_says_so(tmp_path):
    folder = small(tmp_path / "index", SIZES, traits=False)
    assert not list(folder.path.rglob(TRAITS))
    index = Index(folder)
    assert [hit.traits for hit in index.search("white", engine="lexical", show="descriptions").hits] == [()]
    for ask in (lambda: index.trait_facets(), lambda: index.search("white", engine="lexical", where={"trait": "a=b"})):
        with pytest.raises(ClipbioError, match="was made without traits: make it again"):
            ask()


def test_a_manifest_of_before_traits_is_read(tmp_path):
    folder = small(tmp_path / "index", SIZES, traits=False)
    path = folder.path / "manifest.json"
    path.write_text(path.read_text().replace('"traits": false', '"number": 1'))
    old = IndexFolder.open(folder.path)
    assert not old.manifest.traits
    with IndexWriter.open(folder.path) as writer:
        writer.append([batch([replace(specimen(2), id="new")], dna=False)], encode)
    assert IndexFolder.open(folder.path).texts.traits is None


def test_traits_of_other_languages_are_left_out_and_told(tmp_path, caplog):
    folder = small(tmp_path / "index", SIZES, language="german")
    assert len(folder.texts.traits) == 0
    assert "3 descriptions in 'german' give none" in caplog.text
    assert trait_facets(Columns(folder)) == []


def test_the_file_holds_every_field(folder):
    path = folder.path / folder.manifest.texts.folder / TRAITS
    table = pq.ParquetFile(path).read()
    assert table.column_names[:3] == ["description", "organ", "property"]
    assert table["description"].to_pylist() == sorted(table["description"].to_pylist())
