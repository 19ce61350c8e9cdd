"""Towers as the halves of an open_clip model: architecture and weights, with the projection put back where it was.

What `clipbio.models.openclip_trunks` splits off is joined again; new linear projections take the same place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from timm.layers import Mlp
from torch import Tensor, nn

from clipbio.errors import ClipbioError
from clipbio.exporting.affine import Affine, affine_of, what_it_is
from clipbio.models import Tower
from clipbio.models.adapter import HFTextEncoder, ModifiedResNet, TextTransformer, TimmModel, VisionTransformer
from clipbio.models.openclip_trunks import OpenClipImage, OpenClipText
from clipbio.models.projections import Projection
from clipbio.models.timm_trunk import TimmTrunk
from clipbio.models.transformers_trunk import TransformersTrunk

__all__ = ["Half", "image_half", "projection_of", "text_half"]

State = dict[str, Tensor]
_POOLERS = {"mean": "mean_pooler", "first": "cls_last_hidden_state_pooler"}


class Half(NamedTuple):
    """`vision_cfg` or `text_cfg`, and the weights by their names below `visual.` or `text.`."""

    config: dict[str, Any]
    state: State


def projection_of(tower: Tower, name: str) -> Projection:
    """Return the projection of that name; a tower without one takes part with its `default`."""
    head = tower.projections[name if name in tower.projections else "default"]
    assert isinstance(head, Projection)
    return head


def image_half(tower: Tower, projection: str) -> Half:
    """Return the image tower as open_clip has it.

    Raises:
        ClipbioError: No architecture of open_clip can hold it.
    """
    trunk, head = tower.trunk, projection_of(tower, projection)
    encoder, state = trunk.encoder, dict(trunk.encoder.state_dict())
    if isinstance(trunk, TimmTrunk):
        config = {"timm_model_name": trunk.config["timm"], "timm_pool": "", "image_size": _side(trunk.spec.size)}
        state = {f"trunk.{name}": tensor for name, tensor in state.items()}
        return _in_timm_head(config, state, _one_layer(head, "image", "timm tower"))
    assert isinstance(trunk, OpenClipImage)
    config = dict(trunk.config["vision_cfg"]) | {"image_size": _side(trunk.spec.size)}
    if isinstance(encoder, VisionTransformer):
        layer = _without_bias(_one_layer(head, "image", "ViT"), "image", "ViT")
        return Half(config, {**state, "proj": layer.weight_DF.T})
    if isinstance(encoder, TimmModel):
        return _timm(encoder, config, state, head)
    kind = "ResNet" if isinstance(encoder, ModifiedResNet) else type(encoder).__name__
    if not _one_layer(head, "image", kind).is_identity:
        raise _unfit("image", kind, head, "it pools and projects in one step and has no place for another layer")
    return Half(config, state)


def text_half(tower: Tower, projection: str, *, hf_model_name: str) -> Half:
    """Return the text tower as open_clip has it; a transformers one is looked for under `hf_model_name`.

    Raises:
        ClipbioError: No architecture of open_clip can hold it.
    """
    trunk, head = tower.trunk, projection_of(tower, projection)
    encoder, state = trunk.encoder, dict(trunk.encoder.state_dict())
    if isinstance(trunk, TransformersTrunk):
        if trunk.pooling not in _POOLERS:
            raise ClipbioError(f"model.text.pooling={trunk.pooling} is none of open_clip's poolings")
        config = {"hf_pooler_type": _POOLERS[trunk.pooling], "context_length": trunk.context_length}
        state = {f"transformer.{name}": tensor for name, tensor in state.items()}
        return _hugging_face(config, state, head, hf_model_name)
    assert isinstance(trunk, OpenClipText)
    config = dict(trunk.config["text_cfg"]) | {"context_length": trunk.context_length}
    if isinstance(encoder, HFTextEncoder):
        return _hugging_face(config, state, head, hf_model_name)
    if not isinstance(encoder, TextTransformer):
        raise _unfit("text", type(encoder).__name__, head, "open_clip's form of it is not known here")
    return _text_transformer(config, state, _one_layer(head, "text", "transformer"))


def _text_transformer(config: dict[str, Any], state: State, layer: Affine) -> Half:
    if config.get("proj_type") == "none" and layer.is_identity:
        return Half(config, state)
    if config.get("proj_type") == "none":
        config = config | {"proj_type": "linear"}
    if not config.get("proj_bias") and layer.bias_D is None:
        return Half(config, {**state, "text_projection": layer.weight_DF.T})
    bias_D = torch.zeros(len(layer.weight_DF)) if layer.bias_D is None else layer.bias_D
    added = {"text_projection.weight": layer.weight_DF, "text_projection.bias": bias_D}
    return Half(config | {"proj_bias": True}, {**state, **added})


def _hugging_face(config: dict[str, Any], state: State, head: Projection, name: str) -> Half:
    config = config | {"hf_model_name": name, "hf_tokenizer_name": name}
    body = head.body.state_dict()
    if isinstance(head.body, nn.Sequential) and {*body} == {"0.weight", "2.weight"} and _plain(head):
        # The MLP that open_clip itself puts there.
        return Half(config | {"hf_proj_type": "mlp"}, state | {f"proj.{key}": one for key, one in body.items()})
    layer = _without_bias(_one_layer(head, "text", "transformers tower"), "text", "transformers tower")
    return Half(config | {"hf_proj_type": "linear"}, {**state, "proj.weight": layer.weight_DF})


def _timm(encoder: Any, config: dict[str, Any], state: State, head: Projection) -> Half:
    if isinstance(head.body, Mlp) and _plain(head):
        body = {f"head.mlp.{key}": tensor for key, tensor in head.body.state_dict().items()}
        return Half(config | {"timm_proj_bias": head.body.fc2.bias is not None}, state | body)
    layer = _one_layer(head, "image", "timm tower")
    kind = config.get("timm_proj", "linear")
    if layer.is_identity and kind != "linear":
        return Half(config, state)
    if config.get("timm_pool") == "map":
        raise _unfit("image", "timm tower", head, "it pools by attention and has no place for another layer")
    if not kind and "pool" not in encoder.head._modules:
        # timm's own classifier serves as projection.
        name = (encoder.trunk.pretrained_cfg or {})["classifier"]
        bias_D = torch.zeros(len(layer.weight_DF)) if layer.bias_D is None else layer.bias_D
        return Half(config, {**state, f"trunk.{name}.weight": layer.weight_DF, f"trunk.{name}.bias": bias_D})
    return _in_timm_head(config, state, layer)


def _in_timm_head(config: dict[str, Any], state: State, layer: Affine) -> Half:
    added = {"head.proj.weight": layer.weight_DF} | ({} if layer.bias_D is None else {"head.proj.bias": layer.bias_D})
    return Half(config | {"timm_proj": "linear", "timm_proj_bias": layer.bias_D is not None}, {**state, **added})


def _one_layer(head: Projection, modality: str, kind: str) -> Affine:
    layer = affine_of(head)
    if layer is None:
        raise _unfit(modality, kind, head, "it holds one linear layer alone")
    return layer


def _without_bias(layer: Affine, modality: str, kind: str) -> Affine:
    if layer.bias_D is not None:
        raise ClipbioError(
            f"the {modality} projection needs a bias (of its own, or from input_norm=standard), and open_clip's {kind} "
            "has no place for one: take format=onnx or format=checkpoint"
        )
    return layer


def _unfit(modality: str, kind: str, head: Projection, why: str) -> ClipbioError:
    return ClipbioError(
        f"the {modality} projection is {what_it_is(head)}, which open_clip's {kind} cannot hold ({why}): "
        "take format=onnx or format=checkpoint, or train with projection=linear"
    )


def _plain(head: Projection) -> bool:
    return isinstance(head.input_norm, nn.Identity)


def _side(size: tuple[int, int]) -> int | list[int]:
    return size[0] if size[0] == size[1] else list(size)
