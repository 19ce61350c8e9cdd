import pytest

from clipbio.errors import ClipbioError
from clipbio.traits import extract
from clipbio.traits.agreement import Assertion, agreement, assertion_of, read_assertions


def test_counts_of_a_small_example():
    true = [
        Assertion(("leaf shape",), "ovate", 0, 5, (("shade", ""),)),
        Assertion(("leaf colour",), "green", 6, 11, (("shade", "dark"),)),
        Assertion(("leaf colour", "leaflet colour"), "red", 20, 23, (("shade", ""),)),
    ]
    found = [
        Assertion(("leaf shape",), "ovate", 4, 9, (("shade", ""),)),
        Assertion(("leaf colour",), "green", 6, 11, (("shade", ""),)),
        Assertion(("leaflet colour",), "red", 20, 23, (("shade", ""),)),
        Assertion(("leaf colour",), "red", 30, 33),
        Assertion(("leaf colour",), "green", 7, 8),
    ]
    scores = agreement([(found, true)])
    assert (scores[""].num_both, scores[""].num_found, scores[""].num_true) == (3, 5, 3)
    assert (scores[""].precision, scores[""].recall, scores[""].f1) == (0.6, 1.0, 0.75)
    assert (scores["colour"].precision, scores["colour"].recall) == (0.5, 1.0)
    assert scores[""].details == {"shade": 2}


def test_words_must_overlap_unless_places_are_unknown():
    one = Assertion(("bill colour",), "red", 5, 8)
    assert not one.agrees(Assertion(("bill colour",), "red", 8, 11))
    assert one.agrees(Assertion(("bill colour",), "red"))


def test_nothing_found_and_nothing_true():
    scores = agreement([([], [Assertion(("size",), "small")])])
    assert (scores[""].precision, scores[""].recall) == (1.0, 0.0)
    assert agreement([([], [])]) == {}


def test_a_table_is_read(tmp_path):
    path = tmp_path / "gold.csv"
    path.write_text("species,organ,part,property,value,shade,start,end\nX,bill,,colour,red,dark,0,8\n")
    ((key, (assertion,)),) = read_assertions(path).items()
    (trait,) = extract("Dark red bill.", group="birds")
    assert key == ("X", 0)
    assert assertion.details == (("shade", "dark"),)
    assert assertion.agrees(assertion_of(trait))


def test_a_table_without_offsets_is_told(tmp_path):
    path = tmp_path / "gold.csv"
    path.write_text("species,organ\n")
    with pytest.raises(ClipbioError, match="needs the columns part, property, value, start, end"):
        read_assertions(path)
