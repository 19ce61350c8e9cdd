"""Counts in descriptions, English and French."""

import pytest

from clipbio.traits.measures import Count, find_counts


def counts(text: str, language: str = "en") -> list[Count]:
    found = find_counts(text, language)
    assert all(text[count.start : count.end] == count.phrase for count in found)
    return found


ENGLISH = {
    "5 petals": (None, 5, 5, None),
    "petals 5": (None, 5, 5, None),
    "five petals": (None, 5, 5, None),
    "petals 4-6": (None, 4, 6, None),
    "4–6 petals": (None, 4, 6, None),
    "2 or 3 bracts": (None, 2, 3, None),
    "two or three bracts": (None, 2, 3, None),
    "3 to 5 veins": (None, 3, 5, None),
    "between 3 and 5 veins": (None, 3, 5, None),
    "from 3 to 5 veins": (None, 3, 5, None),
    "4, 5 or 6 sepals": (None, 4, 6, None),
    "(3-)5(-7) lobes": (3, 5, 5, 7),
    "3–5(–9) lobes": (None, 3, 5, 9),
    "up to 12 flowers": (None, None, 12, None),
    "at least 12 flowers": (None, 12, None, None),
    "12 or more flowers": (None, 12, None, None),
    "a pair of wingbars": (None, 2, 2, None),
    "a single stripe": (None, 1, 1, None),
    "ca. 20 stamens": (None, 20, 20, None),
    "attached to 3 lobes": (None, 3, 3, None),
}
FRENCH = {
    "5 pétales": (None, 5, 5, None),
    "cinq pétales": (None, 5, 5, None),
    "à 5 lobes": (None, 5, 5, None),
    "3 à 5 folioles": (None, 3, 5, None),
    "de 3 à 5 folioles": (None, 3, 5, None),
    "deux ou trois bractées": (None, 2, 3, None),
    "jusqu'à 12 fleurs": (None, None, 12, None),
    "une seule fleur": (None, 1, 1, None),
    "environ 20 étamines": (None, 20, 20, None),
}
REJECTED = (
    "1/3 of the blade",
    "3 times as long",
    "2n = 24",
    "fig. 3, p. 12, no. 5",
    "May 12, in 1998",
    "45 %, 45 percent, 20°",
    "3 weeks, 12 days, 130 kg",
    "AB-123-45 and A12 and 12B and 1.5.2000",
    "23-34 × 45-56",
    "10 × magnified",
    "one of them, one another",
    "2.5 lobes",
    "ratio 1:3",
    "5+5 stamens",
    "the 2nd lobe",
    "(4)",
    "12345 flowers",
    "instead of 4 toes",
)


@pytest.mark.parametrize("text", ENGLISH)
def test_english_counts(text: str) -> None:
    (count,) = counts(text)
    assert (count.minimum, count.low, count.high, count.maximum) == ENGLISH[text]


@pytest.mark.parametrize("text", FRENCH)
def test_french_counts(text: str) -> None:
    (count,) = counts(text, "fr")
    assert (count.minimum, count.low, count.high, count.maximum) == FRENCH[text]


@pytest.mark.parametrize("text", REJECTED)
def test_numbers_that_count_nothing(text: str) -> None:
    assert counts(text) == []


@pytest.mark.parametrize(
    ("text", "low", "high", "of"),
    [
        ("leaf 5–7-lobed", 5, 7, "lobed"),
        ("leaf 5- to 7-lobed", 5, 7, "lobed"),
        ("flowers 5-merous", 5, 5, "merous"),
        ("two-lipped corolla", 2, 2, "lipped"),
    ],
)
def test_the_word_tied_to_a_count(text: str, low: int, high: int, of: str) -> None:
    (count,) = counts(text)
    assert (count.low, count.high, count.of) == (low, high, of)


def test_words_for_many() -> None:
    assert [(c.word, c.low, c.high) for c in counts("stamens numerous, bracts few, several ribs")] == [
        ("many", None, None),
        ("few", None, None),
        ("several", None, None),
    ]
    assert [c.word for c in counts("étamines nombreuses", "fr")] == ["many"]


def test_sizes_are_no_counts() -> None:
    assert [count.phrase for count in counts("petals 5, 8-10 mm long, at 300 m elevation, 2 × 3 cm")] == ["5"]
    assert counts("about 6 cm")[:] == []


def test_an_approximate_count_says_so() -> None:
    assert [count.is_approximate for count in counts("about 20 stamens, 3 styles")] == [True, False]
