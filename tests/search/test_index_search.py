"""What a user meets: pages, notes, and a clear answer to bad input."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from search_worlds import HashEncoder, write_world
from small_indexes import DIM, make, vector

from clipbio.errors import ClipbioError
from clipbio.search import Index, Part, Query

ENGINES, SHOWS = ("fused", "lexical", "vector"), ("specimens", "species", "descriptions")
QUERIES = {
    "words": "leaves alternate",
    "negation": "white flowers -hairy",
    "negation alone": "-hairy",
    "quoted": '"flowers white"',
    "unknown words": "chitinous carapace",
    "picture": Query((Part("image", b"a rose"),)),
    "specimen": Query((Part("specimen", "s1"),)),
    "mixed": Query((Part("image", b"a rose"), Part("text", "white flowers", 2.0), Part("specimen", "s3", 0.5))),
}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return Index(write_world(tmp_path_factory.mktemp("world") / "index"), HashEncoder())


def keys(results):
    named = {
        "specimens": lambda hit: hit.row,
        "species": lambda hit: hit.sheets[0].row,
        "descriptions": lambda hit: hit.description,
    }
    return [named[results.show](hit) for hit in results.hits]


@pytest.mark.parametrize("show", SHOWS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_pages_join_without_gaps_or_repeats_and_scores_fall(index, query, engine, show):
    whole = index.search(query, k=1000, engine=engine, show=show)
    assert [hit.rank for hit in whole.hits] == list(range(1, whole.total + 1))
    assert len(set(keys(whole))) == whole.total
    scores = [hit.score for hit in whole.hits]
    assert scores == sorted(scores, reverse=True)
    pages = [
        index.search(query, k=4, offset=offset, engine=engine, show=show) for offset in range(0, whole.total + 4, 4)
    ]
    assert [hit for page in pages for hit in page.hits] == list(whole.hits)
    assert {page.total for page in pages} == {whole.total}


@pytest.mark.parametrize("engine", ["fused", "vector"])
def test_words_find_all_that_passes_and_never_what_was_deleted(index, engine):
    alive = np.flatnonzero(index.folder.alive_N).tolist()
    assert sorted(keys(index.search("leaves alternate", k=100, engine=engine))) == alive
    one = index.search("leaves alternate", k=100, engine=engine, where={"country": "Peru", "family": "rosaceae"})
    assert keys(one)
    assert {(hit.values["country"], hit.taxon.family) for hit in one.hits} == {("Peru", "Rosaceae")}


def test_words_alone_find_only_what_has_one_of_them(index):
    assert index.search("chitinous carapace", engine="lexical").hits == ()
    assert {hit.name for hit in index.search("acorns", k=100, engine="lexical").hits} == {
        "Quercus robur",
        "Quercus petraea",
    }


def test_what_is_negated_is_left_out_but_not_what_denies_it(index):
    names = {hit.name for hit in index.search("leaves -hairy", k=100, show="species").hits}
    assert "Rubus idaeus" not in names
    assert {"Quercus robur", "Rosa canina"} <= names
    assert "Rubus idaeus" in {hit.name for hit in index.search("leaves -hairy", k=100, engine="vector").hits}
    (note,) = index.search("-hairy").notes
    assert "what is not wanted" in note


def test_quoted_phrases_are_contained(index):
    assert {hit.name for hit in index.search('"long stalks"', k=100).hits} == {"Quercus petraea"}
    texts = [hit.text for hit in index.search('"long stalks"', k=100, show="descriptions").hits]
    assert texts == ["Leaves with long stalks."]


def test_hits_tell_why_they_were_found(index):
    hit = index.search("alternate leaves", engine="fused", where={"species": "Rubus idaeus"}).hits[0]
    assert set(hit.lists) == {"description", "sentence", "meaning", "image"}
    text = index.folder.texts.descriptions.text(hit.passage.description)
    assert text[hit.passage.start : hit.passage.end] == hit.passage.text
    assert hit.passage.text == "Leaves alternate, hairy below."
    assert [hit.passage.text[a:b] for a, b in hit.passage.spans] == ["Leaves alternate"]


def test_a_description_tells_its_best_sentence_and_who_bears_it(index):
    (hit,) = index.search("hooked prickles", engine="lexical", show="descriptions").hits
    assert (hit.name, hit.best.text) == ("Rosa canina", "A shrub with hooked prickles.")
    bearers = [row for row in np.flatnonzero(index.folder.alive_N) if hit.text in str(index.descriptions_of(row))]
    assert hit.count == len(bearers)
    narrow = index.search("hooked prickles", engine="lexical", show="descriptions", where={"country": "Peru"})
    assert 0 < narrow.hits[0].count < hit.count


def test_a_species_counts_its_specimens_and_shows_its_best_sheets(index):
    hit = index.search("white flowers", show="species", where={"family": "Rosaceae"}).hits[0]
    rows = index.search("white flowers", k=100, where={"species": hit.name})
    assert hit.count == rows.total
    assert [sheet.row for sheet in hit.sheets] == [one.row for one in rows.hits][: len(hit.sheets)]


def test_a_label_names_what_has_no_taxon(index):
    assert {hit.name for hit in index.search("white", k=100, show="species").hits} >= {"unknown herb"}


def test_a_specimen_is_no_hit_of_its_own_and_its_likes_come_first(index):
    results = index.search(Query((Part("specimen", "s1"),)), k=100)
    assert index.folder.row_of("s1") not in keys(results)
    # It shows the same picture.
    assert (results.hits[0].id, results.hits[0].score) == ("s23", pytest.approx(1))


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        ([Part("dna", "ACGT")], "dna"),
        ([Part("specimen", "s3")], "dna"),
        ([Part("specimen", "s1")], "image"),
        ([Part("image", b"x"), Part("dna", "ACGT")], "image"),
    ],
)
def test_barcodes_are_compared_with_barcodes_and_pictures_with_pictures(index, parts, key):
    hits = index.search(Query(tuple(parts)), k=100).hits
    assert {name for hit in hits for name in hit.lists} == {key}
    has_N = index.folder.vectors(key).has_N
    assert all(has_N[hit.row] for hit in hits)
    other = {"dna": "image", "image": "dna"}[key]
    assert all(set(hit.lists) == {other} for hit in index.search(Query(tuple(parts)), key=other).hits)


def test_without_a_text_model_only_words_are_compared(index):
    class Blind(HashEncoder):
        modalities = frozenset({"image"})

    for encoder in (None, Blind()):
        results = Index(index.folder, encoder).search("leaves alternate", k=5)
        assert results.engine == "lexical"
        assert "only words" in results.notes[0]
        assert results.hits == index.search("leaves alternate", k=5, engine="lexical").hits


def test_threads_find_the_same(index):
    asked = [(query, engine, show) for query in QUERIES.values() for engine in ENGINES for show in SHOWS]

    def found(one):
        query, engine, show = one
        return index.search(query, k=5, engine=engine, show=show).hits

    fresh = Index(index.folder, HashEncoder())
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda one: fresh.search(one[0], k=5, engine=one[1], show=one[2]).hits, asked))
    assert together == [found(one) for one in asked]


@pytest.mark.parametrize(
    ("asked", "options", "message"),
    [
        ("   ", {}, "the query is empty"),
        ("...", {}, "no word"),
        ("leaves", {"k": 0}, "k=0"),
        ("leaves", {"offset": -1}, "offset=-1"),
        ("leaves", {"engine": "fuzed"}, "did you mean 'fused'"),
        ("leaves", {"show": "specimen"}, "did you mean 'specimens'"),
        ("leaves", {"key": "dns"}, "did you mean 'dna'"),
        ("leaves", {"where": {"famly": "Rosaceae"}}, "did you mean 'family'"),
        ("leaves", {"where": {"family": "Rosacae"}}, "did you mean 'Rosaceae'"),
        (Query((Part("specimen", "s999"),)), {}, "no specimen 's999'"),
        (Query((Part("specimen", "s39"),)), {}, "no specimen 's39'"),
        (Query((Part("dna", "not a barcode"),)), {}, "no barcode"),
        (Query((Part("vector", np.ones(DIM + 1)),)), {}, f"the index {DIM}"),
        (Query((Part("vector", np.zeros(DIM)),)), {}, "zero or not finite"),
        (Query((Part("vector", np.full(DIM, np.nan)),)), {}, "zero or not finite"),
    ],
)
def test_bad_input_is_told_in_one_line(index, asked, options, message):
    with pytest.raises(ClipbioError, match=message) as caught:
        index.search(asked, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "value", "due"),
    [("text", b"leaves", "a string"), ("image", "photo.jpg", "the bytes of a picture"), ("vector", [1.0], "an array")],
)
def test_a_part_of_another_type_is_refused(kind, value, due):
    with pytest.raises(ClipbioError, match=f"the {kind} of a query is {due}"):
        Part(kind, value)


def test_a_picture_needs_a_model(index):
    with pytest.raises(ClipbioError, match="no model is at hand that reads image"):
        Index(index.folder).search(Query((Part("image", b"x"),)))


def test_one_specimen_and_its_metadata(index):
    hit = index.specimen("s1")
    assert (hit.id, hit.taxon.family, hit.licence) == ("s1", "Rosaceae", "CC BY")
    assert hit.values == {"split": "train", "year": 1901, "country": "France"}
    with pytest.raises(ClipbioError, match="no specimen 's39'"):
        index.specimen("s39")


def test_the_weight_of_a_part_counts(index):
    picture, words = Part("image", b"a rose"), Part("text", "acorns", 1e-6)
    # Specimens with the same picture are parted by the words.
    alone = set(keys(index.search(Query((picture,)), k=5)))
    assert set(keys(index.search(Query((picture, words)), k=5))) == alone
    assert set(keys(index.search(Query((picture, replace(words, weight=100.0))), k=5))) != alone


def test_the_words_of_a_whole_description_are_marked(index):
    hit = index.search("white flowers", engine="lexical", show="descriptions", where={"species": "Rosa canina"}).hits[0]
    assert [hit.text[start:end] for start, end in hit.spans] == ["Flowers white"]


def test_a_specimen_is_compared_by_the_vector_that_is_searched(tmp_path):
    index = Index(make(tmp_path / "index"))
    for key, ending in (("image", ""), ("dna", "dna")):
        hits = index.search(Query((Part("specimen", "s0"),)), key=key).hits
        due = {hit.id: float(vector("s0" + ending) @ vector(hit.id + ending)) for hit in hits}
        assert len(hits) == {"image": 5, "dna": 2}[key]
        assert {hit.id: hit.score for hit in hits} == pytest.approx(due, abs=1e-6)
