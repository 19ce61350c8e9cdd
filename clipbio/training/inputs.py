"""Join a model and its data: how specimens become inputs, and what is encoded beforehand."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from clipbio.data.caching import Encode, fill_barcodes, fill_images, fill_texts
from clipbio.data.datamodule import SpecimenData
from clipbio.data.inputs import BarcodeInput, ImageInput, TextInput
from clipbio.data.splits import SplitRows
from clipbio.data.transforms import Augmentation, ImageTransform
from clipbio.distributed import World
from clipbio.dna import BarcodeAugmentation
from clipbio.errors import ClipbioError
from clipbio.features import FeatureStore
from clipbio.models import DnaTrunk, ImageTrunk, MultiTower, TextTrunk, Tower
from clipbio.training.encoder import TextEncoder

__all__ = ["FeatureCache", "connect", "fill_features"]

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
    barcode_augmentation: BarcodeAugmentation | None = None,
) -> TextEncoder:
    """Tell the data how the model wants its inputs, encode what frozen trunks will be asked for; return the encoder.

    Args:
        model: Towers for any of images, texts and barcodes.
        data: DataModule; its run is planned if `augmentation` is given.
        cache: Where features are kept.
        augmentation: Augmentation of training images; None where nothing is trained.
        splits: Splits that will be embedded.
        world: This process.
        device: Where trunks run.
        barcode_augmentation: Augmentation of training barcodes; None for none.
    """
    data.read_for(model.modalities)
    if barcode_augmentation is not None and barcode_augmentation.random and "dna" not in model.modalities:
        raise ClipbioError(
            f"barcode_augmentation has no effect: the model encodes {' and '.join(model.modalities)}, no barcodes; "
            "set barcode_augmentation.offset=0 barcode_augmentation.reverse_complement=0"
        )
    encoder = _text_encoder(model, cache, world)
    image = _images(model.tower("image"), data, cache, augmentation) if "image" in model.modalities else None
    dna = _barcodes(model.tower("dna"), cache, barcode_augmentation) if "dna" in model.modalities else None
    data.attach(
        image=image and image[0],
        evaluation_image=image and image[1],
        text=encoder.text,
        dna=dna and dna[0],
        evaluation_dna=dna and dna[1],
    )
    model.to(device).eval()
    training = augmentation is not None
    trained = data.train_parts if training else []
    fill_features(model, data, [data.split(name) for name in splits], trained=trained, world=world, device=device)
    if training and encoder.text is not None and encoder.store is not None:
        fill_texts(encoder.text, encoder.store, data.texts_of_run(), encoder.trunk_features, world=world)
    return encoder


def fill_features(
    model: MultiTower,
    data: SpecimenData,
    evaluated: Sequence[SplitRows],
    *,
    trained: Sequence[SplitRows] = (),
    world: World,
    device: torch.device,
) -> None:
    """Encode what frozen trunks will be asked for and the cache lacks; the data are connected with the model.

    Args:
        model: Towers, on `device`.
        data: What says how images and barcodes become inputs.
        evaluated: Specimens that will be seen as they are.
        trained: Specimens that will be seen as in training.
        world: This process.
        device: Where trunks run.
    """
    parts = [_Part(split, trained=False) for split in evaluated]
    parts += [_Part(split, trained=True) for split in trained]
    if data.image is not None and data.evaluation_image is not None:
        images = data.image, data.evaluation_image
        workers = data.num_workers(None)
        _fill_images(images, parts, _trunk_of(model.tower("image"), device), world, workers=workers)
    if data.dna is not None and data.evaluation_dna is not None:
        _fill_barcodes((data.dna, data.evaluation_dna), parts, _trunk_of(model.tower("dna"), device), world)


class _Part(NamedTuple):
    """Specimens whose features will be asked for, in training or in evaluation."""

    split: SplitRows
    trained: bool


def _fill_images(
    inputs: tuple[ImageInput, ImageInput], parts: Sequence[_Part], encode: Encode, world: World, *, workers: int
) -> None:
    training, evaluation = inputs
    if evaluation.store is not None:
        wanted = [part for part in parts if not part.trained or training.store is not None]
        places = [(part.split.index, part.split.rows, part.trained) for part in wanted]
        fill_images(training, evaluation.store, places, encode, world=world, num_workers=workers)


def _fill_barcodes(
    inputs: tuple[BarcodeInput, BarcodeInput], parts: Sequence[_Part], encode: Encode, world: World
) -> None:
    training, evaluation = inputs
    if evaluation.store is not None:
        wanted = [part for part in parts if not part.trained or training.store is not None]
        places = [(part.split.index, part.split.rows) for part in wanted]
        fill_barcodes(evaluation, evaluation.store, places, encode, world=world)


def _text_encoder(model: MultiTower, cache: FeatureCache, world: World) -> TextEncoder:
    if "text" not in model.modalities:
        return TextEncoder(None, None, None, world)
    tower = model.tower("text")
    if not isinstance(tower.trunk, TextTrunk):
        raise ClipbioError("the tower 'text' of the model does not encode texts")
    store = cache.store(tower)
    return TextEncoder(tower, TextInput(tower.trunk.tokenizer, store), store, world)


def _images(
    tower: Tower, data: SpecimenData, cache: FeatureCache, augmentation: Augmentation | None
) -> tuple[ImageInput, ImageInput]:
    """Return how images become inputs in training and in evaluation."""
    if not isinstance(tower.trunk, ImageTrunk):
        raise ClipbioError("the tower 'image' of the model does not encode images")
    transform, evaluation = (
        ImageTransform(tower.trunk.spec, drawn, decoder=data.decoder, sheet_mask=data.sheet_mask)
        for drawn in (augmentation, None)
    )
    store = cache.store(tower, evaluation)
    random = augmentation is not None and augmentation.random
    views = data.views if random and store is not None else 0
    drawn_anew = random and not views
    if drawn_anew and store is not None:
        log.warning(
            "the image trunk is frozen, but random augmentation makes it run at each step: "
            "data.views=8 would cache 8 augmented views of each image"
        )
    return ImageInput(transform, views, None if drawn_anew else store), ImageInput(evaluation, store=store)


def _barcodes(
    tower: Tower, cache: FeatureCache, augmentation: BarcodeAugmentation | None
) -> tuple[BarcodeInput, BarcodeInput]:
    """Return how barcodes become inputs in training and in evaluation."""
    if not isinstance(tower.trunk, DnaTrunk):
        raise ClipbioError("the tower 'dna' of the model does not encode barcodes")
    tokenizer, store = tower.trunk.tokenizer, cache.store(tower)
    if augmentation is not None and augmentation.offset > 1 and tokenizer.gaps == "keep":
        raise ClipbioError(
            f"barcode_augmentation.offset={augmentation.offset} would shift the columns of alignments, which "
            "model.dna.tokenizer.gaps=keep keeps: set the offset to 0, or gaps=strip"
        )
    drawn_anew = augmentation is not None and augmentation.random
    if drawn_anew and store is not None:
        log.warning(
            "the dna trunk is frozen, but barcode_augmentation makes it run at each step: set its keys to 0 to cache it"
        )
    training = BarcodeInput(tokenizer, augmentation, None if drawn_anew else store)
    return training, BarcodeInput(tokenizer, store=store)


def _trunk_of(tower: Tower, device: torch.device) -> Encode:
    @torch.inference_mode()
    def encode(inputs: Tensor) -> Tensor:
        return tower.features(inputs.to(device))

    return encode
