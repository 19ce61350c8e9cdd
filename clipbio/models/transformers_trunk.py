"""Text trunks of transformers: any encoder it can load, with mean or first-token pooling.

Shape suffixes: B batch, L tokens, F features.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from clipbio.errors import ClipbioError, nearest
from clipbio.models.options import TowerOptions
from clipbio.models.tokenizer import Tokenizer
from clipbio.models.tower import Tower
from clipbio.models.trunks import TextTrunk
from clipbio.models.weights import PACKAGE, first_line, resolve_folder

__all__ = ["TransformersText", "TransformersTrunk"]

POOLINGS = ("mean", "first", "mean_all")
# Keys of a transformers config that say where it was saved, not what it computes.
_VOLATILE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures")


class TransformersTrunk(TextTrunk):
    """A transformers encoder and a pooling over its tokens; padding takes no part in either.

    Only `mean_all` averages over padding too, as the text tower of CLIBD does (https://arxiv.org/abs/2405.17537): its
    features depend on the context length.
    """

    def __init__(
        self, encoder: nn.Module, *, width: int, tokenizer: Tokenizer, pooling: str, config: dict[str, Any]
    ) -> None:
        super().__init__(encoder, width=width, tokenizer=tokenizer, config=config | {"pooling": pooling})
        self.pooling = pooling

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Return pooled features_BF of tokens."""
        mask_BL = tokens_BL != self.tokenizer.pad_id
        # Columns that are padding in every row cost time and change nothing.
        if self.pooling != "mean_all":
            length = int(mask_BL.any(dim=0).sum().clamp(min=1)) if mask_BL.numel() else 1
            tokens_BL = tokens_BL[:, :length]
        return self.untrimmed(tokens_BL)

    def untrimmed(self, tokens_BL: Tensor) -> Tensor:
        """Return pooled features_BF of all columns, the same to rounding."""
        mask_BL, tokens_BL = (tokens_BL != self.tokenizer.pad_id).long(), tokens_BL.long()
        states_BLF: Tensor = self.encoder(input_ids=tokens_BL, attention_mask=mask_BL).last_hidden_state
        if self.pooling == "first":
            return states_BLF[:, 0]
        if self.pooling == "mean_all":
            return states_BLF.mean(dim=1)
        weights_BL1 = mask_BL.unsqueeze(-1).to(states_BLF.dtype)
        return (states_BLF * weights_BL1).sum(dim=1) / weights_BL1.sum(dim=1).clamp(min=1)


@dataclass(frozen=True, kw_only=True)
class TransformersText(TowerOptions):
    """How to make a text tower of a transformers encoder.

    `weights` is a model folder as transformers or sentence-transformers save it, `package:NAME` for the one inside an
    installed package, or a name on the hub. `context_length` defaults to the folder's own limit. `pooling` is
    `mean`, `first`, or `mean_all` over all positions with padding.
    """

    weights: str
    context_length: int | None = None
    pooling: str = "mean"
    projection: str = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pooling not in POOLINGS:
            raise ClipbioError(f"model.text: unknown pooling '{self.pooling}'{nearest(self.pooling, POOLINGS)}")

    def build(self, *, dim: int | None, load_weights: bool = True) -> Tower:
        """Return the tower; without `load_weights` only the architecture, for weights that come from a checkpoint."""
        source = self._source()
        try:
            config = AutoConfig.from_pretrained(source)
            tokenizer = AutoTokenizer.from_pretrained(source)
            encoder, missing = _encoder(source, config, load_weights=load_weights)
        except Exception as error:  # transformers and the hub document none of theirs
            raise ClipbioError(
                f"model.text.weights: cannot load '{self.weights}' ({type(error).__name__}: {first_line(error)}); "
                "give a model folder"
            ) from error
        if missing:
            raise ClipbioError(f"model.text.weights: '{self.weights}' lacks weight '{missing[0]}' of its architecture")
        trunk = TransformersTrunk(
            encoder,
            width=int(config.hidden_size),
            tokenizer=self._tokenizer(tokenizer, config, source),
            pooling=self.pooling,
            config={k: v for k, v in config.to_diff_dict().items() if k not in _VOLATILE},
        )
        return self.tower(trunk, dim=dim)

    def _source(self) -> str:
        if self.weights.startswith(PACKAGE) or Path(self.weights).expanduser().exists():
            return str(resolve_folder(self.weights, "model.text.weights"))
        if self.weights.startswith((".", "/", "~")) or self.weights.count("/") > 1:
            raise ClipbioError(f"model.text.weights: there is no folder '{self.weights}'")
        return self.weights

    def _tokenizer(self, tokenizer: Any, config: Any, source: str) -> Tokenizer:
        limit = int(getattr(config, "max_position_embeddings", 0) or tokenizer.model_max_length)
        length = self.context_length or _sentence_length(Path(source)) or limit
        if length > limit:
            raise ClipbioError(f"model.text.context_length={length}: '{self.weights}' reads at most {limit} tokens")
        return Tokenizer(HuggingFaceEncode(tokenizer), context_length=length, pad_id=int(tokenizer.pad_token_id))


class HuggingFaceEncode:
    """Call a transformers tokenizer the way `Tokenizer` wants it."""

    def __init__(self, tokenizer: Any) -> None:
        tokenizer.padding_side = "right"
        self.tokenizer = tokenizer

    def __call__(self, texts: Sequence[str], context_length: int) -> Tensor:
        """Return tokens_BL padded or cut to `context_length`."""
        encoded = self.tokenizer(
            list(texts), max_length=context_length, padding="max_length", truncation=True, return_tensors="pt"
        )
        tokens_BL: Tensor = encoded["input_ids"]
        return tokens_BL


def _encoder(source: str, config: Any, *, load_weights: bool) -> tuple[nn.Module, list[str]]:
    """Return the bare encoder and the names of weights that the source lacks."""
    missing: list[str] = []
    if load_weights:
        with _no_progress_bar():
            encoder, info = AutoModel.from_pretrained(source, dtype=torch.float32, output_loading_info=True)
        missing = sorted(name for name in info["missing_keys"] if "pooler" not in name.split("."))
    else:
        encoder = AutoModel.from_config(config, dtype=torch.float32)
    if getattr(config, "is_encoder_decoder", False):
        encoder = encoder.get_encoder()
    if getattr(encoder, "pooler", None) is not None:
        # Its output is not used: left in, it would be a part without gradient, which distributed training refuses.
        encoder.pooler = None
    return encoder, missing


@contextlib.contextmanager
def _no_progress_bar() -> Iterator[None]:
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _sentence_length(folder: Path) -> int | None:
    path = folder / "sentence_bert_config.json"
    if not path.is_file():
        return None
    length: int | None = json.loads(path.read_text()).get("max_seq_length")
    return length
