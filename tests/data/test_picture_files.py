"""Plain picture files: which are found, and what becomes of broken ones."""

import pytest
import torch
from tables import encoded

from clipbio.data.picture_files import PictureStream, find_pictures
from clipbio.data.stream import loader
from clipbio.data.transforms import ImageTransform
from clipbio.errors import ClipbioError


class Spec:
    size = (8, 8)
    interpolation = "bicubic"
    crop_fraction = 1.0
    resize_mode = "squash"
    fill = 0


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(("b.jpg", "a.png", "deep/c.jpg", ".hidden/d.jpg", "notes.txt")):
        path = tmp_path / "sheets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(number))
    return tmp_path / "sheets"


def names(paths, folder):
    return [str(path.relative_to(folder)) for path in paths]


def test_files_folders_and_patterns_are_found_once_in_their_order(folder):
    assert names(find_pictures([str(folder)]), folder) == ["a.png", "b.jpg", "deep/c.jpg"]
    assert names(find_pictures([str(folder / "b.jpg"), str(folder)]), folder) == ["b.jpg", "a.png", "deep/c.jpg"]
    assert names(find_pictures([f"{folder}/**/*.jpg"]), folder) == ["b.jpg", "deep/c.jpg"]
    assert names(find_pictures([str(folder / "notes.txt")]), folder) == ["notes.txt"]


@pytest.mark.parametrize(
    ("given", "told"),
    [("nowhere", "there is no such file or folder"), ("*.jpg", "there are no pictures"), ("", "no pictures are given")],
)
def test_what_is_not_there_is_told(tmp_path, monkeypatch, given, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ClipbioError, match=told):
        find_pictures([given] if given else [])


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_keep_the_order_and_name_what_is_broken(folder, workers):
    (folder / "broken.jpg").write_bytes(encoded(1)[:100])
    paths = find_pictures([str(folder)])
    stream = PictureStream(paths, ImageTransform(Spec()), batch_size=2)
    batches = list(loader(stream, num_workers=workers))
    assert len(batches) == len(stream) == 2
    assert [name for batch in batches for name in batch.paths] == [str(p) for p in paths if p.name != "broken.jpg"]
    assert [skipped.id for batch in batches for skipped in batch.skipped] == [str(folder / "broken.jpg")]
    expected = torch.stack([ImageTransform(Spec())(path.read_bytes()) for path in paths if path.name != "broken.jpg"])
    assert torch.equal(torch.cat([batch.pixels_BCHW for batch in batches]), expected)
