"""The folder of traits: an archive that others read, ids that stay, phrases that can be found again."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clipbio.data.sources.dwca import DwcaSource
from clipbio.taxonomy import Taxon
from clipbio.traits import Described, Trait
from clipbio.traits.archive import META, TRAITS, TraitArchive
from clipbio.traits.described import identified, sentences_with_traits
from clipbio.traits.measurements import measurements
from clipbio.traits.summary import Summary

MAPLE = Taxon("Plantae", "Tracheophyta", "Magnoliopsida", "Sapindales", "Sapindaceae", "Acer", "rubrum")
TEXT = 'Leaves "ovate",\n(3-)4-6 cm long. Males with, say, white petals.'
ABOUT = Described(
    text=TEXT, taxon=MAPLE, name="Acer rubrum", language="en", type="general", source="a flora", licence="CC0"
)


def of(phrase: str, organ: str, property_: str, value: str, **more: Any) -> Trait:
    start, words = TEXT.index(phrase), more.pop("words", "")
    place = {"organ_start": TEXT.index(words), "organ_end": TEXT.index(words) + len(words)} if words else {}
    return Trait(
        organ=organ,
        property=property_,
        value=value,
        phrase=phrase,
        start=start,
        end=start + len(phrase),
        **place,
        **more,
    )


TRAITS_OF = (
    of("ovate", "leaf", "shape", "ovate", words="Leaves"),
    of("(3-)4-6 cm", "leaf", "length", "40-60 mm", low=40.0, high=60.0, minimum=30.0, unit="mm", words="Leaves"),
    of("white", "petal", "colour", "white", sex="male", shade="pale", words="petals"),
)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with TraitArchive(tmp_path) as archive:
        archive.add(ABOUT, TRAITS_OF, group="plants")
        archive.add(Described(text="Small.", taxon=MAPLE, name="Acer rubrum", specimen_id="a-1"), (), group="plants")
    return tmp_path


def test_our_own_source_reads_the_archive_back(folder: Path) -> None:
    source = DwcaSource(folder)
    first, second = source.species_texts()
    assert (first.scientific_name, first.kingdom, first.text) == ("Acer rubrum", "Plantae", TEXT.replace("\n", " "))
    assert (first.language, first.type, first.source, first.licence) == ("en", "general", "a flora", "CC0")
    assert second.text == "Small."
    assert not list(source)
    assert not source.defects


def test_every_table_has_the_columns_that_meta_xml_tells(folder: Path) -> None:
    from defusedxml.ElementTree import parse

    space = "{http://rs.tdwg.org/dwc/text/}"
    for node in parse(folder / META).getroot():
        name = node.find(f"{space}files/{space}location").text
        header, *lines = (folder / name).read_text(encoding="utf-8").splitlines()
        columns = {int(field.get("index")): field.get("term") for field in node.iter(f"{space}field")}
        for column, term in columns.items():
            assert term.rpartition("/")[2] == header.split(",")[column]
        # Readers of archives go line by line.
        assert len(lines) == len(rows_of(folder / name))


def test_a_range_is_two_rows_under_one_parent(folder: Path) -> None:
    rows = rows_of(folder / "measurementorfact.csv")
    low, high = (row for row in rows if row["measurementType"] == "leaf length")
    assert (low["measurementValue"], low["statisticalMethod"], low["measurementUnit"]) == ("40", "min", "mm")
    assert (high["measurementValue"], high["statisticalMethod"]) == ("60", "max")
    assert low["parentMeasurementID"] == high["parentMeasurementID"] != ""
    assert len({row["measurementID"] for row in rows}) == len(rows) == 4
    assert "extremes: 30 mm" in low["measurementRemarks"]
    lines = [json.loads(line) for line in (folder / TRAITS).read_text(encoding="utf-8").splitlines()]
    assert {row["parentMeasurementID"] or row["measurementID"] for row in rows} == {line["id"] for line in lines}


def test_a_row_quotes_its_phrase_and_tells_sex_shade_source_and_licence(folder: Path) -> None:
    (row,) = (row for row in rows_of(folder / "measurementorfact.csv") if row["measurementType"] == "petal colour")
    start = TEXT.index("white")
    assert row["measurementRemarks"].startswith(
        f'"white" (characters {start} to {start + 5} of description {ABOUT.id})'
    )
    assert row["measurementRemarks"].endswith("sex: male; shade: pale")
    assert (row["verbatimMeasurementType"], row["measurementValue"], row["parentMeasurementID"]) == (
        "petals",
        "white",
        "",
    )
    assert row["measurementMethod"].startswith("clipbio ")
    assert (row["source"], row["license"], row["language"]) == ("a flora", "CC0", "en")


def test_json_lines_hold_every_field_and_offsets_find_the_phrase(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / TRAITS).read_text(encoding="utf-8").splitlines()]
    for line, trait in zip(lines, TRAITS_OF, strict=True):
        assert TEXT[line["start"] : line["end"]] == line["phrase"] == trait.phrase
        assert line["character"] == trait.character
        assert line["low"] == trait.low
        assert line["scientific_name"] == "Acer rubrum"
        assert TEXT[line["organ_start"] : line["organ_end"]] == line["organ_phrase"]


def values(trait: Trait) -> list[tuple[str, str]]:
    return [(row["statisticalMethod"], row["measurementValue"]) for row in measurements(ABOUT, "x", trait, group="")]


def test_one_bound_one_number_and_what_is_not_so_are_one_row() -> None:
    def trait(**more: Any) -> Trait:
        return of("white", "leaf", "length", "x", **more)

    assert values(trait(high=110.0)) == [("max", "110")]
    assert values(trait(low=5.0)) == [("min", "5")]
    assert values(trait(low=5.0, high=5.0)) == [("", "5")]
    assert values(trait(negated=True)) == [("", "not x")]


def test_ids_depend_on_what_is_said_and_where_alone() -> None:
    def ids(about: Described, traits: Sequence[Trait]) -> list[str]:
        return [key for key, _ in identified(about, traits)]

    once = ids(ABOUT, TRAITS_OF)
    assert ids(ABOUT, TRAITS_OF[::-1]) == once[::-1]
    assert len(set(ids(ABOUT, [*TRAITS_OF, *TRAITS_OF]))) == 6
    other = Described(text=TEXT, taxon=MAPLE, name="Acer rubrum", specimen_id="a-1")
    assert not set(once) & set(ids(other, TRAITS_OF))


def test_a_summary_counts_traits_taxa_and_sentences() -> None:
    summary = Summary()
    summary.add(ABOUT, TRAITS_OF)
    summary.add(Described(text="Small.", taxon=Taxon(), name="other"), ())
    assert [row.character for row in summary.rows()] == ["leaf length", "leaf shape", "petal colour"]
    assert summary.rows()[1].examples == ("leaves ovate",)
    assert sentences_with_traits(TEXT, TRAITS_OF) == (2, 2)
    assert "66.7 % of 3 sentences" in summary.line()
