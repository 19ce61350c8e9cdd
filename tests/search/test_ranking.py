"""The order of specimens against a reference that knows neither arrays nor fusion code."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from search_worlds import COUNT, HashEncoder, picture, specimen, write_rows, write_world
from slow_search import SlowSearch

from clipbio.search import Index, Part, Query
from clipbio.search.lexical import Lexicon
from clipbio.search.ranking import Ranking
from clipbio.search.species import first_rows
from clipbio.search.words import parse

VOCABULARY = (
    "leaves",
    "alternate",
    "white",
    "flowers",
    "stalks",
    "lobed",
    "-hairy",
    '"flowers white"',
    "-acorns",
    "carapace",
)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return Index(write_world(tmp_path_factory.mktemp("world") / "index"), HashEncoder())


@pytest.fixture(scope="module")
def slow(index):
    specimens = [specimen(number) for number in range(COUNT)]
    return SlowSearch(index.folder, specimens, {one.id: picture(n) for n, one in enumerate(specimens) if n % 3})


def numbers():
    return st.sets(st.integers(0, COUNT - 4), min_size=1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=4, unique=True),
    numbers() | st.none(),
    st.sampled_from(["fused", "lexical", "vector"]),
)
@example(["flowers", "-hairy", "-acorns", "-lobed", "-long"], None, "vector")
def test_words_rank_as_the_reference_does(index, slow, words, chosen, engine):
    text = " ".join(words)
    where = None if chosen is None else {"id": [f"s{number}" for number in chosen]}
    passing = set(range(COUNT)) if chosen is None else chosen
    if chosen is not None and not any(index.folder.alive_N[number] for number in chosen):
        return
    expected = slow.scores(text, engine, passing)
    hits = index.search(text, k=1000, engine=engine, where=where).hits
    assert sorted(hit.row for hit in hits) == sorted(expected)
    np.testing.assert_allclose([hit.score for hit in hits], [expected[hit.row][0] for hit in hits], rtol=1e-9)
    # Higher own scores first where the scores are equal, then lower rows.
    keys = [(-expected[hit.row][0], -round(expected[hit.row][1], 5) if engine != "lexical" else 0) for hit in hits]
    assert keys == sorted(keys)
    if engine == "lexical":
        assert [hit.row for hit in hits] == sorted(expected, key=lambda row: (-expected[row][0], row))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers(),
    st.sampled_from(["leaves alternate", "white -hairy", Query((Part("image", b"x"), Part("vector", picture(5))))]),
)
def test_a_filtered_search_is_a_search_of_what_passes(index, tmp_path_factory, chosen, query):
    chosen = sorted(number for number in chosen if index.folder.alive_N[number])
    if not chosen:
        return
    part = Index(write_rows(tmp_path_factory.mktemp("part") / "index", chosen), HashEncoder())
    if "image" not in part.folder.manifest.modalities:
        return
    where = {"id": [f"s{number}" for number in chosen]}
    for show in ("specimens", "species"):
        whole = index.search(query, k=100, engine="vector", where=where, show=show).hits
        own = part.search(query, k=100, engine="vector", show=show).hits
        assert [getattr(hit, "id", hit.name) for hit in whole] == [getattr(hit, "id", hit.name) for hit in own]
        np.testing.assert_allclose([hit.score for hit in whole], [hit.score for hit in own], rtol=1e-5, atol=1e-6)


def test_vectors_are_standardised_and_added_by_weight(index):
    parts = (Part("vector", picture(1), 3.0), Part("vector", picture(2)))
    found = {hit.row: hit.score for hit in index.search(Query(parts), k=100).hits}
    rows = [row for row in range(COUNT) if row % 3 and index.folder.alive_N[row]]
    columns = np.array([[float(picture(row) @ part.value) for row in rows] for part in parts])
    z = (columns - columns.mean(1, keepdims=True)) / columns.std(1, keepdims=True)
    expected = dict(zip(rows, 3 * z[0] + z[1], strict=True))
    assert found == {row: pytest.approx(value, abs=1e-4) for row, value in expected.items()}


def test_one_vector_scores_its_cosine(index):
    found = {hit.row: hit.score for hit in index.search(Query((Part("vector", 5 * picture(1)),)), k=100).hits}
    assert found == {row: pytest.approx(float(picture(row) @ picture(1)), abs=1e-6) for row in found}
    assert max(found, key=found.get) == 1


def test_words_beside_a_picture_rank_specimen_by_specimen(index):
    parts = (Part("vector", picture(1), 2.0), Part("text", "alternate leaves", 0.5))
    hits = {hit.row: hit for hit in index.search(Query(parts), k=100).hits}
    words = {hit.row: hit.lists for hit in index.search("alternate leaves", k=100).hits}
    lexicon = Lexicon.load(index.folder.texts.lexical_path)
    documents, sentences = (of(parse("alternate leaves")) for of in (lexicon.document_scores, lexicon.sentence_scores))
    trust = {"description": 2 * float(documents.max()), "sentence": 2 * float(sentences.max())}
    weights = {"image": 20.0, "meaning": 0.5, "words": 0.125, **trust}
    assert len(hits) == index.folder.manifest.alive
    for row, hit in hits.items():
        assert hit.score == pytest.approx(sum(weights[name] / (10 + place) for name, place in hit.lists.items()))
        # Competition ranks count rows, the dense ranks of words alone count distinct scores.
        for name, place in words[row].items():
            better = sum(lists.get(name, place) < place for lists in words.values())
            assert hit.lists["words" if name == "image" else name] == better + 1
        assert ("image" in hit.lists) == bool(row % 3)


def test_a_species_stands_where_its_best_specimen_does(index):
    for query in ("white flowers -hairy", Query((Part("vector", picture(1)),))):
        for engine in ("fused", "lexical", "vector"):
            rows = index.search(query, k=100, engine=engine).hits
            order = list(dict.fromkeys(hit.name or hit.id for hit in rows))
            species = index.search(query, k=100, engine=engine, show="species").hits
            assert [hit.name or hit.sheets[0].id for hit in species] == order
            best = {hit.name or hit.id: hit for hit in reversed(rows)}
            assert [(hit.score, hit.lists) for hit in species] == [
                (best[name].score, best[name].lists) for name in order
            ]


def test_descriptions_rank_by_their_sentences(index):
    texts = index.folder.texts
    vectors = np.array([HashEncoder().text([texts.sentence(one)])[0] for one in range(len(texts.sentences))])
    cosine = vectors @ picture(1)
    best = {one: max(cosine[texts.sentences.description_S == one]) for one in range(len(texts.descriptions))}
    hits = index.search(Query((Part("vector", picture(1)),)), k=100, show="descriptions").hits
    assert [hit.description for hit in hits] == sorted(best, key=lambda one: -best[one])
    np.testing.assert_allclose([hit.score for hit in hits], [best[hit.description] for hit in hits], rtol=1e-5)


def test_the_first_of_a_species_is_its_best_by_score_then_own_score_then_number():
    rows_of_species = np.array([0, 2, 3, 5, 1, 4]), np.array([0, 4, 6])
    score_N, own_N = np.array([1.0, 9, 1, 1, 0, 7]), np.array([0.1, 0, 0.5, 0.5, 0.9, 1])
    takes_N = np.array([1, 0, 1, 1, 1, 0], bool)
    firsts = [first_rows(Ranking(score_N, own, takes_N), *rows_of_species) for own in (own_N, None)]
    assert [np.flatnonzero(one).tolist() for one in firsts] == [[2, 4], [0, 4]]
