"""Image trunks of timm, by any of its names."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.data import resolve_model_data_config
from timm.models import group_parameters
from torch import Tensor, nn

from clipbio.errors import ClipbioError, nearest
from clipbio.models.options import TowerOptions
from clipbio.models.tower import Tower
from clipbio.models.trunks import ImageSpec, ImageTrunk
from clipbio.models.weights import first_line, load_exactly, read_state_dict, resolve_file

__all__ = ["TimmImage", "TimmTrunk", "timm_groups", "timm_names"]

_RESIZE_MODES = {"center": "shortest", "squash": "squash", "border": "longest"}
_PREPROCESS = ("mean", "std", "interpolation", "crop_fraction", "resize_mode")
HUB = "timm"


class TimmTrunk(ImageTrunk):
    """A timm model without its classifier.

    Images run with channels last, in which depthwise convolutions are nearly twice as fast on a CPU.
    """

    def normalise(self, pixels_BCHW: Tensor) -> Tensor:
        """Turn uint8 pixels into the encoder's normalised input."""
        return super().normalise(pixels_BCHW).contiguous(memory_format=torch.channels_last)

    def groups(self) -> list[list[nn.Parameter]]:
        """Return the parameters from stem to last layer as timm groups them."""
        return timm_groups(self.encoder)


@dataclass(frozen=True, kw_only=True)
class TimmImage(TowerOptions):
    """How to make an image tower of a timm model.

    `preprocess` replaces parts of the image transform that timm gives the model: mean, std, interpolation,
    crop_fraction, resize_mode.
    `weights` is a file (safetensors, or PyTorch with tensors only), `package:NAME` for the file inside an installed
    package, `timm` for timm's own download, or None for random weights.
    `output_stride` makes the last map of a convolutional network finer, 8 or 16 pixels to a cell where 32 are usual:
    later stages are dilated instead of strided, and cost so much more.
    """

    name: str
    weights: str | None = None
    image_size: int | None = None
    output_stride: int | None = None
    preprocess: Mapping[str, Any] | None = None
    projection: str = "linear"

    def build(self, *, dim: int | None, load_weights: bool = True) -> Tower:
        """Return the tower; without `load_weights` only the architecture, for weights that come from a checkpoint."""
        encoder = self._encoder(load_weights=load_weights)
        spec = _adapted(_spec(encoder, self.image_size), self.preprocess or {})
        width = int(getattr(encoder, "head_hidden_size", None) or encoder.num_features)
        config: dict[str, Any] = {"timm": self.name}
        if self.output_stride is not None:  # the same weights give other features
            config["output_stride"] = self.output_stride
        trunk = TimmTrunk(encoder, width=width, spec=spec, config=config)
        return self.tower(trunk, dim=dim)

    def _encoder(self, *, load_weights: bool) -> Any:
        if not timm.is_model(self.name):
            known = timm.list_models()
            raise ClipbioError(f"model.image.name: timm has no model '{self.name}'{nearest(self.name, known)}")
        try:
            strided = {} if self.output_stride is None else {"output_stride": self.output_stride}
            pretrained = load_weights and self.weights == HUB
            encoder = timm.create_model(self.name, num_classes=0, pretrained=pretrained, **strided)
            if self.image_size is not None and hasattr(encoder, "set_input_size"):
                encoder.set_input_size(img_size=self.image_size)
        except Exception as error:  # timm and the hub document none of theirs
            raise ClipbioError(f"cannot make timm model {self.name}: {first_line(error)}") from error
        if load_weights and self.weights and self.weights != HUB:
            path = resolve_file(self.weights, "model.image.weights")
            state = timm_names(read_state_dict(path), encoder)
            load_exactly(encoder, state, source=str(path), ignore=_classifiers(encoder))
        return encoder.to(memory_format=torch.channels_last)


def timm_groups(model: Any, extra: nn.Module | None = None) -> list[list[nn.Parameter]]:
    """Return timm's layer groups from input to output; the parameters of `extra` join the last."""
    try:
        by_layer = group_parameters(model, model.group_matcher())
    except (AttributeError, AssertionError, NotImplementedError) as error:
        name = type(model).__name__
        raise ClipbioError(f"model: timm gives no groups for {name}; use unlocked=all or unlocked=0") from error
    groups = [[model.get_parameter(name) for name in by_layer[layer]] for layer in sorted(by_layer)]
    groups[-1] += list(extra.parameters()) if extra is not None else []
    return groups


def timm_names(state: Mapping[str, Tensor], encoder: Any) -> dict[str, Tensor]:
    """Give the weights of an EfficientNet in the naming of `efficientnet-pytorch` timm's names; leave others alone."""
    if "_conv_stem.weight" not in state:
        return dict(state)
    places = [f"blocks.{stage}.{block}" for stage, blocks in enumerate(encoder.blocks) for block in range(len(blocks))]
    expanded = {int(found[1]) for name in state if (found := re.match(r"_blocks\.(\d+)\._expand_conv\.", name))}
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    renamed = {}
    for name, tensor in state.items():
        *path, layer, leaf = name.split(".")
        if path:
            index = int(path[-1])
            if index >= len(places):
                raise ClipbioError(f"the weights have a block {index}, the model only {len(places)}: another variant?")
            renamed[f"{places[index]}.{_block_name(layer, index in expanded)}.{leaf}"] = tensor
        else:
            renamed[f"{outer.get(layer, layer)}.{leaf}"] = tensor
    return renamed


def _block_name(layer: str, expanded: bool) -> str:
    """Name a layer of a block: with an expansion first, norms and pointwise convolutions move on by one."""
    names = {"_depthwise_conv": "conv_dw", "_expand_conv": "conv_pw", "_bn0": "bn1"}
    if expanded:
        names |= {"_bn1": "bn2", "_bn2": "bn3", "_project_conv": "conv_pwl"}
    else:
        names |= {"_bn1": "bn1", "_bn2": "bn2", "_project_conv": "conv_pw"}
    return names.get(layer, layer)


def _classifiers(encoder: Any) -> tuple[str, ...]:
    names = (encoder.pretrained_cfg or {}).get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def _adapted(spec: ImageSpec, changes: Mapping[str, Any]) -> ImageSpec:
    for key in changes:
        if key not in _PREPROCESS:
            hint = nearest(key, _PREPROCESS)
            raise ClipbioError(f"model.image.preprocess.{key} is no part of an image transform{hint}")
    values: dict[str, Any] = {key: tuple(value) if key in ("mean", "std") else value for key, value in changes.items()}
    return dataclasses.replace(spec, **values)


def _spec(encoder: Any, image_size: int | None) -> ImageSpec:
    cfg = resolve_model_data_config(encoder)
    size = (image_size, image_size) if image_size else tuple(cfg["input_size"][-2:])
    return ImageSpec(
        size=size,
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
        interpolation=cfg["interpolation"],
        crop_fraction=float(cfg["crop_pct"]),
        resize_mode=_RESIZE_MODES.get(cfg["crop_mode"], "shortest"),
    )
