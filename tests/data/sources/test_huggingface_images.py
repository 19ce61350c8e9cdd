from __future__ import annotations

from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from clipbio.data.sources.huggingface_images import named_image


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a folder with a picture and a zip file, and the same outside of it."""
    for folder in (tmp_path / "data", tmp_path):
        folder.mkdir(exist_ok=True)
        (folder / "1.jpg").write_bytes(b"picture")
        with ZipFile(folder / "more.zip", "w") as archive:
            archive.writestr("a/2.jpg", b"second")
    return tmp_path / "data"


def test_files_and_members_inside_are_read(root: Path) -> None:
    assert named_image("1.jpg", [root]) == root / "1.jpg"
    assert named_image(str(root / "1.jpg"), [root.parent / "none", root]) == root / "1.jpg"
    member = named_image(f"zip://a/2.jpg::{root / 'more.zip'}", [root])
    assert callable(member)
    assert member() == b"second"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../1.jpg",
            "/etc/hostname",
            "gone.jpg",
            "",
            "a\0b",
            "x" * 9000,
            "https://example.org/1.jpg",
            "file:///1.jpg",
        ),
        *("zip://a/2.jpg::../more.zip", "zip://a/2.jpg::https://example.org/1.zip", "tar://a::more.zip"),
        *("file:///1.jpg::hf://datasets/a/b/c.jpg", "foo://a::hf://datasets/a/b", "::hf://datasets/a/b/c.jpg"),
        *("zip://a::zip://b::hf://datasets/a/b.zip", "file:///1.jpg::zip://a::hf://datasets/a/b.zip"),
        *("zip://b::zip://a::more.zip", "pipe:cat 1.jpg", "simplecache::1.jpg"),
    ],
)
def test_nothing_else_is(root: Path, name: str) -> None:
    assert named_image(name, [root]) is None


@pytest.mark.parametrize("error", [ValueError("no protocol"), KeyError("a.jpg"), FileNotFoundError("b")])
def test_the_hub_is_read_and_its_errors_are_those_of_a_file(
    root: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def opened(url: str, mode: str) -> BytesIO:
        asked.append(url)
        if len(asked) > 2:
            raise error
        return BytesIO(b"picture")

    monkeypatch.setattr("fsspec.open", opened)
    names = ["hf://datasets/a/b/c.jpg", "zip://c.jpg::hf://datasets/a/b.zip", "hf://datasets/a/gone.jpg"]
    *found, gone = [named_image(name, [root]) for name in names]
    for image in found:
        assert callable(image)
        assert image() == b"picture"
    assert asked == names[:2]
    assert callable(gone)
    with pytest.raises(OSError, match=r"cannot be read|^b$"):
        gone()


def test_a_link_that_leads_out_is_not_followed(root: Path) -> None:
    (root / "link.jpg").symlink_to(root.parent / "1.jpg")
    assert named_image("link.jpg", [root]) is None


@pytest.mark.parametrize("content", [b"no zip file", None])
def test_a_broken_zip_and_a_missing_member_are_errors_of_the_file(root: Path, content: bytes | None) -> None:
    if content is not None:
        (root / "more.zip").write_bytes(content)
    member = named_image(f"zip://gone.jpg::{root / 'more.zip'}", [root])
    assert callable(member)
    with pytest.raises(OSError, match=r"gone.jpg cannot be read"):
        member()
