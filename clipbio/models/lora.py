"""Low-rank adapters on a frozen trunk (LoRA, https://arxiv.org/abs/2106.09685), put on through peft.

Adapters stand beside the weights they change: `NAME.weight` becomes `NAME.base_layer.weight`, with the trained
`NAME.lora_A.default.weight` and `NAME.lora_B.default.weight` next to it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from torch import Tensor, nn

from clipbio.errors import ClipbioError, nearest
from clipbio.models.weights import first_line

__all__ = ["LoraOptions", "add_adapters", "adopt_plain", "has_adapters", "merge_adapters"]

_log = logging.getLogger(__name__)
_ADAPTER, _BASE = re.compile(r"(^|\.)lora_"), ".base_layer"
_MISSING = "model: lora needs the package peft, which is not installed: pip install 'clipbio[lora]'"


@dataclass(frozen=True, kw_only=True)
class LoraOptions:
    """How adapters are made.

    `rank`: inner width of an adapter.
    `alpha`: adapters are scaled by `alpha / rank`; by default alpha is the rank.
    `dropout`: on the input of adapters; the fused attention of open_clip's towers cannot have it.
    `targets`: `auto` (attention and all linear layers), or endings of the names of linear, convolution and attention
        layers.
    """

    rank: int
    alpha: float | None = None
    dropout: float = 0.0
    targets: Literal["auto"] | Sequence[str] = "auto"

    def __post_init__(self) -> None:
        if type(self.rank) is not int or self.rank < 1:
            raise ClipbioError(f"model: lora.rank is a whole number from 1 on, not '{self.rank}'")
        if self.alpha is not None and not self.alpha > 0:
            raise ClipbioError(f"model: lora.alpha is above 0, not {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ClipbioError(f"model: lora.dropout lies in [0, 1), not {self.dropout}")
        if self.targets != "auto" and (isinstance(self.targets, str) or not self.targets):
            raise ClipbioError(f"model: lora.targets is 'auto' or a list of endings of layer names, not {self.targets}")

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> LoraOptions:
        """Return the options of a mapping."""
        known = [field.name for field in fields(cls)]
        for key in value:
            if key not in known:
                raise ClipbioError(f"model: lora.{key} is unknown{nearest(str(key), known)}")
        if "rank" not in value:
            raise ClipbioError("model: lora needs a rank, such as lora={rank: 8}")
        return cls(**value)


def add_adapters(encoder: nn.Module, options: LoraOptions, within: Sequence[nn.Parameter]) -> None:
    """Put adapters on layers of an encoder, in place; everything but them is frozen.

    Args:
        encoder: Its weights must be loaded.
        options: How adapters are made.
        within: Weights of the part of the encoder that is to be trained; layers outside it get no adapter.
    """
    try:
        import peft
    except ImportError as error:
        raise ClipbioError(_MISSING) from error
    from clipbio.models.lora_attention import FusedAttention

    names = _targets(encoder, options.targets, {id(parameter) for parameter in within})
    if options.dropout and any(isinstance(encoder.get_submodule(name), nn.MultiheadAttention) for name in names):
        _log.warning("lora.dropout acts on linear layers alone: fused attention has no place for it")
    config = peft.LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha or options.rank,
        lora_dropout=options.dropout,
        # As a pattern it must match a whole name; in a list each name would be an ending.
        target_modules="|".join(re.escape(name) for name in names),
    )
    config._register_custom_module({nn.MultiheadAttention: FusedAttention})
    try:
        peft.inject_adapter_in_model(config, encoder)
    except (ValueError, TypeError) as error:
        raise ClipbioError(f"model: lora cannot be put on {names[0]} and its like: {first_line(error)}") from error


def _targets(encoder: nn.Module, wanted: Literal["auto"] | Sequence[str], within: set[int]) -> list[str]:
    kinds = (nn.Linear, nn.MultiheadAttention) if wanted == "auto" else (nn.Linear, nn.Conv2d, nn.MultiheadAttention)
    fused = [f"{name}." for name, module in encoder.named_modules() if isinstance(module, nn.MultiheadAttention)]
    layers = [
        name
        for name, module in encoder.named_modules()
        if isinstance(module, kinds) and not name.startswith(tuple(fused))
    ]
    endings = layers if wanted == "auto" else wanted
    for ending in endings:
        if not _ending_in(layers, ending):
            hint = nearest(ending, sorted({name.rpartition(".")[2] for name in layers}))
            raise ClipbioError(f"model: lora.targets: no layer's name ends in '{ending}'{hint}")
    named = dict.fromkeys(name for ending in endings for name in _ending_in(layers, ending))
    found = [name for name in named if within & {id(one) for one in encoder.get_submodule(name).parameters()}]
    if not found:
        kind = type(encoder).__name__
        raise ClipbioError(
            f"model: lora finds no layer in the unlocked part of {kind}; give lora.targets, or unlocked=all"
        )
    return found


def _ending_in(layers: Sequence[str], ending: str) -> list[str]:
    return [name for name in layers if name == ending or name.endswith(f".{ending}")]


def merge_adapters(module: nn.Module) -> None:
    """Add adapters to the weights beside them and take them off, in place: names become those of plain layers."""
    if not has_adapters(module.state_dict()):
        return
    from peft.tuners.lora import LoraLayer

    from clipbio.models.lora_attention import FusedAttention

    # Outer layers first: a fused attention takes its output layer along.
    for kind in (FusedAttention, LoraLayer):
        layers: list[tuple[str, Any]] = [pair for pair in module.named_modules() if isinstance(pair[1], kind)]
        for name, layer in layers:
            layer.merge()
            module.set_submodule(name, layer.get_base_layer())


def has_adapters(names: Mapping[str, Tensor]) -> bool:
    """Tell whether adapters are among weights by name."""
    return any(_ADAPTER.search(name) for name in names)


def adopt_plain(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of a model without adapters under the names of `own`, which keeps its adapters as they are."""
    if has_adapters(given) or not has_adapters(own):
        return dict(given)
    adapted = {name.replace(_BASE, ""): name for name in own if _BASE in name}
    kept = {name: tensor for name, tensor in own.items() if _ADAPTER.search(name)}
    return kept | {adapted.get(name, name): tensor for name, tensor in given.items()}
