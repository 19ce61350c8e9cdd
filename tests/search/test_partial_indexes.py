"""Searches of indexes that lack something: rows, vectors, descriptions, names."""

import numpy as np
import pytest
from search_worlds import TAXA, HashEncoder
from small_indexes import encode

from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.search import Index, Part, Query
from clipbio.search.folder import IndexFolder
from clipbio.search.manifest import About
from clipbio.search.new_rows import ImagePlace, NewRows
from clipbio.search.writing import IndexWriter
from clipbio.taxonomy import Taxon

SHOWS = ("specimens", "species", "descriptions")
PICTURE, BARCODE = Query((Part("image", b"x"),)), Query((Part("dna", "ACGT"),))
OAK, BARE = Specimen(id="oak", taxon=TAXA[2]), Specimen(id="bare", taxon=TAXA[5])
TOLD = Specimen(id="told", taxon=TAXA[2], descriptions=("Leaves lobed.",))


def make(tmp_path, *specimens, encode_text=encode, **vectors):
    with IndexWriter.create(tmp_path / "index", About("partial")) as writer:
        if specimens:
            masks = {
                name: (np.array(mask), encode([f"v{n}" for n in range(sum(mask))])) for name, mask in vectors.items()
            }
            writer.append([NewRows(specimens, masks)], encode_text)
    return Index(IndexFolder.open(tmp_path / "index"), HashEncoder())


def ids(results):
    return [hit.id for hit in results.hits]


@pytest.mark.parametrize("show", SHOWS)
def test_an_empty_index_says_so(tmp_path, show):
    index = make(tmp_path)
    for query in ("leaves", PICTURE, BARCODE):
        results = index.search(query, show=show)
        assert (results.hits, results.total, results.notes) == ((), 0, ("the index is empty",))
    assert index.facets() == []
    with pytest.raises(ClipbioError, match="the query is empty"):
        index.search(" ")


def test_without_descriptions_words_are_compared_with_pictures(tmp_path):
    index = make(tmp_path, OAK, BARE, image=[True, True])
    results = index.search("lobed leaves")
    assert [set(hit.lists) for hit in results.hits] == [{"image"}, {"image"}]
    assert all(hit.passage is None for hit in results.hits)
    (note,) = index.search("lobed leaves", engine="lexical").notes
    assert "no descriptions" in note
    for query in ("lobed leaves", PICTURE):
        assert index.search(query, show="descriptions").total == 0


def test_without_any_vectors_words_alone_are_compared(tmp_path):
    index = make(tmp_path, OAK, BARE)
    for engine in ("fused", "lexical", "vector"):
        results = index.search("quercus", engine=engine)
        assert (ids(results), results.engine) == (["oak"], "lexical")
        assert ("no vectors" in " ".join(results.notes)) == (engine != "lexical")
    with pytest.raises(ClipbioError, match="no specimen of the index has a vector"):
        index.search(PICTURE)


def test_quoted_phrases_are_in_no_index_without_descriptions(tmp_path):
    index = make(tmp_path, OAK, image=[True])
    assert index.search('"lobed leaves"').total == 0
    assert ids(index.search("leaves -lobed")) == ["oak"]


def test_without_vectors_of_specimens_their_descriptions_are_searched(tmp_path):
    index = make(tmp_path, BARE, TOLD)
    results = index.search("lobed leaves", engine="vector")
    # What no list ranks comes last.
    assert ids(results) == ["told", "bare"]
    assert [set(hit.lists) for hit in results.hits] == [{"meaning"}, set()]
    with pytest.raises(ClipbioError, match="show descriptions"):
        index.search(PICTURE)
    assert index.search(PICTURE, show="descriptions").total == 1
    with pytest.raises(ClipbioError, match="neither an image nor a barcode"):
        index.search(Query((Part("specimen", "told"),)))
    with pytest.raises(ClipbioError, match="key=image"):
        index.search("leaves", key="image")


def test_an_index_of_barcodes_is_searched_by_them(tmp_path):
    index = make(tmp_path, TOLD, OAK, dna=[True, True])
    for query in ("lobed", PICTURE, BARCODE):
        assert all("dna" in hit.lists and "image" not in hit.lists for hit in index.search(query).hits)


def test_sentences_without_vectors_are_searched_by_words(tmp_path):
    index = make(tmp_path, TOLD, encode_text=None, image=[True])
    assert set(index.search("lobed").hits[0].lists) == {"description", "sentence", "image"}
    with pytest.raises(ClipbioError, match="sentences of the index have no vectors"):
        index.search(PICTURE, show="descriptions")


def test_rows_without_a_taxon_are_ranked_each_by_its_own_picture(tmp_path):
    alone = [Specimen(id=f"s{number}", taxon=TAXA[5]) for number in range(4)]
    index = make(tmp_path, *alone, image=[True] * 4)
    results = index.search("anything", engine="vector")
    assert sorted(hit.lists["image"] for hit in results.hits) == [1, 2, 3, 4]
    cosine = encode([f"v{number}" for number in range(4)]) @ encode(["anything"])[0]
    assert [hit.row for hit in results.hits] == np.argsort(-cosine).tolist()
    assert index.search("anything", show="species").total == 4


def test_specimens_of_one_taxon_share_the_mean_of_their_pictures(tmp_path):
    oaks = [Specimen(id=f"s{number}", taxon=TAXA[2], descriptions=(f"Oak number {number}.",)) for number in range(2)]
    index = make(tmp_path, *oaks, BARE, image=[True, True, True])
    places = {hit.id: hit.lists["image"] for hit in index.search("something else", engine="vector").hits}
    assert places["s0"] == places["s1"] != places["bare"]


def test_a_specimen_has_a_picture_if_a_small_or_a_full_one_is_known(tmp_path):
    specimens = [Specimen(id=f"s{number}", taxon=TAXA[2]) for number in range(3)]
    with IndexWriter.create(tmp_path / "index", About("pictures")) as writer:
        places = [None, ImagePlace(str(tmp_path), "a.jpg"), None]
        writer.append([NewRows(specimens, pictures=[b"small", None, None], places=places)])
    hits = Index.open(tmp_path / "index").search("quercus").hits
    assert [hit.has_picture for hit in hits] == [True, True, False]


def test_labels_without_a_taxon_are_species_of_their_own(tmp_path):
    labelled = [Specimen(id=f"s{number}", taxon=TAXA[5], label=("moss", "fern")[number % 2]) for number in range(4)]
    hits = make(tmp_path, *labelled, image=[True] * 4).search("fern", show="species").hits
    assert [(hit.name, hit.count) for hit in hits] == [("fern", 2), ("moss", 2)]


def test_a_plant_and_an_animal_of_one_name_keep_their_descriptions_apart(tmp_path):
    taxa = [Taxon(kingdom=kingdom, genus="Oenanthe") for kingdom in ("Plantae", "Animalia")]
    index = make(tmp_path, *(Specimen(id=one.kingdom, taxon=one, descriptions=("White.",)) for one in taxa))
    hits = index.search("white", show="descriptions", engine="lexical").hits
    assert [(hit.taxon, hit.count) for hit in hits] == [(one, 1) for one in taxa]
