"""Tokens of the vision transformers of open_clip and timm, block by block, at any size of the picture.

Shape suffixes: B batch, C channels, H height, W width of pixels or of the grid, L tokens, F features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from open_clip.transformer import ResidualAttentionBlock
from timm.layers import Attention, resample_abs_pos_embed
from timm.models.vision_transformer import Block
from timm.models.vision_transformer import VisionTransformer as TimmViT
from torch import Tensor, nn

from clipbio.models.adapter import VisionTransformer
from clipbio.models.dense_attention import Mixing, mixed_attention

__all__ = ["VitTokens", "vit_tokens"]


class VitTokens(ABC):
    """A vision transformer as what it does one after the other: embed, blocks, norm, pooling."""

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder

    def states(self, pixels_BCHW: Tensor, mixing: Mixing) -> Tensor:
        """Return the tokens_BLF that would be pooled, the last block mixing them as asked.

        Its residual paths and its MLP stay, as in the published code of both methods: norm and projection were trained
        on their sum, and with the block's own attention (`raw`) these are the very tokens of the encoder.

        Args:
            pixels_BCHW: Normalised pixels; both sides are multiples of `patch`.
            mixing: How the tokens of the last block mix.
        """
        states_BLF = self.embed(pixels_BCHW)
        for block in self.blocks[:-1]:
            states_BLF = block(states_BLF)
        return self.normed(self.last(self.blocks[-1], states_BLF, mixing))

    def dense(self, pixels_BCHW: Tensor, mixing: Mixing) -> Tensor:
        """Return features_BFHW, one for each patch, in the space of the trunk's features."""
        states_BLF = self.states(pixels_BCHW, mixing)[:, self.prefix :]
        features_BLF = self.pooled_alone(states_BLF)
        high, wide = self._grid(pixels_BCHW)
        return features_BLF.transpose(1, 2).reshape(len(features_BLF), -1, high, wide)

    def _grid(self, pixels_BCHW: Tensor) -> tuple[int, int]:
        high, wide = self.patch
        return pixels_BCHW.shape[2] // high, pixels_BCHW.shape[3] // wide

    def _positions(self, table_1LF: Tensor, grid: tuple[int, int], old: Sequence[int], prefix: int) -> Tensor:
        """Return position embeddings of a grid: those of training, interpolated where it had another size."""
        table: Tensor = resample_abs_pos_embed(table_1LF, list(grid), old_size=list(old), num_prefix_tokens=prefix)
        return table

    @property
    @abstractmethod
    def patch(self) -> tuple[int, int]:
        """Height and width of a patch in pixels."""

    @property
    @abstractmethod
    def prefix(self) -> int:
        """Number of tokens before those of patches."""

    @property
    @abstractmethod
    def blocks(self) -> Sequence[Any]:
        """The blocks in their order."""

    @abstractmethod
    def embed(self, pixels_BCHW: Tensor) -> Tensor:
        """Return the tokens_BLF before the first block."""

    @abstractmethod
    def last(self, block: Any, states_BLF: Tensor, mixing: Mixing) -> Tensor:
        """Return what a block gives with another attention."""

    @abstractmethod
    def normed(self, states_BLF: Tensor) -> Tensor:
        """Return the tokens as the pooling takes them."""

    @abstractmethod
    def pooled_alone(self, states_BLF: Tensor) -> Tensor:
        """Return for each token what the pooling would give of a picture that has it alone."""


class _OpenClip(VitTokens):
    @property
    def patch(self) -> tuple[int, int]:
        high, wide = self.encoder.patch_size
        return int(high), int(wide)

    @property
    def prefix(self) -> int:
        return 1

    @property
    def blocks(self) -> Sequence[Any]:
        blocks: Sequence[Any] = self.encoder.transformer.resblocks
        return blocks

    def embed(self, pixels_BCHW: Tensor) -> Tensor:
        encoder = self.encoder
        patches_BLF = encoder.conv1(pixels_BCHW).flatten(2).transpose(1, 2)
        class_B1F = encoder.class_embedding.to(patches_BLF.dtype).expand(len(patches_BLF), 1, -1)
        table_1LF = encoder.positional_embedding[None]
        places_1LF = self._positions(table_1LF, self._grid(pixels_BCHW), encoder.grid_size, 1)
        embedded: Tensor = encoder.ln_pre(torch.cat([class_B1F, patches_BLF], dim=1) + places_1LF.to(patches_BLF.dtype))
        return embedded

    def last(self, block: Any, states_BLF: Tensor, mixing: Mixing) -> Tensor:
        states_BLF = states_BLF + block.ls_1(mixed_attention(block.attn, block.ln_1(states_BLF), mixing))
        after: Tensor = states_BLF + block.ls_2(block.mlp(block.ln_2(states_BLF)))
        return after

    def normed(self, states_BLF: Tensor) -> Tensor:
        before = self.encoder.attn_pool is not None or self.encoder.final_ln_after_pool
        return states_BLF if before else self.encoder.ln_post(states_BLF)

    def pooled_alone(self, states_BLF: Tensor) -> Tensor:
        if self.encoder.attn_pool is not None:
            return _each_alone(lambda one: self.encoder._pool(one)[0], states_BLF)
        return self.encoder.ln_post(states_BLF) if self.encoder.final_ln_after_pool else states_BLF


class _Timm(VitTokens):
    @property
    def patch(self) -> tuple[int, int]:
        high, wide = self.encoder.patch_embed.patch_size
        return int(high), int(wide)

    @property
    def prefix(self) -> int:
        return int(self.encoder.num_prefix_tokens)

    @property
    def blocks(self) -> Sequence[Any]:
        blocks: Sequence[Any] = self.encoder.blocks
        return blocks

    def embed(self, pixels_BCHW: Tensor) -> Tensor:
        encoder = self.encoder
        patches_BLF = encoder.patch_embed.norm(encoder.patch_embed.proj(pixels_BCHW).flatten(2).transpose(1, 2))
        special = [one for one in (encoder.cls_token, encoder.reg_token) if one is not None]
        before = [one.expand(len(patches_BLF), -1, -1) for one in special]
        if encoder.pos_embed is None:
            joined_BLF = torch.cat([*before, patches_BLF], dim=1)
        else:
            prefix = 0 if encoder.no_embed_class else self.prefix
            grid, old = self._grid(pixels_BCHW), encoder.patch_embed.grid_size
            places_1LF = self._positions(encoder.pos_embed, grid, old, prefix)
            if encoder.no_embed_class:
                joined_BLF = torch.cat([*before, patches_BLF + places_1LF], dim=1)
            else:
                joined_BLF = torch.cat([*before, patches_BLF], dim=1) + places_1LF
        embedded: Tensor = encoder.norm_pre(joined_BLF)
        return embedded

    def last(self, block: Any, states_BLF: Tensor, mixing: Mixing) -> Tensor:
        states_BLF = states_BLF + block.ls1(mixed_attention(block.attn, block.norm1(states_BLF), mixing))
        after: Tensor = states_BLF + block.ls2(block.mlp(block.norm2(states_BLF)))
        return after

    def normed(self, states_BLF: Tensor) -> Tensor:
        normed: Tensor = self.encoder.norm(states_BLF)
        return normed

    def pooled_alone(self, states_BLF: Tensor) -> Tensor:
        pool = self.encoder.attn_pool
        features_BLF = states_BLF if pool is None else _each_alone(pool, states_BLF)
        pooled: Tensor = self.encoder.head(self.encoder.fc_norm(features_BLF))
        return pooled


def vit_tokens(encoder: nn.Module) -> VitTokens | None:
    """Return a vision transformer of open_clip or timm in parts; None for any other encoder, or other blocks."""
    if isinstance(encoder, VisionTransformer) and encoder.pool_type != "none":
        blocks = list(encoder.transformer.resblocks)
        return _OpenClip(encoder) if all(type(block) is ResidualAttentionBlock for block in blocks) else None
    if isinstance(encoder, TimmViT) and encoder.global_pool in ("", "token", "avg", "map", "max", "avgmax"):
        return (
            _Timm(encoder)
            if all(type(one) is Block and type(one.attn) is Attention for one in encoder.blocks)
            and (encoder.attn_pool is None or encoder.attn_pool.pos_embed is None)
            else None
        )
    return None


def _each_alone(pool: Any, states_BLF: Tensor) -> Tensor:
    """Pool every token by itself: attention over one token is its value, so this is the pool's value path."""
    alone: Tensor = pool(states_BLF.flatten(0, 1)[:, None])
    return alone.reshape(*states_BLF.shape[:2], -1)
