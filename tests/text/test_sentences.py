from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from things import MONARCH_TEXT

from clipbio.sentences import clause_spans, sentence_spans, split_clauses, split_sentences

CASES = [
    ("One whole sentence here. Another whole sentence there.", 2),
    ("No full stop at the end", 1),
    ("", 0),
    ("  \n ", 0),
    # Abbreviations, units, initials, decimals.
    ("Leaves 3.5 cm. long, ca. 2 cm. wide, e.g. on slopes.", 1),
    ("Tree to 20 m. tall, near St. Petersburg and Mt. Elbrus.", 1),
    ("Wingspan 30 to 40 mm. Antennae black with white rings.", 2),
    ("Leaves to 40 cm. Flowers white, in dense spikes.", 2),
    ("Differs from subsp. robur and var. Alba in the leaves.", 1),
    ("Close to Q. robur L. but the cups are larger.", 1),
    ("Petals 2. 5 mm long and white.", 1),
    ("Flowers open in Sept. Fruits ripen in winter only.", 2),
    ("Found in the U.S. Virgin Islands on dry slopes.", 1),
    ("Fruit a round berry (to ca. 5 mm. Rarely 6) with seeds. Seeds three to five.", 2),
    ("Bark grey [see fig. 3. Plate two] and rough. Leaves are entire.", 2),
    # Other ends, and what is no end.
    ("Is it a large bird? It is a very large one! That is all of it...", 3),
    ('It is called "the king of oaks." Its leaves are lobed.', 2),
    ("Male dark above, with spots. ♀ paler above, without spots.", 2),
    ("leaves ovate and hairy. flowers white and small.", 2),
    ("Leaves ovate and hairy. flowers white and small.", 1),
    ("1. Tree with grey bark. 2. Shrub with red bark.", 2),
    ("翅膀黑色。有白色斑点。", 2),
    # Pieces that say nothing alone.
    ("Large. Wing margins are ragged.", 1),
    ("Wing margins are ragged. Large.", 1),
    ("Petals 5. Stamens 10. Ovary with two cells.", 1),
    ('3 1/2-4" (89-102 mm). Very large, with long wings.', 1),
]


@pytest.mark.parametrize(("text", "count"), CASES)
def test_number_of_sentences(text, count):
    assert len(split_sentences(text)) == count, split_sentences(text)


def test_field_guide_entry():
    assert split_sentences(MONARCH_TEXT) == (
        '3 1/2-4" (89-102 mm). Very large, with FW long and drawn out.',
        "Above, bright, burnt-orange with black veins; FW tip broadly black with larger white and orange spots.",
        "Below, paler, duskier orange.",
        "Female darker with black veins smudged.",
    )
    assert split_clauses(MONARCH_TEXT)[1:3] == (
        "Above, bright, burnt-orange with black veins;",
        "FW tip broadly black with larger white and orange spots.",
    )


def test_semicolons_in_brackets_do_not_part_clauses():
    text = "Leaves lobed (rarely entire; then hairy) and grey; flowers red and small."
    assert split_clauses(text) == ("Leaves lobed (rarely entire; then hairy) and grey;", "flowers red and small.")


@given(st.one_of(st.text(), st.text(alphabet='ab A.;!?()1。\n"', max_size=200)), st.booleans())
def test_nothing_is_lost_and_no_piece_is_empty(text, clauses):
    pieces = split_clauses(text) if clauses else split_sentences(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(pieces)


@given(st.text(alphabet='ab A.;!?()1。\n"', max_size=200))
def test_clauses_refine_sentences(text):
    assert len(split_clauses(text)) >= len(split_sentences(text))


TEXTS = st.text(alphabet="ab.A;。 \n\t\u00a0\u2028\x1c()é1", max_size=60)


@given(TEXTS)
def test_spans_are_the_sentences_of_the_text_as_it_is(text):
    spans = sentence_spans(text)
    sentences = split_sentences(text)
    assert ["".join(text[start:end].split()) for start, end in spans] == ["".join(one.split()) for one in sentences]
    assert all(one[1] <= two[0] for one, two in pairwise(spans))
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)


@given(TEXTS)
def test_clauses_of_any_length_are_the_whole_text_in_order(text):
    spans = clause_spans(text)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(start < end for start, end in spans)
    assert all(one[1] <= two[0] for one, two in pairwise(spans))


def test_a_short_clause_has_a_span_of_its_own():
    text = "Leaves ovate; petals red. Fruit blue."
    assert [text[start:end] for start, end in clause_spans(text)] == ["Leaves ovate;", "petals red.", "Fruit blue."]
    assert len(split_clauses(text)) == 1
