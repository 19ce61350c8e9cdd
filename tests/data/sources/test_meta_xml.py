from __future__ import annotations

import time

import pytest
from exports import COMMAS, DCT, DWC, GBIF, meta_xml, table_xml

from clipbio.data.sources.meta_xml import read_meta
from clipbio.errors import ClipbioError

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE archive [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(12))
    + "]><archive><core rowType='&m;'/></archive>"
)
OUTSIDE = '<!DOCTYPE archive [<!ENTITY x SYSTEM "file:///etc/passwd">]><archive><core rowType="&x;"/></archive>'


def core(**attributes: str) -> str:
    return table_xml("core", f"{DWC}Occurrence", "o.txt", [f"{DWC}genus"], dialect=attributes)


def test_a_description_is_read_by_terms_and_not_by_names() -> None:
    described = table_xml(
        "core",
        "http://rs.tdwg.org/dwc/terms/Occurrence",
        "o.txt",
        [f"{DWC}genus", "http://elsewhere.example/terms/species", "https://rs.tdwg.org/dwc/terms/family"],
        defaults={f"{DCT}license": "CC0"},
    )
    table, (media,) = read_meta(
        meta_xml(described, table_xml("extension", f"{GBIF}Multimedia", "m.txt", [], dialect=COMMAS)).encode(),
        "meta.xml",
        {"Multimedia"},
    )
    assert (table.row_type, table.locations, media.row_type) == ("Occurrence", ("o.txt",), "Multimedia")
    assert table.terms == {"genus": 1, "http://elsewhere.example/terms/species": 2, "family": 3}
    assert (table.width, table.dialect.delimiter, table.dialect.quote) == (4, "\t", "")
    assert (media.dialect.delimiter, media.dialect.quote, media.width) == (",", '"', 1)
    assert table.values([" 7 ", "Quercus", "x", ""]) == {
        "": "7",
        "genus": "Quercus",
        "http://elsewhere.example/terms/species": "x",
        "family": "",
        "license": "CC0",
    }


def test_extensions_that_are_not_read_may_be_as_they_like() -> None:
    strange = table_xml("extension", f"{DWC}MeasurementOrFact", "../m.txt", [], encoding="rot13")
    empty = table_xml("extension", f"{GBIF}VernacularName", "", [f"{DWC}vernacularName"])
    _, extensions = read_meta(meta_xml(core(), strange, empty).encode(), "meta.xml", {"VernacularName"})
    assert extensions == ()


def test_defaults_of_the_standard_and_blanks_that_xml_made_of_tabs() -> None:
    plain, _ = read_meta(meta_xml(core()).encode(), "meta.xml")
    assert (plain.dialect.delimiter, plain.dialect.quote, plain.dialect.header_lines) == (",", '"', 0)
    written, _ = read_meta(
        meta_xml(core(fieldsTerminatedBy="\t", linesTerminatedBy="\n", fieldsEnclosedBy=" ")).encode(), "meta.xml"
    )
    assert (written.dialect.delimiter, written.dialect.line_end, written.dialect.quote) == ("\t", "\n", "")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (LAUGHS.encode(), "document type or entities"),
        (OUTSIDE.encode(), "document type or entities"),
        (b"", "is no XML"),
        (b"\xff\xfe<", "is no XML"),
        (b'<?xml version="1.0" encoding="punycode"?><archive/>', "is no XML"),
        (b"<archive/>", "describes 0 cores"),
        (meta_xml(core(), core()).encode(), "describes 2 cores"),
        (meta_xml(core(fieldsTerminatedBy="||")).encode(), "delimiter '||' is not supported"),
        (meta_xml(core(fieldsTerminatedBy='"')).encode(), "both separated and enclosed"),
        (meta_xml(core(linesTerminatedBy="~")).encode(), "lines that end with '~'"),
        (meta_xml(core(ignoreHeaderLines="-1")).encode(), "ignoreHeaderLines='-1' is no number"),
        (meta_xml(core()).replace('"UTF-8" rowType', '"rot13" rowType').encode(), "'rot13' is no encoding"),
        (meta_xml(core()).replace('index="1"', 'index="one"').encode(), "index='one' is no number"),
        (meta_xml(core()).replace('index="1"', 'index="-1"').encode(), "index='-1' is no number"),
        (meta_xml(core()).replace('index="0"', 'index="9999999"').encode(), "index='9999999' is no number"),
        (meta_xml(core()).replace("<location>o.txt</location>", "").encode(), "no file is named"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(ClipbioError) as caught:
        read_meta(data, "meta.xml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("meta.xml")
    assert "\n" not in str(caught.value)


def test_a_deep_and_a_wide_description_end_quickly() -> None:
    started = time.perf_counter()
    deep = b"<archive>" + b"<a>" * 300_000 + b"</a>" * 300_000 + b"</archive>"
    wide = b"<archive>" + b"<core/>" * 100_000 + b"</archive>"
    for data in (deep, wide):
        with pytest.raises(ClipbioError, match="cores"):
            read_meta(data, "meta.xml")
    assert time.perf_counter() - started < 20
