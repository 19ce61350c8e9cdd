"""open_clip's encoders as trunks: the projection is split off, so that what comes before it can be cached.

The projection is found in a ViT (`proj`), a text transformer (`text_projection`), a timm tower (its head, or the
classifier that timm puts at the end) and a transformers text tower (`proj`). Where pooling and projection are one
module, as in the attention pool of the ResNets and of SigLIP's image tower, features are what open_clip gives and the
projection is the identity.

Shape suffixes: B batch, L tokens, W width, F features.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from clipbio.errors import ClipbioError
from clipbio.models.adapter import (
    HFTextEncoder,
    Loaded,
    ModifiedResNet,
    TextTransformer,
    TimmModel,
    VisionTransformer,
)
from clipbio.models.captioner import CaptionDecoder
from clipbio.models.projections import linear_from
from clipbio.models.timm_trunk import timm_groups
from clipbio.models.trunks import ImageTrunk, TextTrunk, block_groups, recompute_blocks

__all__ = ["OpenClipImage", "OpenClipText", "caption_decoder", "image_parts", "text_parts"]

Groups = list[list[nn.Parameter]]

# A GPU compiles and tunes for each length that it meets: there, lengths are rounded up to few.
_LENGTH_STEP = 16


class OpenClipImage(ImageTrunk):
    """An image tower of open_clip without its projection."""

    def groups(self) -> Groups:
        """Return the parameters from input to output: stem, blocks or stages, the last with the final norm."""
        if isinstance(self.encoder, TimmModel):
            return timm_groups(self.encoder.trunk, extra=self.encoder.head)
        if isinstance(self.encoder, ModifiedResNet):
            return _resnet_groups(self.encoder)
        return block_groups(self.encoder)

    def checkpoint_activations(self) -> None:
        """Compute the activations of blocks again in the backward pass."""
        if isinstance(self.encoder, ModifiedResNet):  # it would ignore the wish in silence, as TimmModel may
            raise ClipbioError("model.image.gradient_checkpointing: the ResNets of open_clip cannot do it")
        recompute_blocks(self.encoder.trunk if isinstance(self.encoder, TimmModel) else self.encoder, self.modality)

    def states(self, pixels_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return features_BF and the tokens_BNW that the caption decoder of a CoCa reads."""
        return _with_states(self.encoder, self.normalise(pixels_BCHW))


class OpenClipText(TextTrunk):
    """A text tower of open_clip without its projection.

    Where attention is causal and the feature is taken at the end-of-text token, what follows that token decides
    nothing: columns behind the last one of a batch are cut, and features and gradients stay as they are.
    """

    def __init__(self, encoder: nn.Module, **settings: Any) -> None:
        super().__init__(encoder, **settings)
        self._trims = _reads_no_further_than_its_end(encoder)
        if isinstance(encoder, TextTransformer):
            encoder.transformer.register_forward_pre_hook(_fit_mask, with_kwargs=True)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Return features_BF of tokens."""
        return super().forward(self.trim(tokens_BL) if self._trims else tokens_BL)

    def checkpoint_activations(self) -> None:
        """Compute the activations of blocks again in the backward pass."""
        inner = self.encoder.transformer if isinstance(self.encoder, HFTextEncoder) else self.encoder
        recompute_blocks(inner, self.modality)

    def states(self, tokens_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return features_BF and the states_BLW of words that the caption decoder of a CoCa reads."""
        return _with_states(self.encoder, tokens_BL.long())

    def trim(self, tokens_BL: Tensor) -> Tensor:
        """Cut the columns behind the last end-of-text token of the batch."""
        if tokens_BL.numel() == 0:
            return tokens_BL
        eos: Any = self.encoder.eos_id
        # As open_clip finds it: its own vocabulary ends with the end-of-text token.
        is_end_BL = (tokens_BL == eos).int() if self.encoder.pool_type == "eos" else tokens_BL
        length = int(is_end_BL.argmax(dim=1).max()) + 1
        step = 1 if tokens_BL.device.type == "cpu" else _LENGTH_STEP
        return tokens_BL[:, : -(-length // step) * step]


def _with_states(encoder: Any, inputs: Tensor) -> tuple[Tensor, Tensor]:
    encoder.output_tokens = True
    try:
        features_BF, states_BNW = encoder(inputs)
    finally:
        encoder.output_tokens = False
    return features_BF, states_BNW


def _reads_no_further_than_its_end(encoder: nn.Module) -> bool:
    return (
        isinstance(encoder, TextTransformer)
        and encoder.attn_mask is not None
        and encoder.cls_emb is None
        and encoder.pool_type in ("argmax", "eos")
    )


def _fit_mask(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Cut the causal mask to the length of x_BLW: open_clip hands over the one of its full context."""
    mask_LL = kwargs.get("attn_mask")
    if isinstance(mask_LL, Tensor) and mask_LL.ndim == 2:
        length = args[0].shape[1]
        kwargs = {**kwargs, "attn_mask": mask_LL[:length, :length]}
    return args, kwargs


def image_parts(loaded: Loaded) -> tuple[OpenClipImage, nn.Module]:
    """Return the image trunk and its own projection."""
    visual, embed_dim = loaded.visual, int(loaded.config["embed_dim"])
    body, width = _split_image(visual, embed_dim)
    config = {"embed_dim": embed_dim, "vision_cfg": _one_vector(loaded.config["vision_cfg"]), **_activation(loaded)}
    return OpenClipImage(visual, width=width, spec=loaded.spec, config=config), body


def text_parts(loaded: Loaded) -> tuple[OpenClipText, nn.Module]:
    """Return the text trunk and its own projection."""
    text, embed_dim = loaded.text, int(loaded.config["embed_dim"])
    body, width = _split_text(text, embed_dim)
    config = {"embed_dim": embed_dim, "text_cfg": _one_vector(loaded.config["text_cfg"]), **_activation(loaded)}
    return OpenClipText(text, width=width, tokenizer=loaded.tokenizer, config=config), body


def caption_decoder(loaded: Loaded) -> CaptionDecoder | None:
    """Return the caption decoder of a CoCa model, None for any other.

    Raises:
        ClipbioError: Texts are longer than it reads.
    """
    if loaded.decoder is None:
        return None
    decoder = CaptionDecoder(loaded.decoder, initialise=loaded.random)
    if loaded.tokenizer.context_length > decoder.context_length:
        raise ClipbioError(
            f"model.context_length={loaded.tokenizer.context_length}: the caption decoder reads at most "
            f"{decoder.context_length} tokens"
        )
    return decoder


def _one_vector(config: dict[str, Any]) -> dict[str, Any]:
    """Drop the setting that a CoCa gives its states too: a trunk gives one vector."""
    return {key: value for key, value in config.items() if key != "output_tokens"}


def _activation(loaded: Loaded) -> dict[str, Any]:
    return {"quick_gelu": bool(loaded.config.get("quick_gelu", False))}


def _split_image(visual: nn.Module, embed_dim: int) -> tuple[nn.Module, int]:
    if isinstance(visual, VisionTransformer):
        if visual.pool_type == "none":
            raise ClipbioError("the image tower gives one vector per token (pool_type=none): it has no single feature")
        weight, visual.proj, visual.output_tokens = visual.proj, None, False
        return linear_from(weight), int(weight.shape[0])
    if isinstance(visual, TimmModel):
        return _split_timm(visual, embed_dim)
    return nn.Identity(), embed_dim


def _split_timm(visual: Any, embed_dim: int) -> tuple[nn.Module, int]:
    head = visual.head
    if "proj" in head._modules:
        drop = head._modules.pop("drop")
        linear = head._modules.pop("proj")
        return (nn.Sequential(drop, linear) if drop.p else linear), int(linear.in_features)
    if "mlp" in head._modules:
        mlp = head._modules.pop("mlp")
        return mlp, int(mlp.fc1.in_features)
    if len(head) == 0:
        return _split_classifier(visual.trunk, embed_dim)
    return nn.Identity(), embed_dim


def _split_classifier(trunk: Any, embed_dim: int) -> tuple[nn.Module, int]:
    """Take timm's last linear layer, which serves as projection when open_clip adds none."""
    name = (trunk.pretrained_cfg or {}).get("classifier")
    if isinstance(name, str) and name:
        parent_name, _, leaf = name.rpartition(".")
        parent = trunk.get_submodule(parent_name)
        linear = getattr(parent, leaf, None)
        if isinstance(linear, nn.Linear) and linear.out_features == embed_dim:
            setattr(parent, leaf, nn.Identity())
            return linear, linear.in_features
    return nn.Identity(), embed_dim


def _split_text(text: Any, embed_dim: int) -> tuple[nn.Module, int]:
    if isinstance(text, TextTransformer):
        if text.pool_type == "none":
            raise ClipbioError("the text tower gives one vector per token (pool_type=none): it has no single feature")
        own, text.text_projection, text.output_tokens = text.text_projection, None, False
        if own is None:
            return nn.Identity(), int(text.width)
        return (own if isinstance(own, nn.Linear) else linear_from(own)), int(text.width)
    if isinstance(text, HFTextEncoder):
        own, text.proj, text.output_tokens = text.proj, nn.Identity(), False
        first = next((layer for layer in own.modules() if isinstance(layer, nn.Linear)), None)
        return own, first.in_features if first is not None else embed_dim
    return nn.Identity(), embed_dim


def _resnet_groups(encoder: nn.Module) -> Groups:
    stages = [getattr(encoder, name) for name in ("layer1", "layer2", "layer3", "layer4", "attnpool")]
    groups = [list(stage.parameters()) for stage in stages]
    later = {id(parameter) for group in groups for parameter in group}
    return [[parameter for parameter in encoder.parameters() if id(parameter) not in later], *groups]
