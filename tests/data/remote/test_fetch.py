"""Fetching one file: what is tried again, and what is told."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sites import Site, serve

from clipbio.data.manifest import FileEntry
from clipbio.data.remote import RemoteOptions, StorageError
from clipbio.data.remote import fetch as module
from clipbio.data.remote.fetch import AbsentError, fetch
from clipbio.errors import ClipbioError

CONTENT = bytes(range(256)) * 40
ENTRY = FileEntry(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
OPTIONS = RemoteOptions(retries=3, timeout=5)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(module, "_BACKOFF", 0.01)
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "file").write_bytes(CONTENT)
    with serve(tmp_path / "served") as site:
        yield site


@pytest.mark.parametrize("faults", [[], ["503", "503"], ["cut"], ["flip", "flip", "flip"], ["long", "cut", "503"]])
def test_what_passes_is_tried_again(faults: list[str], site: Site, tmp_path: Path) -> None:
    site.faults["file"] = list(faults)
    fetch(f"{site.url}/file", tmp_path / "got", OPTIONS, ENTRY)
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert site.asked["file"] == len(faults) + 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("503", "503"),
        ("cut", "cannot be had"),
        ("flip", "its SHA-256 is not that of the manifest"),
        ("long", "more than the 10240 bytes that the manifest says"),
    ],
)
def test_what_lasts_is_told_with_url_and_number_of_attempts(fault: str, told: str, site: Site, tmp_path: Path) -> None:
    site.faults["file"] = [fault] * 9
    with pytest.raises(StorageError) as caught:
        fetch(f"{site.url}/file", tmp_path / "got", OPTIONS, ENTRY)
    assert told in str(caught.value)
    assert f"{site.url}/file cannot be had: " in str(caught.value)
    assert "(attempts: 4)" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert site.asked["file"] == 4


def test_a_file_that_is_absent_is_asked_for_once(site: Site, tmp_path: Path) -> None:
    with pytest.raises(AbsentError, match=r"/other does not exist"):
        fetch(f"{site.url}/other", tmp_path / "got", OPTIONS, ENTRY)
    assert site.asked["other"] == 1


def test_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BACKOFF", 0.01)
    (tmp_path / "empty").mkdir()
    with serve(tmp_path / "empty") as site:
        pass
    with pytest.raises(StorageError, match=r"cannot be had: ClientConnectorError: .*\(attempts: 4\)"):
        fetch(f"{site.url}/file", tmp_path / "got", OPTIONS, ENTRY)


@pytest.mark.parametrize(("scheme", "driver"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_a_missing_driver_names_the_extra(
    scheme: str, driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    extra = {"s3": "s3", "gs": "gcs"}[scheme]
    with pytest.raises(StorageError, match=rf"{scheme}:// needs a driver: pip install 'clipbio\[{extra}\]'"):
        fetch(f"{scheme}://bucket/file", tmp_path / "got", OPTIONS)


def test_a_worker_s_traceback_is_not_part_of_the_message() -> None:
    inner = StorageError("http://host/file cannot be had: it is gone")
    outer = StorageError(
        "Caught StorageError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  File ...\n"
        f"clipbio.data.remote.fetch.StorageError: {inner}\n"
    )
    assert str(outer) == str(inner)


@pytest.mark.parametrize("values", [{"cache_gb": 0}, {"retries": -1}, {"timeout": 0}, {"cache_gb": True}])
def test_impossible_settings(values: dict[str, float]) -> None:
    with pytest.raises(ClipbioError, match=rf"data\.remote_{next(iter(values))}="):
        RemoteOptions(**values)
