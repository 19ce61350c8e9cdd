"""Filters and facets against loops over specimens."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_worlds import COUNT, specimen, write_world

from clipbio.errors import ClipbioError
from clipbio.search.columns import NumberColumn, TextColumn
from clipbio.search.facets import facets
from clipbio.search.filters import Columns, mask_N
from clipbio.taxonomy import RANKS

TEXT = ("kingdom", "class", "family", "genus", "species", "name", "label", "licence", "split", "country")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world") / "index")


@pytest.fixture(scope="module")
def columns(folder):
    return Columns(folder)


def value_of(one, column):
    if column in RANKS:
        return one.taxon.scientific_name if column == "species" else one.taxon.ranks[RANKS.index(column)]
    plain = {"id": one.id, "name": one.species, "label": one.label, "licence": one.licence, "split": one.split}
    return plain[column] if column in plain else one.metadata.get(column, "")


def passing(folder, where):
    """Tell row by row what meets all conditions: sets of folded values, or (low, high)."""

    def meets(one, column, wanted):
        value = value_of(one, column)
        return wanted[0] <= (value or np.nan) <= wanted[1] if isinstance(wanted, tuple) else value.casefold() in wanted

    return [
        bool(folder.alive_N[row]) and all(meets(specimen(row), column, wanted) for column, wanted in where.items())
        for row in range(COUNT)
    ]


VALUES = {column: sorted({value_of(specimen(row), column) for row in range(COUNT)}) for column in TEXT}
texts = st.sampled_from(TEXT).flatmap(
    lambda column: st.tuples(st.just(column), st.lists(st.sampled_from(VALUES[column]), min_size=1, max_size=3))
)
years = st.tuples(st.integers(1895, 1945), st.integers(0, 40)).map(lambda pair: (pair[0], sum(pair)))


@settings(deadline=None)
@given(st.lists(texts, max_size=3), years | st.none(), st.booleans())
def test_masks_and_counts_are_those_of_a_loop(folder, columns, chosen, span, shouts):
    conditions = dict(chosen)
    where = {name: [value.upper() if shouts else value for value in values] for name, values in conditions.items()}
    wanted = {name: {value.casefold() for value in values} for name, values in conditions.items()}
    if span:
        where["year"], wanted["year"] = f"{span[0]}..{span[1]}", span
    assert mask_N(columns, where).tolist() == passing(folder, wanted)
    found = {facet.column: facet for facet in facets(columns, where)}
    for name in set(TEXT) - {"name"}:
        rows = passing(folder, {other: values for other, values in wanted.items() if other != name})
        counts = Counter(value_of(specimen(row), name) for row in range(COUNT) if rows[row])
        counts.pop("", None)
        values = found[name].values if name in found else ()
        assert dict(values) == counts
        assert values == tuple(sorted(values, key=lambda pair: (-pair[1], pair[0])))
    rows = passing(folder, {name: values for name, values in wanted.items() if name != "year"})
    known = [
        one.metadata["year"]
        for row, one in enumerate(map(specimen, range(COUNT)))
        if rows[row] and "year" in one.metadata
    ]
    assert (found["year"].range if "year" in found else None) == ((min(known), max(known)) if known else None)


@pytest.mark.parametrize(
    ("condition", "years"),
    [
        ("1903..1905", {1903, 1904, 1905}),
        (" 1903 .. 1904 ", {1903, 1904}),
        ("..1902", {1901, 1902}),
        ("1937..", {1937, 1938}),
        (1903, {1903}),
        (np.int64(1903), {1903}),
        ("1903", {1903}),
        ("-5..1901.5", {1901}),
        (["1903", "1937.."], {1903, 1937, 1938}),
    ],
)
def test_numbers_are_asked_for_by_value_or_range(folder, columns, condition, years):
    rows = np.flatnonzero(mask_N(columns, {"year": condition}))
    assert {specimen(row).metadata["year"] for row in rows} == years


def test_ids_and_what_is_not_known_can_be_asked_for(folder, columns):
    assert np.flatnonzero(mask_N(columns, {"id": "S3"})).tolist() == [3]
    rows = np.flatnonzero(mask_N(columns, {"genus": ""}))
    assert len(rows)
    assert all(specimen(row).taxon.is_empty for row in rows)


def test_deleted_rows_never_pass(folder, columns):
    gone = np.flatnonzero(~folder.alive_N)
    assert len(gone) == 3
    assert not mask_N(columns, {"id": [f"s{row}" for row in gone]}).any()
    assert sum(count for _, count in next(iter(facets(columns))).values) < COUNT


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"famly": "x"}, "did you mean 'family'"),
        ({"family": "Rosacea"}, "did you mean 'Rosaceae'"),
        ({"licence": "all rights"}, "it is one of: CC BY, CC0"),
        ({"family": []}, "the filter on family is empty"),
        ({"year": "long ago"}, "year holds numbers"),
        ({"year": "1950..1900"}, "ends before it begins"),
        ({"year": ".."}, "has no end"),
        ({"year": "nan"}, "year holds numbers"),
    ],
)
def test_what_is_unknown_is_told_with_the_nearest(columns, where, message):
    with pytest.raises(ClipbioError, match=message) as caught:
        mask_N(columns, where)
    assert "\n" not in str(caught.value)


def test_columns_with_many_values_are_no_facets_but_ranks_are(columns, monkeypatch):
    monkeypatch.setattr("clipbio.search.facets.MOST_VALUES", 2)
    names = [facet.column for facet in facets(columns)]
    assert names == ["kingdom", "class", "order", "family", "genus", "species", "label", "licence", "split", "year"]


def test_hints_stay_quick_among_many_values():
    values = [f"Genus{number:06d} species" for number in range(200_000)]
    column = TextColumn("species", values, np.arange(len(values), dtype=np.int32))
    with pytest.raises(ClipbioError, match="no specimen has the species 'Genus000100 speces'"):
        column.mask_N(["Genus000100 speces"])


def test_numbers_that_are_missing_are_in_no_range():
    column = NumberColumn("depth", np.array([np.nan, 1.0, -3.0]))
    assert column.mask_N(["..5"]).tolist() == [False, True, True]
    assert column.range(np.array([True, False, False])) is None
