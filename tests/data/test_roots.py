"""Roots: paths, URLs, and what is refused."""

from pathlib import Path

import pytest

from clipbio.data.roots import is_remote, local_folder, shown
from clipbio.errors import ClipbioError


@pytest.mark.parametrize("root", ["birds", "/data/a:b", "C:\\birds", Path("x/y"), "data/pipe"])
def test_paths(root: str | Path) -> None:
    assert not is_remote(root)
    assert local_folder(root, "root") == Path(root)


@pytest.mark.parametrize("root", ["s3://bucket/set", "gs://b/s", "HTTPS://host/set", "hf://datasets/a/b", "memory://x"])
def test_urls(root: str) -> None:
    assert is_remote(root)
    with pytest.raises(ClipbioError, match=r"out=.* is a URL: give a folder of this machine"):
        local_folder(root, "out")


@pytest.mark.parametrize("root", ["pipe:cat /etc/passwd", "PIPE: curl x", "pipe://x"])
def test_programs_are_never_run(root: str) -> None:
    with pytest.raises(ClipbioError, match="pipe: URLs are refused"):
        is_remote(root)


@pytest.mark.parametrize("root", ["htps://host/set", "zip://a::http://host/b.zip", "simplecache::s3://bucket/set"])
def test_unknown_schemes_are_told(root: str) -> None:
    with pytest.raises(ClipbioError, match=r"data\.streams\.a\.root=.*is no scheme of data"):
        is_remote(root, "data.streams.a.root")


def test_passwords_are_not_printed() -> None:
    assert shown("https://me:secret@host/set") == "https://***@host/set"
    assert shown("s3://bucket/a@b") == "s3://bucket/a@b"
