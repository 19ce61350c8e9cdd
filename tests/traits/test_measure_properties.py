"""What holds for any number: what is written is read back, and long texts take steps for their length alone."""

from functools import partial
from itertools import pairwise

import pytest
from counted_steps import steps
from hypothesis import given
from hypothesis import strategies as st

from clipbio.traits.measures import find_counts, find_measures

UNITS = {"µm": 0.001, "mm": 1.0, "cm": 10.0, "dm": 100.0, "m": 1000.0}
JOINS = ("-", "–", " - ", "--", " to ")
tenths = st.integers(1, 990)


@st.composite
def ranges(draw: st.DrawFn) -> list[float]:
    """Four numbers of one decimal in rising order."""
    numbers = sorted(draw(st.lists(tenths, min_size=4, max_size=4, unique=True)))
    return [number / 10 for number in numbers]


def written(number: float, *, comma: bool) -> str:
    text = f"{number:g}"
    return text.replace(".", ",") if comma else text


@given(ranges(), st.sampled_from(sorted(UNITS)), st.sampled_from(JOINS), st.booleans(), st.booleans(), st.booleans())
def test_a_range_is_read_back(
    numbers: list[float], unit: str, join: str, has_minimum: bool, has_maximum: bool, is_french: bool
) -> None:
    minimum, low, high, maximum = (written(number, comma=is_french) for number in numbers)
    join = " à " if is_french and join == " to " else join
    text = f"{f'({minimum}-)' if has_minimum else ''}{low}{join}{high}{f'(-{maximum})' if has_maximum else ''} {unit}"
    (measure,) = find_measures(f"Blade {text}, hairy.", "fr" if is_french else "en")
    (size,) = measure.dimensions
    told = (minimum if has_minimum else None, low, high, maximum if has_maximum else None)
    values = [None if number is None else round(float(number.replace(",", ".")) * UNITS[unit], 6) for number in told]
    assert [size.minimum, size.low, size.high, size.maximum] == values
    assert measure.phrase == text


@given(st.lists(ranges(), min_size=2, max_size=3), st.sampled_from(("mm", "cm")), st.booleans())
def test_dimensions_are_read_back(dimensions: list[list[float]], unit: str, each: bool) -> None:
    told = [f"{low:g}–{high:g}" for _, low, high, _ in dimensions]
    text = " × ".join(f"{part} {unit}" for part in told) if each else f"{' × '.join(told)} {unit}"
    (measure,) = find_measures(text)
    assert measure.phrase == text
    for size, (_, low, high, _) in zip(measure.dimensions, dimensions, strict=True):
        assert (size.low, size.high) == (round(low * UNITS[unit], 6), round(high * UNITS[unit], 6))


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from((*JOINS, " or ")))
def test_a_count_is_read_back(one: int, other: int, join: str) -> None:
    low, high = sorted((one, other + 400))
    (count,) = find_counts(f"with {low}{join}{high} scales")
    assert (count.low, count.high, count.phrase) == (low, high, f"{low}{join}{high}")


@given(st.integers(1, 60), st.integers(1, 7))
def test_a_fraction_of_an_inch_is_read_back(whole: int, eighths: int) -> None:
    (measure,) = find_measures(f'{whole} {eighths}/8" wide')
    assert abs((measure.dimensions[0].low or 0) - (whole + eighths / 8) * 25.4) < 1e-6


@given(st.text(alphabet="0123456789.,-–()[]×x/'\"½ cmintoà°", max_size=80), st.sampled_from(("en", "fr")))
def test_any_text_is_read_and_the_offsets_fit(text: str, language: str) -> None:
    found = [*find_measures(text, language), *find_counts(text, language)]
    assert all(text[item.start : item.end] == item.phrase and item.phrase for item in found)
    measures = find_measures(text, language)
    assert all(before.end <= after.start for before, after in pairwise(measures))
    assert all(0 <= (number or 0) <= 200_000 for m in measures for d in m.dimensions for number in (d.low, d.high))


PIECES = (
    "1",
    "1-",
    "(",
    "(1-)",
    "1/",
    "1 1/2",
    "3 x ",
    '"',
    "'",
    "½",
    "1.",
    "in ",
    "1,",
    "5 (",
    "[1-",
    "1 in (",
    "to 1",
)


@pytest.mark.parametrize("piece", PIECES)
def test_steps_grow_with_the_length_of_the_text(piece: str) -> None:
    find_measures("")
    short, long = (steps(partial(find_measures, piece * times)) for times in (100, 800))
    # Eight times the text; a quadratic pattern would need 64 times as many.
    assert long < 16 * short
