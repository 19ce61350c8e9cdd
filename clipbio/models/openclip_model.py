"""`model=openclip` and `model=tiny`: the constructor signature is the schema."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError, nearest
from clipbio.models import adapter
from clipbio.models.multi import MultiTower, seeded
from clipbio.models.openclip_trunks import caption_decoder, image_parts, text_parts
from clipbio.models.options import TowerOptions, TowerRecipe

__all__ = ["openclip"]

OWN = "clipbio:"
_DEFAULTS = TowerOptions()


def openclip(
    name: str,
    pretrained: str | None = None,
    *,
    image: TowerOptions | Mapping[str, Any] = _DEFAULTS,
    text: TowerOptions | Mapping[str, Any] = _DEFAULTS,
    dna: TowerRecipe | None = None,
    dim: int | None = None,
    image_size: int | None = None,
    context_length: int | None = None,
    preprocess: Mapping[str, Any] | None = None,
    seed: int = 0,
    load_weights: bool = True,
) -> MultiTower:
    """Build a model of open_clip; a CoCa brings its caption decoder along.

    Args:
        name: An architecture, `hf-hub:ORG/NAME`, a folder with `open_clip_config.json`, a JSON file with an
            architecture, or `clipbio:NAME` for one that comes with this package.
        pretrained: A tag of the architecture or a weights file; hub and folder bring their own weights.
        image: Options of the image tower.
        text: Options of the text tower.
        dna: Recipe of a DNA tower beside the two.
        dim: Dimension of the space, where image and text get new projections; by default the model's own.
        image_size: Another input size than the architecture's; position embeddings are interpolated.
        context_length: Another text length than the architecture's.
        preprocess: Parts of the image transform that differ from the pretrained one's: mean, std, interpolation,
            resize_mode, fill_color.
        seed: Seed of all random initial weights.
        load_weights: False leaves pretrained weights unread, for a checkpoint that follows.
    """
    options = _options(image, "image"), _options(text, "text")
    with seeded(seed):
        loaded = adapter.load(
            _own_architecture(name),
            pretrained,
            image_size=image_size,
            context_length=context_length,
            preprocess=_known_preprocess(preprocess),
            load_weights=load_weights,
        )
        own_dim = int(loaded.config["embed_dim"])
        towers = {}
        for option, (trunk, body) in zip(options, (image_parts(loaded), text_parts(loaded)), strict=True):
            towers[trunk.modality] = option.tower(trunk, dim=dim, pretrained=body, own_dim=own_dim)
        if dna is not None:
            towers["dna"] = dna.build(dim=dim or own_dim, load_weights=load_weights)
        decoder = caption_decoder(loaded)
    return MultiTower(
        towers, initial_logit_scale=loaded.logit_scale, initial_logit_bias=loaded.logit_bias, decoder=decoder
    )


def _options(value: TowerOptions | Mapping[str, Any] | None, tower: str) -> TowerOptions:
    if isinstance(value, TowerOptions):
        return value
    if value is None:
        raise ClipbioError(
            f"model.{tower}=null: a model of open_clip has towers for image and text; leave {tower} out of loss.pairs "
            "and the tower is not trained, or take a model of separate towers, such as model=lite"
        )
    try:
        return TowerOptions(**{str(key): item for key, item in value.items()})
    except TypeError as error:
        raise ClipbioError(f"model: {error}") from error


def _own_architecture(name: str) -> str:
    if not name.startswith(OWN):
        return name
    folder = Path(str(resources.files("clipbio.models"))) / "configs"
    return str(folder / f"{name.removeprefix(OWN)}.json")


def _known_preprocess(preprocess: Mapping[str, Any] | None) -> Mapping[str, Any]:
    known = ("mean", "std", "interpolation", "resize_mode", "fill_color")
    for key in preprocess or {}:
        if key not in known:
            raise ClipbioError(f"model.preprocess.{key} is unknown{nearest(key, known)}")
    return preprocess or {}
