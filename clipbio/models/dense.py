"""Features of every place of a picture, in the space of the features of the whole.

A place is described as if the picture held nothing else: what the trunk's norm, pooling and head make of one token, or
of one cell of a map. A tower's projection then takes it like any feature, and its cosine with a text tells how much the
place looks like the words.

Shape suffixes: B batch, C channels, H height, W width, F features.
"""

from __future__ import annotations

from typing import Any, Literal, cast, get_args

from torch import Tensor, nn

from clipbio.errors import ClipbioError
from clipbio.models.adapter import ModifiedResNet, TimmModel
from clipbio.models.dense_attention import Mixing
from clipbio.models.dense_vit import vit_tokens
from clipbio.models.trunks import ImageTrunk

__all__ = ["DenseMethod", "cell", "dense_features", "dense_methods"]

DenseMethod = Literal["raw", "maskclip", "sclip", "conv"]
"""Ways to features of places: `conv` of convolutional networks, the others of vision transformers."""


def dense_methods(trunk: ImageTrunk) -> tuple[DenseMethod, ...]:
    """Name the ways in which a trunk gives features of places; none where its kind is not known."""
    if vit_tokens(_body(trunk)) is not None:
        return get_args(Mixing)
    return ("conv",) if _maps(trunk) else ()


def cell(trunk: ImageTrunk) -> tuple[int, int]:
    """Return height and width in pixels whose multiples a picture must have."""
    tokens = vit_tokens(_body(trunk))
    return (1, 1) if tokens is None else tokens.patch


def dense_features(trunk: ImageTrunk, pixels_BCHW: Tensor, method: DenseMethod) -> Tensor:
    """Return features_BFHW of the places of pictures, of any size that is a multiple of `cell`.

    `raw`: the last tokens of a vision transformer; `maskclip`, `sclip`: the same with another attention in the last
    block (`mixed_attention`); `conv`: the last map of a convolutional network, or for open_clip's ResNets its values in
    the attention pool. Position embeddings are interpolated for sizes other than that of training.

    Args:
        trunk: An image trunk in evaluation mode.
        pixels_BCHW: uint8 pixels, as the trunk takes them.
        method: One of `dense_methods(trunk)`.

    Raises:
        ClipbioError: The trunk has no such features, or the size does not fit.
    """
    known = dense_methods(trunk)
    if method not in known:
        can = f"take {', '.join(known)} or crop" if known else "of this kind of trunk no places are known: take crop"
        raise ClipbioError(f"method={method} gives no places of a {type(_body(trunk)).__name__}; {can}")
    high, wide = cell(trunk)
    if pixels_BCHW.shape[2] % high or pixels_BCHW.shape[3] % wide:
        size = " x ".join(map(str, pixels_BCHW.shape[2:]))
        raise ClipbioError(f"pictures of {size} pixels: give multiples of {high} x {wide}, the patch of the trunk")
    normalised_BCHW = trunk.normalise(pixels_BCHW)
    if method == "conv":
        return _map(trunk, normalised_BCHW)
    tokens = vit_tokens(_body(trunk))
    assert tokens is not None
    return _headed(trunk, tokens.dense(normalised_BCHW, method))


def _body(trunk: ImageTrunk) -> nn.Module:
    """Return the network itself; open_clip wraps those of timm, with a head behind."""
    encoder = trunk.encoder
    return cast(nn.Module, encoder.trunk) if isinstance(encoder, TimmModel) else encoder


def _maps(trunk: ImageTrunk) -> bool:
    """Tell whether the network ends in a map of places, the channels first, that a head pools."""
    body: Any = _body(trunk)
    if isinstance(body, ModifiedResNet):
        return True
    pools_alone = not isinstance(trunk.encoder, TimmModel) or "pool" not in trunk.encoder.head._modules
    has_map = hasattr(body, "forward_features") and hasattr(body, "forward_head") and hasattr(body, "feature_info")
    has_grid = any(isinstance(module, nn.Conv2d) for module in body.modules()) and not hasattr(body, "pos_embed")
    return pools_alone and has_map and has_grid and getattr(body, "output_fmt", "NCHW") == "NCHW"


def _map(trunk: ImageTrunk, pixels_BCHW: Tensor) -> Tensor:
    body: Any = _body(trunk)
    if isinstance(body, ModifiedResNet):
        for part in (body.stem, body.layer1, body.layer2, body.layer3, body.layer4):
            pixels_BCHW = part(pixels_BCHW)
        pool: Any = body.attnpool
        values: Tensor = pool.c_proj(pool.v_proj(pixels_BCHW.movedim(1, -1)))
        return values.movedim(-1, 1)
    map_BFHW: Tensor = body.forward_features(pixels_BCHW)
    if map_BFHW.ndim != 4:
        raise ClipbioError(f"method=conv: {type(body).__name__} ends in no map of places; take crop")
    batch, _, high, wide = map_BFHW.shape
    # Each cell as a map of its own: the head's norm and activation act on it, its pooling has nothing to do.
    alone = body.forward_head(map_BFHW.movedim(1, -1).flatten(0, 2)[..., None, None])
    return _headed(trunk, alone.reshape(batch, high, wide, -1).movedim(-1, 1))


def _headed(trunk: ImageTrunk, features_BFHW: Tensor) -> Tensor:
    """Apply what open_clip leaves behind a network of timm, once its projection is taken off."""
    if not isinstance(trunk.encoder, TimmModel):
        return features_BFHW
    features: Tensor = trunk.encoder.head(features_BFHW.movedim(1, -1))
    return features.movedim(-1, 1)
