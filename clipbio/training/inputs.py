"""Join a model and its data: how images and texts become inputs, and what is encoded beforehand."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from clipbio.data.caching import fill_images, fill_texts
from clipbio.data.datamodule import SpecimenData
from clipbio.data.inputs import ImageInput, TextInput
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.features import FeatureStore
from clipbio.models import ImageTrunk, MultiTower, TextTrunk, Tower
from clipbio.training.encoder import TextEncoder

__all__ = ["FeatureCache", "connect"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureCache:
    """Where the output of frozen trunks is kept.

    Args:
        folder: Parent of one folder per trunk; None switches caching off.
        dtype: `float32`, or `float16` for half the space.
    """

    folder: Path | None
    dtype: str = "float32"

    def store(self, tower: Tower, transform: ImageTransform | None = None) -> FeatureStore | None:
        """Return the store of a tower whose trunk is frozen, for pixels of a transform; None for any other tower."""
        if self.folder is None or not tower.frozen:
            return None
        parts = [tower.modality, tower.fingerprint()[:24], *([transform.identity] if transform else []), self.dtype]
        name = "-".join(parts)
        return FeatureStore(self.folder / name, width=tower.trunk.width, dtype=self.dtype)


def connect(
    model: MultiTower,
    data: SpecimenData,
    *,
    cache: FeatureCache,
    augmentation: Augmentation | None,
    splits: Sequence[str],
    world: World,
    device: torch.device,
) -> TextEncoder:
    """Tell the data how the model wants its inputs, encode what frozen trunks will be asked for; return the encoder.

    Args:
        model: Towers named `image` and `text`.
        data: DataModule; its run is planned if `augmentation` is given.
        cache: Where features are kept.
        augmentation: Augmentation of training images; None where nothing is trained.
        splits: Splits that will be evaluated.
        world: This process.
        device: Where trunks run.
    """
    image_tower, text_tower = model.tower("image"), model.tower("text")
    if not isinstance(image_tower.trunk, ImageTrunk) or not isinstance(text_tower.trunk, TextTrunk):
        raise ClipbioError("the towers 'image' and 'text' of the model do not encode images and texts")
    transform, evaluation_transform = (
        ImageTransform(image_tower.trunk.spec, drawn, decoder=data.decoder, sheet_mask=data.sheet_mask)
        for drawn in (augmentation, None)
    )
    image_store, text_store = cache.store(image_tower, evaluation_transform), cache.store(text_tower)
    evaluation_image = ImageInput(evaluation_transform, store=image_store)
    views = _views(data, augmentation) if image_store is not None else 0
    drawn_anew = augmentation is not None and augmentation.random and not views
    image = ImageInput(transform, views=views, store=None if drawn_anew else image_store)
    if drawn_anew and image_store is not None:
        log.warning(
            "the image trunk is frozen, but random augmentation makes it run at each step: "
            "data.views=8 would cache 8 augmented views of each image"
        )
    text = TextInput(text_tower.trunk.tokenizer, text_store)
    data.attach(image=image, evaluation_image=evaluation_image, text=text)
    encoder = TextEncoder(text_tower, text, text_store, world)
    _fill(model, data, encoder, splits=splits, training=augmentation is not None, world=world, device=device)
    return encoder


def _views(data: SpecimenData, augmentation: Augmentation | None) -> int:
    return data.views if augmentation is not None and augmentation.random else 0


def _fill(
    model: MultiTower,
    data: SpecimenData,
    encoder: TextEncoder,
    *,
    splits: Sequence[str],
    training: bool,
    world: World,
    device: torch.device,
) -> None:
    """Encode images of all splits, and the texts of the run, that frozen trunks have not encoded before."""
    model.to(device).eval()
    image, evaluation_image = data.image, data.evaluation_image
    assert image is not None
    assert evaluation_image is not None
    tower = model.tower("image")

    @torch.inference_mode()
    def encode(pixels_BCHW: Tensor) -> Tensor:
        return tower.features(pixels_BCHW.to(device))

    parts = [(data.split(name).index, data.split(name).rows, False) for name in splits]
    if training and image.store is not None:
        parts += [(split.index, split.rows, True) for split in data.train_parts]
    if evaluation_image.store is not None:
        workers = data.num_workers(None)
        fill_images(image, evaluation_image.store, parts, encode, world=world, num_workers=workers)
    if training and encoder.store is not None:
        fill_texts(encoder.text, encoder.store, data.texts_of_run(), encoder.trunk_features, world=world)
