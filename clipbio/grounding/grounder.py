"""A model that says where on a picture words are.

Shape suffixes: K windows, T texts, D dimensions, G cells along a side of a window, Y and X cells of a map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Any, Literal, cast, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from clipbio.data.batch import UNUSABLE
from clipbio.data.images import BadImageError, inspect, rgb
from clipbio.data.inputs import TextInput
from clipbio.errors import ClipbioError, nearest
from clipbio.grounding.heat import Heat, Maps, stretched
from clipbio.grounding.windows import Window, map_size, painted, pyramid, seen, tiled
from clipbio.models import ImageTrunk, MultiTower, TextTrunk
from clipbio.models.dense import DenseMethod, cell, dense_features, dense_methods
from clipbio.text import templates
from clipbio.traits import alternatives, language_of

__all__ = ["DISTRACTORS", "METHODS", "SCORINGS", "Grounder", "Scoring", "opened"]

DISTRACTORS = ("paper", "label", "ruler", "colour card")
"""What else is on a sheet: its texts take the heat of places that look like them."""

Scoring = Literal["softmax", "margin", "cosine", "contribution", "contrast"]
METHODS = ("auto", *get_args(DenseMethod), "crop", "saliency")
SCORINGS = ("auto", *get_args(Scoring))

_LENGTHS_COUNT = ("contribution", "contrast")
_BATCH = 32
_TEXTS_AT_ONCE = 256
_MAP_SIDE = 128
_LARGEST_SIDE = 1024
_MOST_TEXTS = 256
_ALTERNATIVES = 12
_COLD_SHARE = 0.75
# Networks without position embeddings see as well at twice the pixels, and finer (docs/grounding.md).
_CONV_SCALE = 2


class Grounder:
    """Say where on pictures words are.

    A place is scored by the cosine of its features and the text. Several threads may use one; towers run one at a time.

    Args:
        model: Towers for image and text, on their device.
        method: `raw`, `maskclip`, `sclip` (vision transformers), `conv` (convolutional networks): features of places in
            one look at each window (`dense_features`). `crop`: squares of several sizes, each looked at by itself,
            whatever the trunk. `saliency`: the length of the features about their mean, without any text, as a
            baseline. `auto`: sclip, conv or crop, whichever the trunk can do.
        scoring: `softmax`: the share of a text among all texts and distractors. `margin`: its cosine above the mean of
            the others. `cosine`: alone. `contribution`: as margin, with vectors of whatever length they have: what a
            place adds to the similarity of the whole, as in class activation maps (https://arxiv.org/abs/1512.04150),
            more than three of four places do. `contrast`: as contribution, and a text that tells a state (`leaves
            ovate`) is compared with the same words and other states (`leaves linear`; `alternatives`) in place of the
            other texts: what they share, where the organ usually is and that a place is a plant at all, falls out.
            `auto`: contrast for `conv`, whose places are averaged in training, and for `saliency`, which compares
            nothing and is cold at three of four places too; else softmax.
        temperature: Divides cosines before the softmax.
        image_size: Side of the pixels that are made of a window. None is that of training, for `conv` and its
            saliency twice as many: larger ones give finer maps.
        tiles: How many times smaller the sides of windows are than the picture.
        levels: Sizes of squares of `crop`.
        projection: Projection of the towers.
        map_side: Cells along the longer side of a map.

    Raises:
        ClipbioError: The model cannot do that.
    """

    def __init__(
        self,
        model: MultiTower,
        *,
        method: str = "auto",
        scoring: str = "auto",
        temperature: float = 0.07,
        image_size: int | None = None,
        tiles: int = 1,
        levels: int = 3,
        projection: str = "default",
        map_side: int = _MAP_SIDE,
    ) -> None:
        lacks = [name for name in ("image", "text") if name not in model.modalities]
        if lacks:
            raise ClipbioError(f"words are found on pictures by towers for both, and the model has no {lacks[0]} tower")
        self._image, self._text = model.tower("image"), model.tower("text")
        trunk, reader = self._image.trunk, self._text.trunk
        if not isinstance(trunk, ImageTrunk) or not isinstance(reader, TextTrunk):
            raise ClipbioError("words are found on pictures by a tower for pictures and one for texts")
        self._trunk, self._tokens = trunk, TextInput(reader.tokenizer)
        _check(scoring, temperature=temperature, tiles=tiles, levels=levels, map_side=map_side)
        self.method = _method(method, trunk)
        self.scoring = _scoring(scoring, self.method)
        self.temperature, self.tiles, self.levels = temperature, tiles, levels
        self.projection, self.map_side = projection, map_side
        self.sides = _sides(trunk, image_size, self.method)
        self._lock = Lock()
        self._against = lru_cache(maxsize=4096)(self._other_states)

    def heat(
        self,
        image: bytes | Image.Image,
        texts: Sequence[str],
        *,
        distractors: Sequence[str] = DISTRACTORS,
        template: str | Sequence[str] = "{}",
    ) -> Heat:
        """Return where on a picture each text is.

        Args:
            image: An encoded picture, or one in RGB; it is taken as it is stored.
            texts: What is looked for.
            distractors: What else there may be; not part of the answer.
            template: A template, several or the name of a set: vectors of a text in all of them are averaged.

        Raises:
            ClipbioError: The picture cannot be read, there is no text, or there are too many.
        """
        if not texts or len(texts) + len(distractors) > _MOST_TEXTS or not all(text.strip() for text in texts):
            raise ClipbioError(f"give 1 to {_MOST_TEXTS - len(distractors)} texts that are not empty, not {len(texts)}")
        picture = opened(image)
        # A text that is its own distractor would take half of its heat away.
        beside = [one for one in distractors if one not in texts]
        vectors_TD, against = self.encode([*texts, *beside], template), self.against(texts, template)
        scores_TYX = self.scores(picture, torch.cat([vectors_TD, *(one_D[None] for one_D in against.values())]))
        maps_TYX = self.maps(scores_TYX[: len(vectors_TD)], len(texts))
        others = {text: len(vectors_TD) + number for number, text in enumerate(against)}
        for own, text in enumerate(texts):
            if text in others:
                maps_TYX[own] = self.maps(scores_TYX[[own, others[text]]], 1)[0]
        return Heat(tuple(texts), maps_TYX, picture.size, self.method, self.scoring)

    def against(self, texts: Sequence[str], template: str | Sequence[str] = "{}") -> dict[str, Tensor]:
        """Return by text the mean vector_D of what it says with other states; without `contrast` and states nothing."""
        if self.scoring != "contrast" or self.method == "saliency":
            return {}
        form = template if isinstance(template, str) else tuple(template)
        found = {text: self._against(text, form) for text in texts}
        return {text: mean_D for text, mean_D in found.items() if mean_D is not None}

    def _other_states(self, text: str, template: str | tuple[str, ...]) -> Tensor | None:
        others = alternatives(text, language=language_of(text), most=_ALTERNATIVES)
        return self.encode(others, template).mean(dim=0) if others else None

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], template: str | Sequence[str] = "{}") -> Tensor:
        """Return unit vectors_TD of texts."""
        forms = templates(template)
        said = [form.replace("{}", text) for text in texts for form in forms]
        vectors = torch.cat([self._read(said[at : at + _TEXTS_AT_ONCE]) for at in range(0, len(said), _TEXTS_AT_ONCE)])
        mean_TD: Tensor = vectors.reshape(len(texts), len(forms), -1).mean(dim=1)
        return functional.normalize(mean_TD, dim=-1)

    def _read(self, texts: Sequence[str]) -> Tensor:
        tokens = self._tokens(texts)
        with self._lock:
            vectors: Tensor = self._text(tokens.to(self._device), self.projection)
        return vectors.float().cpu()

    @property
    def _device(self) -> torch.device:
        return self._trunk.mean.device

    def scores(self, picture: Image.Image, vectors_TD: Tensor) -> Tensor:
        """Return what each text scores on a map of the picture, (T, Y, X); `saliency` is the same for all."""
        size, spec = picture.size, self._trunk.spec
        shape = map_size(size, self.map_side)
        if self.method != "crop":
            windows = tiled(size, spec, self.tiles)
            return painted(self._looked_at(picture, windows, vectors_TD), windows, size, shape)
        levels = pyramid(size, self.levels)
        scores = self._looked_at(picture, [window for level in levels for window in level], vectors_TD)
        parts = torch.split(scores, [len(level) for level in levels])
        # Each level counts as one, however many squares it has.
        said = [painted(part, level, size, shape) for part, level in zip(parts, levels, strict=True)]
        return torch.stack(said).mean(dim=0)

    @torch.inference_mode()
    def _looked_at(self, picture: Image.Image, windows: list[Window], vectors_TD: Tensor) -> Tensor:
        """Return what texts score in the cells of windows, (K, T, G, G)."""
        found = []
        for start in range(0, len(windows), _BATCH):
            pixels = seen(picture, windows[start : start + _BATCH], self._trunk.spec, self.sides)
            with self._lock:
                found.append(self._cells(pixels.to(self._device), vectors_TD))
        return torch.cat(found)

    def _cells(self, pixels: Tensor, vectors_TD: Tensor) -> Tensor:
        if self.method == "crop":
            return self._cosines(pixels, vectors_TD)[..., None, None]
        method = self._places if self.method == "saliency" else self.method
        features = dense_features(self._trunk, pixels, cast(DenseMethod, method)).float()
        if self.method == "saliency":
            length: Tensor = (features - features.mean(dim=(2, 3), keepdim=True)).norm(dim=1, keepdim=True).cpu()
            return length.expand(-1, len(vectors_TD), -1, -1)
        return self._cosines(features.movedim(1, -1), vectors_TD).movedim(-1, 1)

    def _cosines(self, inputs: Tensor, vectors_TD: Tensor) -> Tensor:
        """Return what texts score by pictures or features, (..., T)."""
        vectors = self._image.unnormalised(inputs, self.projection).float()
        if self.scoring not in _LENGTHS_COUNT:
            vectors = functional.normalize(vectors, dim=-1)
        scores: Tensor = vectors.cpu() @ vectors_TD.T
        return scores

    @property
    def _places(self) -> str:
        return dense_methods(self._trunk)[-1]

    def maps(self, scores_TYX: Tensor, count: int) -> Maps:
        """Return maps (T, Y, X) from 0 to 1 of the first `count` texts of scores; the others are distractors."""
        if not torch.isfinite(scores_TYX).all():
            raise ClipbioError("the model gives no finite vectors of this picture: it has diverged")
        if self.scoring == "softmax" and self.method != "saliency":
            if len(scores_TYX) < 2:
                raise ClipbioError(
                    "scoring=softmax shares heat among texts, and there is one alone: give distractors, or take "
                    "scoring=cosine"
                )
            shares: Maps = (scores_TYX / self.temperature).softmax(dim=0)[:count].numpy()
            return shares
        if self.scoring in ("margin", *_LENGTHS_COUNT) and self.method != "saliency" and len(scores_TYX) > 1:
            total = scores_TYX.sum(dim=0, keepdim=True)
            scores_TYX = scores_TYX - (total - scores_TYX) / (len(scores_TYX) - 1)
        if self.scoring in _LENGTHS_COUNT:
            # Most of a sheet is paper: what adds no more than three of four places do is cold.
            floor_T11 = scores_TYX.flatten(1).quantile(_COLD_SHARE, dim=1)[:, None, None]
            scores_TYX = (scores_TYX - floor_T11).clamp(min=0)
        return np.stack([stretched(map_YX.numpy()) for map_YX in scores_TYX[:count]])


def opened(image: bytes | Image.Image) -> Image.Image:
    """Return a picture in RGB; `ClipbioError` if it cannot be read."""
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    try:
        inspect(image)
        return rgb(image)
    except (BadImageError, *UNUSABLE) as error:
        raise ClipbioError(f"the picture cannot be read: {str(error)[:300]}; give another file") from error


def _method(given: str, trunk: ImageTrunk) -> str:
    """Return the method that is meant, one that the trunk can do."""
    if given not in METHODS:
        raise ClipbioError(f"method={given} is unknown{nearest(given, METHODS)}")
    known = dense_methods(trunk)
    if given == "auto":
        return known[-1] if known else "crop"
    if given == "crop" or given in known or (given == "saliency" and known):
        return given
    kind = type(trunk.encoder).__name__
    raise ClipbioError(f"method={given} does not go with a {kind}: take {', '.join([*known, 'crop'])}")


def _sides(trunk: ImageTrunk, image_size: int | None, method: str) -> tuple[int, int]:
    """Return height and width of the pixels of a window, rounded to whole patches."""
    if image_size is None:
        more = _CONV_SCALE if method != "crop" and "conv" in dense_methods(trunk) else 1
        height, width = trunk.spec.size
        return (height * more, width * more) if more * max(height, width) <= _LARGEST_SIDE else (height, width)
    if not 16 <= image_size <= _LARGEST_SIDE:
        raise ClipbioError(f"image_size={image_size} must lie between 16 and {_LARGEST_SIDE}")
    high, wide = cell(trunk)
    return max(1, round(image_size / high)) * high, max(1, round(image_size / wide)) * wide


def _scoring(given: str, method: str) -> Scoring:
    if given == "auto":
        return "contrast" if method in ("conv", "saliency") else "softmax"
    return cast(Scoring, given)


def _check(scoring: str, *, temperature: float, **counts: Any) -> None:
    if scoring not in SCORINGS:
        raise ClipbioError(f"scoring={scoring} is unknown{nearest(scoring, SCORINGS)}")
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ClipbioError(f"temperature={temperature} must be above 0")
    for name, most in (("tiles", 8), ("levels", 5), ("map_side", 512)):
        if not 1 <= counts[name] <= most:
            raise ClipbioError(f"{name}={counts[name]} must lie between 1 and {most}")
