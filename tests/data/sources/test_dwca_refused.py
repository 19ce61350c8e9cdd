"""Archives that are hostile, damaged or none at all."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest
from exports import DWC, meta_xml, table_xml, write_folder, write_zip

from clipbio.data.sources import DwcaSource
from clipbio.errors import ClipbioError


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("../evil.txt", "lies outside of the archive"),
        ("/etc/passwd", "lies outside of the archive"),
        ("..\\evil.txt", "lies outside of the archive"),
        ("http://evil.example/x.txt", "lies outside of the archive"),
        ("none.txt", "has no file 'none.txt'"),
        ("link.txt", "leads out of the folder"),
    ],
)
def test_paths_out_of_the_archive_are_refused(tmp_path: Path, location: str, message: str) -> None:
    (tmp_path / "evil.txt").write_text("1\tQuercus robur\n")
    meta = meta_xml(table_xml("core", f"{DWC}Occurrence", location, [f"{DWC}scientificName"]))
    root = write_folder(tmp_path / "archive", {"meta.xml": meta})
    (root / "link.txt").symlink_to(tmp_path / "evil.txt")
    with pytest.raises(ClipbioError, match=message):
        list(DwcaSource(root))
    if location != "link.txt":
        with pytest.raises(ClipbioError, match=message):
            list(
                DwcaSource(
                    write_zip(
                        tmp_path / "archive.zip",
                        {"meta.xml": meta, location: "1\tQuercus robur\n"}
                        if "none" not in location
                        else {"meta.xml": meta},
                    )
                )
            )


def test_zip_bombs_and_damaged_zip_files_are_refused(tmp_path: Path) -> None:
    meta = meta_xml(table_xml("core", f"{DWC}Occurrence", "occurrence.txt", [f"{DWC}scientificName"]))
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.xml", meta)
        with archive.open("occurrence.txt", "w") as file:
            for _ in range(70):
                file.write(b"\n" * 2**20)
    with pytest.raises(ClipbioError, match="looks like a zip bomb"):
        list(DwcaSource(bomb))
    with pytest.raises(ClipbioError, match=r"'meta\.xml' has more than"):
        DwcaSource(write_zip(tmp_path / "large.zip", {"meta.xml": " " * 5_000_000}))
    path = write_zip(tmp_path / "lies.zip", {"meta.xml": meta, "occurrence.txt": "1\tQuercus\n" * 1000})
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 50)
    path.write_bytes(data)
    with pytest.raises(ClipbioError, match=r"occurrence\.txt: after line \d+ it cannot be read"):
        list(DwcaSource(path))
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ClipbioError, match="neither a folder nor a zip file"):
        DwcaSource(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"occurrence.txt": "x"}, r"holds no meta\.xml"),
        ({"meta.xml": meta_xml()}, "describes 0 cores"),
        ({"meta.xml": meta_xml(table_xml("core", f"{DWC}Event", "e.txt", []))}, "the core is 'Event'"),
        ({"meta.xml": "<archive"}, "is no XML"),
    ],
)
def test_what_is_no_archive_is_told_in_one_line(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(ClipbioError, match=message) as caught:
        DwcaSource(write_zip(tmp_path / "some.zip", files))
    assert "\n" not in str(caught.value)


def test_a_column_that_is_not_there_is_an_error_of_the_description(tmp_path: Path) -> None:
    meta = meta_xml(table_xml("core", f"{DWC}Occurrence", "o.txt", [f"{DWC}genus", f"{DWC}family"]))
    root = write_folder(tmp_path / "archive", {"meta.xml": meta, "o.txt": "id\tgenus\n1\tQuercus\n"})
    with pytest.raises(ClipbioError, match=r"describes 3 columns of o\.txt, it has 2"):
        list(DwcaSource(root))
