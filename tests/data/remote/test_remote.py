"""Shard folders that stand elsewhere: the same batches, a bounded cache, and one clear line when something is wrong."""

import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from sites import Site, serve

from clipbio.data.datamodule import SpecimenData
from clipbio.data.inputs import ImageInput, TextInput
from clipbio.data.prepare import prepare
from clipbio.data.remote import RemoteOptions, RemoteStorage, StorageError
from clipbio.data.remote import fetch as fetching
from clipbio.data.shards import ShardFolder, resolve
from clipbio.data.sources.table import TableSource
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.evaluation.embed import Collector, embed
from clipbio.models.trunks import ImageSpec
from clipbio.text import TextRegime

MakeGarden = Callable[..., Path]
Seen = list[tuple[int, list[str], torch.Tensor, torch.Tensor]]
SPEC = ImageSpec(size=(16, 16), mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.fixture
def shards(make_garden: MakeGarden, tmp_path: Path) -> Path:
    """A folder of ten train and five test shards of unequal sizes."""
    garden = make_garden(species=4, per_species=10)
    prepare(TableSource(garden), tmp_path / "shards", progress=False, samples_per_shard=4)
    (garden / "images").rename(tmp_path / "gone")
    return tmp_path / "shards"


@pytest.fixture
def site(shards: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(fetching, "_BACKOFF", 0.01)
    with serve(shards) as site:
        yield site


def tokens(texts: list[str]) -> torch.Tensor:
    """Give each text its letters."""
    return torch.tensor([[ord(letter) for letter in text[:40].ljust(40)] for text in texts])


def data_of(
    root: str | Path, tmp_path: Path, *, cached: int = 2, shards: Path, world: World | None = None, **more: Any
) -> SpecimenData:
    """Return data whose cache holds so many of the largest shards."""
    largest = max(entry["bytes"] for entry in json.loads((shards / "manifest.json").read_text())["shards"])
    regime = TextRegime({"common": 1, "taxonomic": 1})
    settings: dict[str, Any] = {"batch_size": 8, "num_workers": 0, "window": 2, "remote_retries": 2} | more
    data = SpecimenData(
        {"main": {"text": regime}}, root=str(root), cache_dir=str(tmp_path / "cache"),
        remote_cache_gb=cached * largest / 1e9, **settings,
    )  # fmt: skip
    data.plan_run(seed=0, steps=lambda plan: 2 * plan.batches_per_epoch + 1, world=world or World())
    image = ImageInput(ImageTransform(SPEC, Augmentation(scale=(0.5, 1.0), flip=0.5)))
    data.attach(image=image, evaluation_image=ImageInput(ImageTransform(SPEC)), text=TextInput(tokens))
    return data


def seen(data: SpecimenData) -> Seen:
    return [
        (batch["step"], batch["ids"], batch["inputs"]["image"], batch["inputs"]["text"])
        for batch in (batches["default"] for batches in data.train_dataloader())
    ]


def assert_same(one: Seen, other: Seen) -> None:
    assert [(step, ids) for step, ids, *_ in one] == [(step, ids) for step, ids, *_ in other]
    assert all(torch.equal(a[2], b[2]) and torch.equal(a[3], b[3]) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_local_folder_though_the_cache_holds_two_shards(
    workers: int, shards: Path, site: Site, tmp_path: Path
) -> None:
    local = seen(data_of(shards, tmp_path, shards=shards))
    data = data_of(site.url, tmp_path, shards=shards, num_workers=workers)
    assert_same(seen(data), local)
    cached = list((tmp_path / "cache" / "remote" / "shards").glob("*.tar"))
    assert 0 < sum(path.stat().st_size for path in cached) <= data.remote.cache_bytes


def test_shards_are_fetched_window_by_window_and_a_second_run_needs_no_network(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fetching, "_BACKOFF", 0.01)
    with serve(shards) as site:
        first = seen(data_of(site.url, tmp_path, shards=shards, cached=15, num_workers=2))
        fetched = {path: count for path, count in site.asked.items() if path.endswith(".tar")}
        assert fetched == {path.relative_to(shards).as_posix(): 1 for path in (shards / "train").glob("*.tar")}
        assert site.asked["index.parquet"] == site.asked["texts.parquet"] == 1
    again = seen(data_of(site.url, tmp_path, shards=shards, cached=15))
    assert_same(again, first)
    assert "its state of the last time is used" in caplog.text


def test_a_changed_manifest_is_noticed(shards: Path, site: Site, tmp_path: Path, make_garden: MakeGarden) -> None:
    before = resolve(site.url, tmp_path / "cache")
    prepare(TableSource(make_garden("other", species=3)), shards, overwrite=True, progress=False)
    after = resolve(site.url, tmp_path / "cache")
    assert before.manifest.hash != after.manifest.hash
    assert len(after.index("train")) == 18
    assert after.index("train").read(17).image


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_other_schemes(scheme: str, shards: Path, tmp_path: Path) -> None:
    url = f"file://{shards}" if scheme == "file" else "memory://sets/garden"
    if scheme == "memory":
        fsspec.filesystem("memory").put(f"{shards}/", "/sets/garden/", recursive=True)
    remote, local = resolve(url, tmp_path / "cache"), ShardFolder.open(shards)
    assert remote.manifest.hash == local.manifest.hash
    assert remote.taxa == local.taxa
    for row in range(20):
        assert remote.index("test").read(row) == local.index("test").read(row)
        assert remote.index("test").read(row, image=False) == local.index("test").read(row, image=False)


@pytest.mark.parametrize(("size", "workers"), [(1, 2), (3, 0)])
def test_evaluation_sees_each_specimen_exactly_once(
    size: int, workers: int, shards: Path, site: Site, tmp_path: Path
) -> None:
    joined = Collector("test", np.empty(0, np.int64))
    for rank in range(size):
        world = World(rank=rank, size=size, local_size=size)
        data = data_of(
            site.url, tmp_path, shards=shards, world=world, num_workers=workers, batch_size=6, evaluation_batch_size=3
        )
        piece = Collector("test", data.split("test").rows)
        embed({"image": mean_colour}, data.evaluation_loader("test"), piece, device=torch.device("cpu"))
        joined.expected = piece.expected
        joined.parts += piece.parts
    rows, vectors, _, skipped = joined.gather()
    assert sorted(rows.tolist()) == list(range(40))
    assert not skipped
    index = ShardFolder.open(shards).index("test")
    expected = [mean_colour(ImageTransform(SPEC)(index.read(int(row)).image)[None])[0] for row in rows]
    assert torch.allclose(vectors["image"], torch.stack(expected))


def mean_colour(pixels_BCHW: torch.Tensor) -> torch.Tensor:
    return pixels_BCHW.float().mean(dim=(2, 3))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("fault", ["flip", "dead"])
def test_a_shard_that_cannot_be_had_stops_the_run_and_skips_nothing(
    workers: int, fault: str, shards: Path, site: Site, tmp_path: Path
) -> None:
    name = "train/shard-000003.tar"
    if fault == "flip":
        site.faults[name] = ["flip"] * 100
    data = data_of(site.url, tmp_path, shards=shards, num_workers=workers)
    if fault == "dead":
        (shards / name).unlink()
    with pytest.raises(StorageError) as caught:
        seen(data)
    assert "\n" not in str(caught.value)
    assert f"{site.url}/{name}" in str(caught.value)
    assert ("does not exist" if fault == "dead" else "its SHA-256 is not that of the manifest") in str(caught.value)


@pytest.mark.parametrize("fault", ["flip", "cut", "503"])
def test_a_passing_fault_changes_nothing(fault: str, shards: Path, site: Site, tmp_path: Path) -> None:
    local = seen(data_of(shards, tmp_path, shards=shards))
    for path in ("manifest.json", "index.parquet", "train/shard-000000.tar", "train/shard-000007.tar"):
        site.faults[path] = ["503" if path == "manifest.json" else fault]
    assert_same(seen(data_of(site.url, tmp_path, shards=shards)), local)


def test_a_cache_that_is_smaller_than_a_window_is_refused_with_what_would_do(
    shards: Path, site: Site, tmp_path: Path
) -> None:
    with pytest.raises(
        ClipbioError, match=r"holds less than .* set data\.remote_cache_gb=\S+, or data\.window=2$"
    ) as caught:
        data_of(site.url, tmp_path, shards=shards, window=4)
    enough = float(str(caught.value).partition("set data.remote_cache_gb=")[2].partition(",")[0])
    largest = max(entry["bytes"] for entry in json.loads((shards / "manifest.json").read_text())["shards"])
    data_of(site.url, tmp_path, shards=shards, window=4, cached=enough * 1e9 / largest)


def test_what_is_no_shard_folder_is_told(shards: Path, site: Site, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(ClipbioError, match=r"/train is not a shard folder: it has no manifest\.json"):
        resolve(f"{site.url}/train/", cache)
    with pytest.raises(ClipbioError, match="a URL with '\\?' or '#' cannot be a folder"):
        resolve(f"{site.url}/?token=secret", cache)
    (shards / "manifest.json").write_text("[]")
    with pytest.raises(ClipbioError, match=r"http://127\.0\.0\.1:\d+: manifest\.json is damaged"):
        resolve(site.url, cache)
    assert not [path for path in (cache / "remote" / "sets").iterdir() if path.is_dir()]


def test_a_manifest_cannot_reach_out_of_its_folder(shards: Path, site: Site, tmp_path: Path) -> None:
    values = json.loads((shards / "manifest.json").read_text())
    values["shards"][0]["path"] = "../../secret.tar"
    (shards / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(ClipbioError, match=r"manifest\.json is damaged .*is not the path of a tar inside the folder"):
        resolve(site.url, tmp_path / "cache")


def test_storage_can_be_sent_to_workers(shards: Path, site: Site, tmp_path: Path) -> None:
    storage = pickle.loads(pickle.dumps(RemoteStorage(site.url, tmp_path / "cache", RemoteOptions())))
    shard = ShardFolder.open(shards).manifest.shards[0]
    assert storage.read(shard, 512, 100) == (shards / shard.path).read_bytes()[512:612]
    assert storage.path(shard).read_bytes() == (shards / shard.path).read_bytes()
    assert storage.name(shard) == f"{site.url}/{shard.path}"
    assert resolve(site.url, tmp_path / "cache").index("train").image_place(0) is None


def test_other_data_of_a_stream_may_stand_elsewhere(
    shards: Path, site: Site, tmp_path: Path, make_garden: MakeGarden
) -> None:
    garden = make_garden("other", species=3, first=6)
    regime = TextRegime({"common": 1})
    data = SpecimenData(
        {"main": {"text": regime}, "more": {"root": site.url}}, root=str(garden), cache_dir=str(tmp_path / "cache"),
        batch_size=8, num_workers=0,
    )  # fmt: skip
    data.plan_run(seed=0, steps=lambda plan: 2, world=World())
    image = ImageInput(ImageTransform(SPEC))
    data.attach(image=image, evaluation_image=image, text=TextInput(tokens))
    assert [batches["default"]["stream"].count("more") for batches in data.train_dataloader()] == [4, 4]
