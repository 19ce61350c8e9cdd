"""What exported tables of all publishers have in common."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from exports import tabbed, write_folder, write_pictures
from published_tables import BCDM, INAT, bcdm_rows, gbif_table, write_inat

from clipbio.data.sources import BoldSource, GbifSource, InaturalistSource
from clipbio.errors import ClipbioError


def test_columns_of_metadata_are_checked_and_may_be_in_any_case(tmp_path: Path) -> None:
    images = write_pictures(tmp_path / "images", ["11.jpg", "12_1.jpg"])
    path = write_folder(tmp_path / "gbif", {"0001.csv": gbif_table()}) / "0001.csv"
    first, *_ = GbifSource(path, images=images, metadata=["institutioncode", "YEAR"])
    assert first.metadata == {"institutionCode": "NHM"}
    with pytest.raises(ClipbioError, match="metadata names the unknown column 'localityy'; did you mean 'locality'"):
        GbifSource(path, metadata=["localityy"])
    package = tmp_path / "BOLD_Public.tsv"
    package.write_text(tabbed(BCDM, bcdm_rows()))
    with pytest.raises(ClipbioError, match="unknown column 'colectors'; did you mean 'collectors'"):
        BoldSource(package, metadata=["colectors"])
    plain = write_inat(tmp_path / "plain.csv", INAT, [])
    with pytest.raises(ClipbioError, match="unknown column 'obscred'"):
        InaturalistSource(plain, metadata=["obscred"])


@pytest.mark.parametrize("kind", [GbifSource, InaturalistSource, BoldSource])
def test_wrong_files_are_told_in_one_line(
    tmp_path: Path, kind: type[GbifSource | InaturalistSource | BoldSource]
) -> None:
    with pytest.raises(ClipbioError, match="is not there"):
        kind(tmp_path / "none.csv")
    with pytest.raises(ClipbioError, match="holds no table"):
        kind(tmp_path)
    path = tmp_path / "a.txt"
    path.write_text("species,genus\nx,y\n")
    with pytest.raises(ClipbioError, match=r"has no column 'gbifID'|has no column 'id'|has no column 'processid'"):
        kind(path)
    with pytest.raises(ClipbioError, match="is not a folder; give the one that holds the downloaded pictures"):
        kind(path, images=tmp_path / "none")
    for name in ("b.csv", "c.csv", "b.tsv", "c.tsv"):
        (tmp_path / name).write_text("x\n")
    with pytest.raises(ClipbioError, match=r"holds b\.\wsv, c\.\wsv; give the one to read"):
        kind(tmp_path)
    with pytest.raises(ClipbioError, match="is a tar file; unpack it"):
        kind(_tar(tmp_path / "package.tar.gz"))


def _tar(path: Path) -> Path:
    with tarfile.open(path, "w:gz"):
        return path
