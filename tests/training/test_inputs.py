"""Cached features: what is asked for is there, equals what the trunk gives, and is encoded once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from clipbio.config import compose, plain
from clipbio.data.batch import Batch
from clipbio.data.datamodule import SpecimenData
from clipbio.data.transforms import Augmentation
from clipbio.distributed import World
from clipbio.dna import BarcodeAugmentation, BarcodeTokenizer
from clipbio.errors import ClipbioError
from clipbio.models import ConvDna, openclip, towers
from clipbio.tasks.building import build_model
from clipbio.tasks.parts import build_data
from clipbio.training.inputs import FeatureCache, connect

MakeGarden = Callable[..., Path]


def connected(
    garden: Path, tmp_path: Path, *, cached: bool, views: int = 0, augmentation: Augmentation | None = None,
    more: tuple[str, ...] = (),
):  # fmt: skip
    config = plain(compose("train", [
        "model=tiny", "model.image.unlocked=0", "model.text.unlocked=0", "data=table", f"data.root={garden}",
        f"cache_dir={tmp_path / 'cache'}", "data.batch_size=8", f"data.views={views}", "data.num_workers=0", *more,
    ]))  # fmt: skip
    data, model = build_data(config, World()), build_model(config, load_weights=True)
    data.plan_run(seed=0, steps=lambda plan: 3, world=World())
    encoder = connect(
        model, data, cache=FeatureCache(tmp_path / "features" if cached else None),
        augmentation=augmentation or Augmentation(scale=(1.0, 1.0)), splits=["test"], world=World(),
        device=torch.device("cpu"),
    )  # fmt: skip
    return model.eval(), data, encoder


def batches_of(data: SpecimenData) -> Iterator[Batch]:
    return (batches["default"] for batches in data.train_dataloader())


@pytest.mark.parametrize("views", [0, 2])
def test_cached_batches_give_the_embeddings_of_the_whole_model(
    views: int, make_garden: MakeGarden, tmp_path: Path
) -> None:
    garden = make_garden()
    augmentation = Augmentation(scale=(0.5, 0.9)) if views else None
    model, cached, _ = connected(garden, tmp_path, cached=True, views=views, augmentation=augmentation)
    # Uncached, but with the same numbered views.
    _, plain_data, _ = connected(garden, tmp_path, cached=False, views=views, augmentation=augmentation)
    plain_data.image.views = views
    for one, other in zip(batches_of(cached), batches_of(plain_data), strict=True):
        assert one["ids"] == other["ids"]
        assert one["inputs"]["image"].is_floating_point()
        assert other["inputs"]["image"].dtype == torch.uint8
        with torch.inference_mode():
            ours, theirs = model(one["inputs"]), model(other["inputs"])
        for modality in ours:
            torch.testing.assert_close(ours[modality], theirs[modality], atol=1e-5, rtol=1e-5)


def test_the_inputs_of_all_streams_are_cached(make_garden: MakeGarden, tmp_path: Path) -> None:
    more = (
        f"+data.streams.replay.root={make_garden('other', species=2, per_species=5, first=4)}",
        "+data.streams.replay.projection=replay",
        "+text@data.streams.replay.text=description",
        "model.image.projections=[replay]",
    )
    garden = make_garden()
    model, cached, _ = connected(garden, tmp_path, cached=True, more=more)
    _, uncached, _ = connected(garden, tmp_path, cached=False, more=more)
    for one, other in zip(cached.train_dataloader(), uncached.train_dataloader(), strict=True):
        assert list(one) == ["default", "replay"]
        for projection, batch in one.items():
            assert batch["ids"] == other[projection]["ids"]
            assert all(value.is_floating_point() for value in batch["inputs"].values())
            with torch.inference_mode():
                ours, theirs = model(batch["inputs"], projection), model(other[projection]["inputs"], projection)
            for modality in ours:
                torch.testing.assert_close(ours[modality], theirs[modality], atol=1e-5, rtol=1e-5)


def test_nothing_is_encoded_twice_and_no_picture_is_decoded(
    make_garden: MakeGarden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    garden = make_garden()
    connected(garden, tmp_path, cached=True)

    def refuse(*arguments: object) -> None:
        raise AssertionError("a trunk ran, or a picture was decoded, although everything is cached")

    monkeypatch.setattr("clipbio.models.trunks.ImageTrunk.forward", refuse)
    monkeypatch.setattr("clipbio.models.trunks.TextTrunk.forward", refuse)
    monkeypatch.setattr("clipbio.data.transforms.ImageTransform.__call__", refuse)
    _, data, encoder = connected(garden, tmp_path, cached=True)
    assert len(list(data.train_dataloader())) == 3
    assert sum(len(batch["rows_B"]) for batch in data.evaluation_loader("test")) == 24
    assert encoder.store is not None


def test_random_augmentation_without_views_runs_the_trunk_and_says_so(
    make_garden: MakeGarden, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)
    with caplog.at_level("WARNING"):
        _, data, _ = connected(make_garden(), tmp_path, cached=True, augmentation=Augmentation(scale=(0.5, 0.9)))
    assert next(batches_of(data))["inputs"]["image"].dtype == torch.uint8
    assert next(iter(data.evaluation_loader("test")))["inputs"]["image"].is_floating_point()
    assert "data.views=8 would cache" in caplog.text


def test_views_of_another_augmentation_are_other_views(make_garden: MakeGarden, tmp_path: Path) -> None:
    garden = make_garden()
    batches = []
    for scale in ((0.5, 0.9), (0.2, 0.3), (0.5, 0.9)):
        _, data, _ = connected(garden, tmp_path, cached=True, views=2, augmentation=Augmentation(scale=scale))
        batches.append(next(batches_of(data))["inputs"]["image"])
    assert torch.equal(batches[0], batches[2])
    assert not torch.equal(batches[0], batches[1])


def test_the_encoder_keeps_order_and_repeats(make_garden: MakeGarden, tmp_path: Path) -> None:
    model, _, cached = connected(make_garden(), tmp_path, cached=True)
    _, _, uncached = connected(make_garden("other"), tmp_path, cached=False)
    texts = ["a rose", "an oak with long leaves", "a rose", "moss"]
    vectors = cached(texts)
    assert torch.equal(vectors[0], vectors[2])
    torch.testing.assert_close(vectors, uncached(texts), atol=1e-5, rtol=1e-5)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(4))
    assert model.dim == vectors.shape[1]


def test_features_of_other_pixels_are_kept_apart(make_garden: MakeGarden, tmp_path: Path) -> None:
    garden, image_folders, text_folders = make_garden(), set(), set()
    for decoder, masked in (("fast", False), ("pillow", False), ("fast", True)):
        more = (f"data.decoder={decoder}", f"data.sheet_mask={str(masked).lower()}")
        _, data, encoder = connected(garden, tmp_path, cached=True, more=more)
        for transform in (data.image.transform, data.evaluation_image.transform):
            assert (transform.decoder, transform.sheet_mask) == (decoder, masked)
        image_folders.add(data.image.store.folder)
        text_folders.add(encoder.store.folder)
    assert (len(image_folders), len(text_folders)) == (3, 1)


def test_augmentation_of_barcodes_is_refused_where_it_makes_no_sense(make_garden: MakeGarden, tmp_path: Path) -> None:
    _, data, _ = connected(make_garden(), tmp_path, cached=False)
    aligned = ConvDna(tokenizer=BarcodeTokenizer(k=2, max_length=20, gaps="keep"), layers=1, width=8)
    for model, message in (
        (towers(dna=aligned, dim=8), r"offset=4 would shift the columns of alignments.*gaps=keep keeps"),
        (openclip("clipbio:clipbio_tiny"), "no effect: the model encodes image and text, no barcodes"),
    ):
        data.__dict__.pop("planned", None)
        data.read_for(model.modalities)
        with pytest.raises(ClipbioError, match=message):
            connect(
                model, data, cache=FeatureCache(None), augmentation=None, splits=[], world=World(),
                device=torch.device("cpu"), barcode_augmentation=BarcodeAugmentation(offset=4),
            )  # fmt: skip
