"""A folder that stock open_clip loads as `local-dir:FOLDER`, checked by loading it.

Shape suffixes: B pictures or texts, D dimensions.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from clipbio.data.transforms import ImageTransform
from clipbio.errors import ClipbioError
from clipbio.exporting.openclip_parts import Half, image_half, text_half
from clipbio.files import write_json
from clipbio.models import ImageSpec, ImageTrunk, MultiTower, TextTrunk
from clipbio.models.adapter import HFTextEncoder, stock
from clipbio.models.transformers_trunk import TransformersTrunk

__all__ = ["CONFIG", "WEIGHTS", "Exported", "write_openclip"]

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
DNA_WEIGHTS, DNA_CONFIG = "dna_tower.safetensors", "dna_tower.json"
TEXTS = ("a photo of Pica hudsonia.", "Plantae Tracheophyta Magnoliopsida Fagales Fagaceae Quercus robur", "oak")
# Two ways to add the same numbers.
_SAME = 1e-5


@dataclasses.dataclass
class Exported:
    """What was found on the way: `notes` for a reader, `checks` by name."""

    notes: list[str] = dataclasses.field(default_factory=list)
    checks: dict[str, float | bool] = dataclasses.field(default_factory=dict)


def write_openclip(
    folder: Path,
    model: MultiTower,
    *,
    temperature: tuple[float, float | None],
    projection: str = "default",
    hf_model_name: str,
    barcodes: Any = None,
) -> Exported:
    """Write config, weights and tokenizer into a folder, load them as open_clip does, and compare the vectors.

    Args:
        folder: An empty folder.
        model: Towers for images and texts, adapters merged; a DNA tower goes into files of its own.
        temperature: Logarithm of the inverse temperature, and bias.
        projection: Which projections are taken along.
        hf_model_name: Where open_clip is to look for the architecture of a transformers text tower.
        barcodes: Settings of the DNA tower, written beside its weights.

    Raises:
        ClipbioError: No architecture of open_clip can hold the model.
    """
    lacks = [name for name in ("image", "text") if name not in model.modalities]
    if lacks:
        raise ClipbioError(
            f"open_clip loads models of images and texts; this one has no tower for {lacks[0]}: take format=onnx"
        )
    exported = Exported(_dropped(model, projection))
    image = image_half(model.tower("image"), projection)
    # While it is checked the folder has another name.
    text = text_half(model.tower("text"), projection, hf_model_name=str(folder))
    _write_weights(folder, image, text, temperature)
    config = _config(model, image, text, temperature)
    write_json(folder / CONFIG, config)
    _write_tokenizer(folder, model, exported)
    exported.checks |= _check(folder, model, projection, exported)
    if "hf_model_name" in text.config:
        config["model_cfg"]["text_cfg"] |= {"hf_model_name": hf_model_name, "hf_tokenizer_name": hf_model_name}
        write_json(folder / CONFIG, config)
        exported.notes.append(_hugging_face_note(hf_model_name))
    if "dna" in model.modalities:
        _write_barcodes(folder, model, projection, barcodes)
        exported.notes.append(
            f"The DNA tower is in `{DNA_WEIGHTS}` and `{DNA_CONFIG}`: open_clip has no place for it and ignores both."
        )
    if model.decoder is not None:
        exported.notes.append("The caption decoder of the CoCa is not in this folder: it holds the two towers alone.")
    return exported


def _dropped(model: MultiTower, projection: str) -> list[str]:
    names = {name for tower in map(model.tower, model.modalities) for name in tower.projections}
    if projection not in names:
        raise ClipbioError(f"projection={projection}: the model has {', '.join(sorted(names))}")
    others = sorted(names - {projection})
    told = ", ".join(f"`{name}`" for name in others)
    return [f"Projection `{projection}` is in this folder; {told} of the same model are not."] if others else []


def _config(model: MultiTower, image: Half, text: Half, temperature: tuple[float, float | None]) -> dict[str, Any]:
    trunks = [model.tower(name).trunk for name in ("image", "text")]
    spec = trunks[0].spec
    assert isinstance(spec, ImageSpec)
    architecture: dict[str, Any] = {"embed_dim": model.dim, "vision_cfg": image.config, "text_cfg": text.config}
    if any(trunk.config.get("quick_gelu") for trunk in trunks):
        architecture["quick_gelu"] = True
    # The names of weights are those of separate towers.
    architecture["custom_text"] = True
    if temperature[1] is not None:
        architecture["init_logit_bias"] = temperature[1]
    height, width = spec.size
    preprocess = {
        "size": height if height == width else [height, width],
        "mode": "RGB",
        "mean": list(spec.mean),
        "std": list(spec.std),
        "interpolation": spec.interpolation,
        "resize_mode": spec.resize_mode,
        "fill_color": spec.fill,
    }
    return {"model_cfg": architecture, "preprocess_cfg": preprocess}


def _write_weights(folder: Path, image: Half, text: Half, temperature: tuple[float, float | None]) -> None:
    scale, bias = temperature
    state = {f"visual.{name}": tensor for name, tensor in image.state.items()}
    state |= {f"text.{name}": tensor for name, tensor in text.state.items()}
    state["logit_scale"] = torch.tensor(scale)
    if bias is not None:
        state["logit_bias"] = torch.tensor(bias)
    _save(folder / WEIGHTS, state)


def _save(path: Path, state: Mapping[str, Tensor]) -> None:
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    save_file(plain, path, metadata={"format": "pt"})
    # The library lets nobody but the owner read what it writes.
    path.chmod(0o644)


def _write_tokenizer(folder: Path, model: MultiTower, exported: Exported) -> None:
    """Write the files of a tokenizer of transformers; that of open_clip is part of open_clip."""
    trunk = model.tower("text").trunk
    assert isinstance(trunk, TextTrunk)
    inner = getattr(trunk.tokenizer.library, "tokenizer", None)
    if inner is not None:
        inner.save_pretrained(folder)
    if isinstance(trunk, TransformersTrunk) or isinstance(trunk.encoder, HFTextEncoder):
        encoder: Any = trunk.encoder if isinstance(trunk, TransformersTrunk) else trunk.encoder.transformer
        encoder.config.save_pretrained(folder)
    elif inner is None:
        exported.notes.append("Its tokenizer is the one that open_clip itself carries: there is no file of it here.")


def _hugging_face_note(name: str) -> str:
    where = (
        "this folder, as it was called when it was written" if "/" in name and Path(name).is_absolute() else "a name"
    )
    return (
        "The text tower is one of transformers: open_clip builds it from `model_cfg.text_cfg.hf_model_name`, which is "
        f"`{name}` ({where}). Without network that must be a folder with a `config.json`, so when this folder moves, "
        "write its new path there, or the name on the hub (`hf_model_name=NAME` in the export). Tokenizer and weights "
        "are read from this folder in any case."
    )


def _write_barcodes(folder: Path, model: MultiTower, projection: str, settings: Any) -> None:
    tower = model.tower("dna")
    _save(folder / DNA_WEIGHTS, tower.state_dict())
    facts = {"settings": settings, "trunk": tower.trunk.identity(), "projection": projection, "dim": model.dim}
    write_json(folder / DNA_CONFIG, json.loads(json.dumps(facts, default=str)))


@torch.no_grad()
def _check(folder: Path, model: MultiTower, projection: str, exported: Exported) -> dict[str, float | bool]:
    """Load the folder with open_clip and compare vectors, tokens and pixels with ours."""
    other, preprocess, tokenizer = stock(folder)
    image, text = model.tower("image"), model.tower("text")
    assert isinstance(image.trunk, ImageTrunk)
    assert isinstance(text.trunk, TextTrunk)
    spec = image.trunk.spec
    pixels_BCHW = torch.randint(0, 256, (3, 3, *spec.size), dtype=torch.uint8, generator=_generator())
    tokens_BL = text.trunk.tokenizer(TEXTS)
    likeness = {
        "image": (image(pixels_BCHW, projection), other.encode_image(image.trunk.normalise(pixels_BCHW))),
        "text": (text(tokens_BL, projection), other.encode_text(tokens_BL)),
    }
    checks: dict[str, float | bool] = {}
    for name, (own_BD, their_BD) in likeness.items():
        cosine = float(functional.cosine_similarity(own_BD, their_BD).min())
        if not cosine > 1 - _SAME:
            raise ClipbioError(f"open_clip's {name} tower does not give the vectors of the run (cosine {cosine:.6f})")
        checks[f"{name}_cosine"] = cosine
    checks["tokens_equal"] = bool(torch.equal(tokenizer(list(TEXTS)), tokens_BL))
    checks |= _pixel_differences(spec, preprocess, exported)
    return checks


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _pixel_differences(spec: ImageSpec, preprocess: Any, exported: Exported) -> dict[str, float]:
    """Compare transforms on a picture of noise that is wider than high: largest and mean difference of 256 levels.

    What open_clip's transform cannot express, a margin around the crop, is told by a note and left out here.
    """
    noise = torch.randint(0, 256, (30, 40, 3), dtype=torch.uint8, generator=_generator()).numpy()
    picture = Image.fromarray(noise).resize((400, 300), Image.Resampling.BICUBIC)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=95)
    theirs_CHW = preprocess(Image.open(io.BytesIO(content.getvalue())).convert("RGB"))
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (spec.mean, spec.std))
    levels_CHW = (theirs_CHW * std + mean) * 255
    found: dict[str, float] = {}
    for decoder in ("pillow", "fast"):
        ours_CHW = ImageTransform(dataclasses.replace(spec, crop_fraction=1.0), decoder=decoder)(
            content.getvalue()
        ).float()
        difference = np.abs((ours_CHW - levels_CHW).numpy())
        found |= {
            f"pixels_{decoder}_largest": float(difference.max().round(3)),
            f"pixels_{decoder}_mean": float(difference.mean().round(3)),
        }
    if spec.crop_fraction != 1:
        exported.notes.append(
            f"The model was evaluated on the middle {spec.crop_fraction:g} of the resized picture (crop_fraction), "
            "which open_clip's transform cannot express: it shows the whole of it, so scores may differ."
        )
    return found
