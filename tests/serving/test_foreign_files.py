"""An index whose rows point at files that are none of its pictures: nothing of them is served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_index import FakeIndex, picture_bytes
from fastapi.testclient import TestClient
from small_indexes import encode, specimen, vector

from clipbio.search.folder import IndexFolder
from clipbio.search.manifest import About
from clipbio.search.new_rows import ImagePlace, NewRows
from clipbio.search.writing import IndexWriter
from clipbio.serving.app import create_app


class StoredIndex(FakeIndex):
    """Pictures come from a real folder."""

    def __init__(self, folder: IndexFolder) -> None:
        super().__init__()
        self.folder = folder  # type: ignore[assignment]

    def picture(self, row: int) -> bytes | None:
        return self.folder.picture(row)  # type: ignore[attr-defined]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Give a folder of pictures, with a secret one and a secret text beside it."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(picture_bytes())
    (folder / "text.jpg").write_text("root:x:0:0")
    (folder / "drawing.jpg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "secret.jpg").write_bytes(picture_bytes())
    (tmp_path / "pictures-of-others").mkdir()
    (tmp_path / "pictures-of-others" / "secret.jpg").write_bytes(picture_bytes())
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "up").symlink_to(tmp_path)
    (folder / "inside.jpg").symlink_to(folder / "good.jpg")
    return folder


PLACES = {
    "good.jpg": 200,
    "inside.jpg": 200,
    "text.jpg": 404,
    "drawing.jpg": 404,
    "link.jpg": 404,
    "up/secret.jpg": 404,
    "../secret.jpg": 404,
    "../pictures-of-others/secret.jpg": 404,
    "/etc/passwd": 404,
    "../../../../../../../../etc/passwd": 404,
    "good.jpg/../../secret.jpg": 404,
    "/dev/zero": 404,
    "": 404,
    ".": 404,
    "none.jpg": 404,
}


def test_only_pictures_inside_of_their_folder_are_served(tmp_path: Path, pictures: Path) -> None:
    names = list(PLACES)
    specimens = [specimen(number) for number in range(len(names))]
    vectors = np.stack([vector(one.id) for one in specimens])
    places = [ImagePlace(str(pictures), name) for name in names]
    rows = NewRows(specimens, {"image": (np.ones(len(names), bool), vectors)}, [None] * len(names), places)
    with IndexWriter.create(tmp_path / "index", About("places")) as writer:
        writer.append([rows], encode)
    app = create_app(StoredIndex(IndexFolder.open(tmp_path / "index")))
    client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    for size in ("", "/full"):
        found = {name: client.get(f"/pictures/{row}{size}") for row, name in enumerate(names)}
        assert {name: answer.status_code for name, answer in found.items()} == PLACES
        assert all("root:" not in answer.text for name, answer in found.items() if PLACES[name] == 404)
