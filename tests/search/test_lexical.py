import math
import operator
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipbio.errors import ClipbioError
from clipbio.search.lexical import Lexicon
from clipbio.search.tokens import analyser
from clipbio.search.words import Words, parse

DOCUMENTS = [
    "Leaves opposite, not very hairy.\nFlowers white. Dark-brown seeds.",
    "",
    "Leaf alternate, hairy; petals sub-orbicular, without spots.",
    "Underside white. Flowers red; stem not spotted but hairy.",
    "Teeth 5-7, 2.5 mm.",
]
CORPORA = st.lists(
    st.lists(st.sampled_from(["red", "blue,", "red.", "not", "and", "dark-blue", "teal"]), max_size=7), max_size=6
)


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory):
    return Lexicon.build(tmp_path_factory.mktemp("lexicon"), DOCUMENTS, ["Leaves hairy.", "Not hairy.", "White."])


def slow_bm25(texts, query, *, k1=1.5, b=0.75):
    """BM25 with Lucene's rarity, word by word, as a share of all rarity in the query."""
    bags = [analyser("english").bag(text) for text in texts]
    written = [bag for bag in bags if bag]
    mean = sum(map(len, written)) / len(written) if written else 1
    words = analyser("english").bag(query)
    texts = [sum(word in bag for bag in written) for word in words]
    idf = [math.log(1 + (len(written) - count + 0.5) / (count + 0.5)) for count in texts]
    scores = []
    for bag in bags:
        counts = [Counter(bag)[word] for word in words]
        parts = [count / (count + k1 * (1 - b + b * len(bag) / mean)) if count else 0 for count in counts]
        scores.append(sum(map(operator.mul, idf, parts)) / sum(idf) if written and words else 0)
    return scores


def slow_contains(text, phrase):
    """Look for a phrase at each place of a text."""
    known = analyser("english")
    tokens, sought = known.sequence(text), known.sequence(phrase)
    for place in range(len(tokens) - len(sought) + 1):
        there = tokens[place : place + len(sought)]
        fits = [one.form == two.form for one, two in zip(there, sought, strict=True)]
        marks = [one.is_after_break <= two.is_after_break for one, two in zip(there[1:], sought[1:], strict=True)]
        if sought and all(fits) and all(marks) and not denied(tokens, place, known):
            return True
    return False


def denied(tokens, place, known):
    for step in range(1, 4):
        if place - step < 0 or tokens[place - step + 1].is_after_break:
            return False
        if tokens[place - step].form in known.joiners:
            return False
        if tokens[place - step].form in known.negators:
            return True
    return False


@pytest.mark.parametrize(
    "query", ["leaves", "white flowers", "dark brown", "the and", "unheard of", "hairy, hairy leaf", ""]
)
def test_scores_are_those_of_bm25(lexicon, query):
    scores = lexicon.document_scores(parse(query))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, slow_bm25(DOCUMENTS, query), rtol=1e-5, atol=1e-7)


@settings(deadline=None, max_examples=25)
@given(CORPORA, st.lists(st.sampled_from(["red", "blue", "dark-blue", "teal", "not"]), max_size=4))
def test_scores_and_phrases_of_any_texts(tmp_path_factory, corpus, query):
    texts, asked = [" ".join(words) for words in corpus], " ".join(query)
    lexicon = Lexicon.build(tmp_path_factory.mktemp("any"), [], texts)
    np.testing.assert_allclose(lexicon.sentence_scores(Words(asked)), slow_bm25(texts, asked), rtol=1e-5, atol=1e-7)
    assert lexicon.sentences_with(asked).tolist() == [slow_contains(text, asked) for text in texts]
    assert lexicon.document_scores(Words(asked)).shape == (0,)


@pytest.mark.parametrize(
    ("phrase", "rows"),
    [
        ("hairy", [2, 3]),
        ("not very hairy", [0]),
        ("white flowers", []),
        ("flowers white", [0]),
        ("flower whites", [0]),
        ("dark brown", [0]),
        ("dark-brown", [0]),
        ("spots", []),
        ("leaf", [0, 2]),
        ("tooth", [4]),
        ("opposite, not", [0]),
        ("opposite not", []),
        ("hairy, flowers", []),
        ("2.5 mm", [4]),
        ("unheard of", []),
        ("?", []),
    ],
)
def test_a_phrase_is_contained_unless_denied(lexicon, phrase, rows):
    assert np.flatnonzero(lexicon.documents_with(phrase)).tolist() == rows


def test_no_phrase_runs_from_one_text_into_the_next(lexicon):
    assert not lexicon.sentences_with("hairy, not").any()
    assert not lexicon.sentences_with("hairy. White").any()


def test_words_with_a_hyphen_are_found_in_three_spellings(lexicon):
    for query in ("sub-orbicular", "suborbicular", "orbicular"):
        assert np.flatnonzero(lexicon.document_scores(parse(query))).tolist() == [2]


def test_accents_and_capitals_do_not_count(tmp_path):
    lexicon = Lexicon.build(tmp_path, ["Feuilles dentées", "feuille dente\u0301e", "limbe velu"], [], "fr")
    for query in ("DENTÉE", "dentees", "denté", "l'dentées"):
        assert (lexicon.document_scores(parse(query)) > 0).tolist() == [True, True, False]


def test_a_lexicon_is_the_same_when_opened_again(lexicon, tmp_path):
    Lexicon.build(tmp_path / "deep" / "lexical", DOCUMENTS, [], "german")
    again = Lexicon.load(tmp_path / "deep" / "lexical")
    assert again.language == "german"
    assert (again.document_scores(parse("Leaves")) > 0).tolist() == [True, False, False, False, False]


def test_texts_without_words(tmp_path):
    lexicon = Lexicon.build(tmp_path, ["", "?!"], [])
    assert lexicon.document_scores(parse("leaves")).tolist() == [0, 0]
    assert lexicon.documents_with("leaves").tolist() == [False, False]


def test_many_threads_get_the_same_answer(lexicon):
    queries = [f"leaves {'q' * number}s opposite" for number in range(2, 200)]
    with ThreadPoolExecutor(8) as threads:
        scores = list(threads.map(lambda query: lexicon.document_scores(parse(query)), queries))
    assert all(np.array_equal(one, scores[0]) for one in scores)


def test_a_folder_without_a_lexicon_is_told(tmp_path):
    with pytest.raises(ClipbioError, match=r"lexicon\.json"):
        Lexicon.load(tmp_path)
    Lexicon.build(tmp_path, ["a leaf"], [])
    (tmp_path / "sentences" / "tokens.npy").unlink()
    with pytest.raises(ClipbioError, match="make the index again"):
        Lexicon.load(tmp_path)


def test_a_negation_reaches_three_words_far(tmp_path):
    texts = ["Leaves not at all hairy.", "Leaves not at all very hairy."]
    assert Lexicon.build(tmp_path, texts, texts).sentences_with("hairy").tolist() == [False, True]
