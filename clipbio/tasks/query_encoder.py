"""Queries to vectors, by the model that made an index.

Shape suffixes: T texts, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clipbio.data.batch import UNUSABLE
from clipbio.data.images import BadImageError, inspect
from clipbio.data.inputs import BarcodeInput, TextInput
from clipbio.data.transforms import ImageTransform
from clipbio.distributed import World
from clipbio.dna import clean_barcode
from clipbio.errors import ClipbioError
from clipbio.grounding import Grounder
from clipbio.models import DnaTrunk, ImageTrunk, MultiTower, TextTrunk
from clipbio.search.query import Array
from clipbio.tasks.building import device_of
from clipbio.tasks.index_model import check_same_model
from clipbio.tasks.loading import load_model
from clipbio.training.encoder import TextEncoder

__all__ = ["ModelEncoder", "index_encoder"]

Config = Mapping[str, Any]
Facts = Mapping[str, Any]

_PICTURE_BYTES = 64 * 2**20
_BARCODE_LETTERS = 100_000
_TOLD = {"text": "texts", "image": "pictures", "dna": "barcodes"}


def index_encoder(facts: Facts, folder: Path, source: Config, accelerator: str) -> ModelEncoder:
    """Load the model of an index, and return what encodes queries with it.

    Args:
        facts: What the manifest says of the model.
        folder: The index, for messages.
        source: Where the model is (`model_source`).
        accelerator: `cpu` or `gpu`.

    Raises:
        ClipbioError: It is not there, or another one.
    """
    device = device_of(accelerator, World())
    loaded = load_model(source)
    check_same_model(facts, folder, loaded)
    return ModelEncoder(loaded.model, device=device, **facts["transform"])


class ModelEncoder:
    """Encode the parts of a query as specimens and sentences were encoded when the index was made.

    Used by several threads: pictures are decoded side by side, towers run one at a time.

    Args:
        model: Towers in evaluation mode.
        decoder: How pictures are decoded, as in `ImageTransform`.
        sheet_mask: Whether labels of sheets are painted over.
        device: Where towers run.
    """

    def __init__(
        self,
        model: MultiTower,
        *,
        decoder: str = "fast",
        sheet_mask: bool = False,
        device: torch.device | None = None,
    ) -> None:
        self._device = device or torch.device("cpu")
        self._model = model.to(self._device).eval()
        self._lock = Lock()
        self._grounder: Grounder | None = None
        trunks = {name: model.tower(name).trunk for name in model.modalities}
        self._transform = self._dna = self._text = None
        if isinstance(trunk := trunks.get("image"), ImageTrunk):
            self._transform = ImageTransform(trunk.spec, decoder=decoder, sheet_mask=sheet_mask)
        if isinstance(trunk := trunks.get("dna"), DnaTrunk):
            self._dna = BarcodeInput(trunk.tokenizer)
        if isinstance(trunk := trunks.get("text"), TextTrunk):
            self._text = TextEncoder(model.tower("text"), TextInput(trunk.tokenizer), None, World())

    @property
    def modalities(self) -> frozenset[str]:
        """Name what it encodes, of `text`, `image` and `dna`."""
        parts = {"text": self._text, "image": self._transform, "dna": self._dna}
        return frozenset(name for name, part in parts.items() if part is not None)

    def text(self, texts: Sequence[str]) -> Array:
        """Return unit vectors (T, D), float32.

        Raises:
            ClipbioError: The model has no text tower.
        """
        if self._text is None:
            raise self._lacking("text")
        with self._lock:
            return self._text(texts).numpy()

    def image(self, data: bytes) -> Array:
        """Return the unit vector (D,) of an encoded picture: JPEG, PNG, WebP, TIFF, BMP or GIF.

        Raises:
            ClipbioError: It cannot be read, is larger than 64 MiB or has too many pixels, or the model has no image
                tower.
        """
        if self._transform is None:
            raise self._lacking("image")
        if len(data) > _PICTURE_BYTES:
            raise ClipbioError(f"the picture has {len(data)} bytes, more than {_PICTURE_BYTES}: make it smaller")
        try:
            inspect(data)
            pixels_CHW = self._transform(data)
        except (BadImageError, *UNUSABLE) as error:
            # Shown to people: the kind of an error says nothing to them.
            raise ClipbioError(f"the picture cannot be read: {str(error)[:300]}; give another file") from error
        return self._encoded("image", pixels_CHW[None])

    def dna(self, barcode: str) -> Array:
        """Return the unit vector (D,) of a barcode, plain or as one FASTA record.

        Raises:
            ClipbioError: It is none, or the model has no tower for barcodes.
        """
        if self._dna is None:
            raise self._lacking("dna")
        if len(barcode) > _BARCODE_LETTERS:
            raise ClipbioError(
                f"the barcode has {len(barcode)} letters, more than {_BARCODE_LETTERS}: give a shorter one"
            )
        sequence = self._dna.seen(_sequence(barcode), None)
        with self._lock:
            tokens_1L = self._dna([sequence])
        return self._encoded("dna", tokens_1L)

    @property
    def grounds(self) -> bool:
        """Tell whether it says where words are in pictures."""
        return {"text", "image"} <= self.modalities

    def heat(self, data: bytes, texts: Sequence[str]) -> Array:
        """Return maps (T, Y, X) of where texts are in an encoded picture (`clipbio.grounding`).

        Raises:
            ClipbioError: It cannot be read, or the model lacks a tower for texts or pictures.
        """
        with self._lock:
            if self._grounder is None:
                self._grounder = Grounder(self._model)
        return self._grounder.heat(data, texts).maps_TYX

    def _encoded(self, modality: str, inputs: Tensor) -> Array:
        with self._lock, torch.inference_mode():
            vectors_1D: Tensor = self._model.tower(modality)(inputs.to(self._device))
        vector_D: Array = vectors_1D[0].float().cpu().numpy()
        if not np.isfinite(vector_D).all():
            raise ClipbioError(f"the model gives no finite vector of this {modality}: it has diverged")
        return vector_D

    def _lacking(self, modality: str) -> ClipbioError:
        known = " and ".join(_TOLD[name] for name in self._model.modalities if name in _TOLD)
        return ClipbioError(f"the model of the index encodes {known}, no {_TOLD[modality]}: ask without them")


def _sequence(barcode: str) -> str:
    """Return the letters of a barcode without the header of a FASTA record."""
    lines = barcode.strip().splitlines()
    if sum(line.startswith(">") for line in lines) > 1:
        raise ClipbioError("the barcode holds several FASTA records: give one")
    sequence = "".join(line for line in lines if not line.startswith(">"))
    if not set(clean_barcode(sequence)) & set("ACGT"):
        raise ClipbioError("the barcode has no known base: give letters such as ACGT")
    return sequence
