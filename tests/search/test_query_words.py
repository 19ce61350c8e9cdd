import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.errors import ClipbioError
from clipbio.search.words import Words, parse

PLAIN = st.lists(st.text("abcdeéß0123456789,;. -", min_size=1, max_size=12), max_size=8).map(" ".join)
WORD = st.text("abcdeéß", min_size=4, max_size=8)


@pytest.mark.parametrize(
    ("text", "positive", "phrases", "negative"),
    [
        ("leaves opposite, serrate margin, -hairy", "leaves opposite, serrate margin", (), ("hairy",)),
        ('-"dark brown" wings', "wings", (), ("dark brown",)),
        ('petals "pure  white"', "petals pure white", ("pure white",), ()),
        ("petals “pure white” −hairy –spiny", "petals pure white", ("pure white",), ("hairy", "spiny")),
        ("dark-brown, 3 -5 mm, 3-5 cm", "dark-brown, 3 -5 mm, 3-5 cm", (), ()),
        ("-dark-brown", "", (), ("dark-brown",)),
        ("leaves not hairy beneath, white", "leaves, white", (), ("hairy beneath",)),
        ("not hairy but spiny", "spiny", (), ("hairy",)),
        ("not hairy with white flowers", "white flowers", (), ("hairy",)),
        ("leaves opposite but not hairy", "leaves opposite", (), ("hairy",)),
        ("not hairy or spiny; blue", "blue", (), ("hairy", "spiny")),
        ('NOT "dark brown" leaves', "leaves", (), ("dark brown",)),
        ("calyx (not hairy) white", "calyx white", (), ("hairy",)),
        ("forget-me-not", "forget-me-not", (), ()),
        ("no. 5, not 5 petals, or not", "no. 5, not 5 petals, or not", (), ()),
        ('wings 2" long, body 1" wide', 'wings 2" long, body 1" wide', (), ()),
        ('"not closed', "", (), ("closed",)),
        ("-hairy, -hairy", "", (), ("hairy",)),
        ("- , ()", "", (), ()),
        ('""', "", (), ()),
    ],
)
def test_what_a_query_says(text, positive, phrases, negative):
    assert parse(text) == Words(positive, phrases, negative)


@pytest.mark.parametrize(
    ("language", "text", "negative"),
    [
        ("french", "feuilles opposées, pas velues ou épineuses, sans taches", ("velues", "épineuses", "taches")),
        ("german", "Blätter nicht behaart aber gezähnt, ohne Dornen", ("behaart", "Dornen")),
        ("es", "hojas sin espinas", ("espinas",)),
        ("latin", "folia non pilosa", ("pilosa",)),
        ("none", "folia non pilosa", ()),
        ("swedish", "blad not håriga", ("håriga",)),
    ],
)
def test_negations_follow_the_language(language, text, negative):
    assert parse(text, language).negative == negative


def test_a_query_that_asks_for_nothing():
    assert parse(" -, ").is_empty
    assert not parse("-hairy").is_empty


def test_an_unknown_language_is_named_with_the_nearest():
    with pytest.raises(ClipbioError, match="language=englisch is not known; did you mean 'english'"):
        parse("leaves", "englisch")


@given(PLAIN)
def test_a_query_without_operators_is_kept(text):
    words = parse(text.replace("-", "x-x"))
    assert words.negative == ()
    assert [c for c in words.positive if c.isalnum()] == [c for c in text.replace("-", "x-x") if c.isalnum()]


@given(st.text(max_size=60))
def test_anything_can_be_asked(text):
    words = parse(text)
    assert all(phrase.strip() == phrase != "" for phrase in (*words.phrases, *words.negative))
    assert words.positive == " ".join(words.positive.split())


@given(st.lists(st.tuples(WORD, st.sampled_from(["{}", "-{}", '"{} {}"', '-"{} {}"'])), max_size=8))
def test_each_operator_acts_on_its_own_words(parts):
    words = parse(" ".join(form.format(word, word) for word, form in parts))
    twice = {form: tuple(dict.fromkeys(f"{w} {w}" for w, f in parts if f == form)) for _, form in parts}
    assert words.phrases == twice.get('"{} {}"', ())
    assert set(words.negative) == {w for w, f in parts if f == "-{}"} | set(twice.get('-"{} {}"', ()))
    kept = [word for w, form in parts if not form.startswith("-") for word in [w] * form.count("{}")]
    assert words.positive.split() == kept
