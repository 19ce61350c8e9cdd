"""Wild tables and wild descriptions of archives: nothing but `ClipbioError` and counted defects comes out."""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from exports import DWC, GBIF, meta_xml, tabbed, table_xml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clipbio.data.defects import Defects
from clipbio.data.sources import (
    BoldSource,
    DwcaSource,
    FolderSource,
    GbifSource,
    InaturalistSource,
    Source,
    TableSource,
)
from clipbio.data.sources.delimited import DelimitedFile, Dialect
from clipbio.data.sources.folder import Names
from clipbio.data.sources.meta_xml import read_meta
from clipbio.data.sources.pictures import stems_of_url
from clipbio.errors import ClipbioError

quickly = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])

PIECES = [
    b"\t", b",", b'"', b'""', b"\n", b"\r\n", b"\r", b"\0", b" ", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    b"\xff\xfe", b"\\", b"|", b"Quercus robur", "Ã¤".encode(), "müller".encode("latin-1"), b"1", b"COI-5P", b"ACGT",
    b"../../x", b"http://[::1", b"StillImage", b"SPECIES", b"=1+1", b"a" * 300,
]  # fmt: skip
wild_bytes = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=40).map(b"".join)
encodings = st.sampled_from(
    ["utf-8", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "ascii", "gbk", "shift_jis"]
)


@contextmanager
def told_in_one_line(name: str = "") -> Iterator[None]:
    """Let pass an error of one line that names the file."""
    told = ""
    try:
        yield
    except ClipbioError as error:
        told = str(error)
    assert "\n" not in told
    assert not told or name in told


def read_all(make: Callable[[], Source]) -> None:
    """Read a source whole, twice alike; the only error is one told in a line."""
    with told_in_one_line():
        source = make()
        first = [specimen.record() for specimen in source]
        counts = source.defects.counts
        assert [specimen.record() for specimen in source] == first
        assert source.defects.counts == counts
        list(source.species_texts())
        source.fingerprint()
        assert len({record["specimen_id"] for record in first}) == len(first)
        for record in first:
            str(record).encode()


@quickly
@given(
    data=wild_bytes,
    encoding=encodings,
    delimiter=st.sampled_from("\t,;|"),
    quote=st.sampled_from(["", '"', "'"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    header_lines=st.integers(0, 3),
)
def test_delimited_text(data: bytes, header_lines: int, **dialect: str) -> None:
    file = DelimitedFile("x", lambda: io.BytesIO(data), Dialect(**dialect, header_lines=header_lines))
    defects = Defects()
    try:
        file.header()
        rows = list(file.rows(defects))
    except ClipbioError:
        return
    assert len({len(cells) for _, cells in rows}) <= 1
    assert all("\n".join(cells).encode() is not None for _, cells in rows)
    assert [number for number, _ in rows] == sorted({number for number, _ in rows})


@quickly
@given(
    rows=st.lists(st.lists(st.text(max_size=8), min_size=3, max_size=3), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_was_written_well_is_read_as_it_was(rows: list[list[str]], end: str) -> None:
    import csv

    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    defects = Defects()
    try:
        data = text.getvalue().encode()
    except UnicodeEncodeError:
        return
    file = DelimitedFile("x", lambda: io.BytesIO(data), Dialect(delimiter=",", quote='"'))
    read = [cells for _, cells in file.rows(defects)]
    assert read == rows
    assert defects.skipped == 0


@quickly
@given(header=st.booleans(), data=wild_bytes, form=st.sampled_from(["csv", "csv.gz", "tsv", "tsv.gz", "parquet"]))
def test_specimen_tables_of_wild_bytes(header: bool, data: bytes, form: str) -> None:
    start = b"specimen_id,dna,image,split\n".replace(b",", b"\t" if form.startswith("t") else b",") if header else b""
    with tempfile.TemporaryDirectory() as folder:
        whole = gzip.compress(start + data) if form.endswith("gz") else start + data
        (Path(folder) / f"specimens.{form}").write_bytes(whole)
        read_all(lambda: TableSource(folder))


cells = (
    st.none()
    | st.text(max_size=12)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.lists(st.text(max_size=5), max_size=3)
)


@quickly
@given(columns=st.lists(st.lists(cells, min_size=4, max_size=4), min_size=3, max_size=3))
def test_specimen_tables_of_wild_parquet(columns: list[list[Any]]) -> None:
    names = ["specimen_id", "dna", "genus"]
    try:
        table = pa.table({name: pa.array(values) for name, values in zip(names, columns)})
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table, Path(folder) / "specimens.parquet")
        read_all(lambda: TableSource(folder))


@quickly
@given(place=st.floats(0, 1), garbage=st.binary(min_size=1, max_size=20))
def test_damaged_parquet(place: float, garbage: bytes) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"specimen_id": ["a", "b"], "dna": ["ACGT", "TTTT"], "genus": ["Pica", "Müller"]}), file)
    data = bytearray(file.getvalue())
    at = int(place * (len(data) - 1))
    data[at : at + len(garbage)] = garbage
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "specimens.parquet").write_bytes(data)
        read_all(lambda: TableSource(folder))


EXPORTS: dict[str, tuple[type[GbifSource | InaturalistSource | BoldSource], bytes]] = {
    "gbif.csv": (GbifSource, b"gbifID\tscientificName\tspecies\ttaxonRank\tmediaType\n"),
    "inat.csv": (InaturalistSource, b"id,scientific_name,image_url,common_name,iconic_taxon_name\n"),
    "bold.tsv": (BoldSource, b"processid\tnuc\tmarker_code\tspecies\timage_urls\n"),
}


@quickly
@given(name=st.sampled_from(sorted(EXPORTS)), header=st.booleans(), data=wild_bytes)
def test_exports_of_wild_bytes(name: str, header: bool, data: bytes) -> None:
    kind, start = EXPORTS[name]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes((start if header else b"") + data)
        (Path(folder) / "1.jpg").write_bytes(b"x")
        read_all(lambda: kind(Path(folder) / name, images=folder))


names = st.sampled_from(
    ["Quercus robur", "00042_A_B_C_D_E_Pica_pica", "1._", "_", "x × y", "Train", "A cf. b", "\ud800"]
) | st.text(st.characters(blacklist_characters="/\0"), min_size=1, max_size=20)


@quickly
@given(
    folders=st.lists(names, max_size=3),
    file=names,
    levels=st.sampled_from([None, ["genus"], ["family", "species"]]),
    kind=st.sampled_from(["scientific", "common", "label"]),
)
def test_folders_of_wild_names(folders: list[str], file: str, levels: list[str] | None, kind: Names) -> None:
    with tempfile.TemporaryDirectory() as root:
        try:
            path = Path(root, *folders, f"{file}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        except (OSError, UnicodeEncodeError):
            return
        read_all(lambda: FolderSource(root, names=kind, levels=levels))


attributes = st.sampled_from(
    ["", " ", "0", "-1", "1", "7", "99999999999999999999", "١", "x", "\\t", "\\n", "\\0", ",", '"', "''", "&#0;", "\U0001f600",
     "utf-8", "utf-16", "punycode", "idna", "rot13", "zlib", "../x", "a\\b", "é" * 50]
) | st.text(max_size=5)  # fmt: skip
wild_dialects = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("fieldsTerminatedBy", "linesTerminatedBy", "fieldsEnclosedBy", "ignoreHeaderLines", "dateFormat"), attributes
    ),
)
locations = st.sampled_from(
    ["o.txt", "m.txt", "../o.txt", "/etc/hosts", "none.txt", "meta.xml", "", "d/", "C:\\x", "http://x/y"]
)


@quickly
@given(
    dialect=wild_dialects, encoding=attributes, location=locations, index=attributes, term=attributes, data=wild_bytes
)
def test_archives_with_wild_descriptions(
    dialect: dict[str, str], encoding: str, location: str, index: str, term: str, data: bytes
) -> None:
    from xml.sax.saxutils import escape

    core = table_xml(
        "core", f"{DWC}Occurrence", escape(location), [f"{DWC}scientificName"], dialect=dialect, encoding=encoding
    )
    core = core.replace('<id index="0"/>', f'<id index="{escape(index, {chr(34): "&quot;"})}"/>')
    media = table_xml("extension", f"{GBIF}Multimedia", "m.txt", [escape(term, {'"': "&quot;"})])
    files = {
        "meta.xml": meta_xml(core, media).encode("utf-8", "replace"),
        "o.txt": data,
        "m.txt": b"id\tx\n1\thttp://x/1.jpg\n",
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        (Path(folder) / "1.jpg").write_bytes(b"x")
        read_all(lambda: DwcaSource(path, images=folder))


GOOD = meta_xml(table_xml("core", f"{DWC}Taxon", "t.txt", [f"{DWC}scientificName"])).encode()


@quickly
@given(
    place=st.floats(0, 1),
    length=st.integers(0, 60),
    garbage=wild_bytes | st.text(max_size=20).map(lambda t: t.encode("utf-8", "replace")),
)
def test_meta_xml_of_wild_bytes(place: float, length: int, garbage: bytes) -> None:
    at = int(place * len(GOOD))
    with told_in_one_line("meta.xml"):
        read_meta(GOOD[:at] + garbage + GOOD[at + length :], "meta.xml")


@quickly
@given(place=st.floats(0, 1), garbage=st.binary(min_size=1, max_size=8))
def test_damaged_zip_files(place: float, garbage: bytes) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.xml", GOOD)
        archive.writestr("t.txt", tabbed(["id", "name"], [["1", "Quercus robur"]] * 50))
    data = bytearray(file.getvalue())
    at = int(place * (len(data) - 1))
    data[at : at + len(garbage)] = garbage
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        path.write_bytes(data)
        read_all(lambda: DwcaSource(path))


@quickly
@given(
    url=st.text(max_size=30)
    | st.lists(st.sampled_from(["http://", "[", "]", "/", "default.jpg", "large.png", "%2e", "?", "#", ":"])).map(
        "".join
    )
)
def test_addresses(url: str) -> None:
    assert all(stem and "/" not in stem for stem in stems_of_url(url))
