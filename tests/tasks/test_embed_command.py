"""`python -m clipbio embed`: vectors of splits and of plain pictures as files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from embedding_runs import CPU, ready
from gardens import picture
from runs import here
from safetensors.numpy import load_file

from clipbio.data.transforms import ImageTransform
from clipbio.tasks.embeddings import embed_splits

SMALL = ("model=tiny", "num_workers=0", "batch_size=4")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number in range(9):
        picture(
            folder / ("deep/er" if number % 2 else ".") / f"{number}.jpg", (number * 20, 90, 200 - number), seed=number
        )
    (folder / "deep" / "notes.txt").write_text("no picture")
    (folder / ".hidden").mkdir()
    picture(folder / ".hidden" / "x.jpg", (0, 0, 0))
    return folder


def embed(capsys, tmp_path: Path, *more: str) -> tuple[int, str]:
    status, _, errors = here(
        capsys, "embed", *SMALL, f"cache_dir={tmp_path / 'cache'}", f"out={tmp_path / 'out'}", *more
    )
    return status, errors


def vectors(path: Path, column: str = "image") -> tuple[list[str], np.ndarray]:
    table = pq.read_table(path)
    return table["id"].to_pylist(), np.array(table[column].to_pylist(), np.float32)


def test_pictures_in_any_order_of_arguments(photos: Path, tmp_path: Path, capsys) -> None:
    broken = photos / "deep" / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no jpeg")
    given = f"images=[{photos}/*.jpg,{photos},{photos}/0.jpg]"
    status, errors = embed(capsys, tmp_path, given)
    assert status == 0, errors
    ids, found = vectors(tmp_path / "out" / "images.parquet")
    paths = sorted(str(path) for path in photos.rglob("[0-9].jpg"))
    assert ids == paths
    model, _ = ready_model(tmp_path)
    transform = ImageTransform(model.tower("image").trunk.spec)
    with torch.inference_mode():
        expected = model.tower("image")(torch.stack([transform(Path(path).read_bytes()) for path in paths]))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)
    about = json.loads((tmp_path / "out" / "embeddings.json").read_text())
    assert about["files"] == {"images": "images.parquet"}
    assert about["dims"] == {"image": found.shape[1]}
    assert about["normalised"] is about["finished"] is True
    assert list(about["skipped"]["images"]) == [str(broken)]
    assert ", 1 could not be read; " in " ".join(errors.split())
    assert embed(capsys, tmp_path, given)[0] == 2
    # What was begun and not finished is gone on with.
    (tmp_path / "out" / "embeddings.json").write_text(json.dumps(about | {"finished": False}))
    (tmp_path / "out" / "images.parquet").unlink()
    status, errors = embed(capsys, tmp_path, given)
    assert status == 0, errors
    assert "10 of 10 are embedded already" in " ".join(errors.split())
    assert np.array_equal(vectors(tmp_path / "out" / "images.parquet")[1], found)
    status, errors = embed(capsys, tmp_path, f"images={photos}/0.jpg", "overwrite=true", "normalise=false", "format=safetensors", "cache_embeddings=false")  # fmt: skip
    assert status == 0, errors
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["embeddings.json", "images.safetensors"]
    tensors = load_file(tmp_path / "out" / "images.safetensors")
    assert json.loads(bytes(tensors["ids"])) == paths[:1]
    raw = tensors["image.vectors"]
    assert abs(np.linalg.norm(raw) - 1) > 0.05
    np.testing.assert_allclose(raw / np.linalg.norm(raw), found[:1], atol=1e-6)


def ready_model(tmp_path: Path):
    from clipbio.config import compose, plain
    from clipbio.tasks.loading import load_model

    loaded = load_model(plain(compose("embed", ["model=tiny", "out=x"])))
    return loaded.model, loaded


def test_splits_in_the_order_of_the_data(make_garden, tmp_path: Path, capsys) -> None:
    garden = make_garden()
    status, errors = embed(
        capsys, tmp_path, "data=table", f"data.root={garden}", "data.num_workers=0", "splits=[test,val]"
    )
    assert status == 0, errors
    model, data = ready(garden)
    for name, one in embed_splits(model, data, ["test", "val"], device=CPU).items():
        ids, found = vectors(tmp_path / "out" / f"{name}.parquet")
        assert tuple(ids) == one.images.ids
        np.testing.assert_allclose(found, one.images.vectors_ND.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "nothing to embed"),
        (("images=nowhere",), "there is no file or folder 'nowhere'"),
        (("images=[]",), "names no picture"),
        (("images=*.nothing",), "no picture fits the pattern '*.nothing'"),
        (("images=EMPTY",), "holds no picture"),
        (("images=BROKEN",), "none of 1 could be read"),
        (("images=PHOTOS", "format=csv"), "valid are: parquet, safetensors"),
        (("images=PHOTOS", "modalities=dna"), "'dna' cannot be encoded here"),
        (("images=PHOTOS", "splits=[test]"), "give images= or data="),
        (("images=PHOTOS", "batch_size=0"), "batch_size=0 must be 1 or more"),
    ],
)
def test_what_cannot_be_embedded_is_one_line(more, told: str, photos: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    places = {"EMPTY": tmp_path / "empty", "BROKEN": tmp_path / "broken.jpg", "PHOTOS": photos}
    for word, place in places.items():
        more = tuple(one.replace(word, str(place)) for one in more)
    status, errors = embed(capsys, tmp_path, *more)
    assert status == 2
    assert told in errors
    assert errors.count("clipbio:") == 1
