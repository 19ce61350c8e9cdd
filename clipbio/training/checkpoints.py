"""Loading the weights of checkpoints: never into another model."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from clipbio.checkpoint_files import checkpoint_path, chosen_weights, read_checkpoint
from clipbio.errors import ClipbioError
from clipbio.losses import Head
from clipbio.models.lora import adopt_plain, has_adapters

__all__ = ["checkpoint_path", "chosen_weights", "load_into", "read_checkpoint", "start_heads"]

log = logging.getLogger(__name__)

_NAMED_PART = re.compile(r"(\bprojections\.|^heads\.)[^.]+\.")


def load_into(
    checkpoint: Mapping[str, Any],
    modules: Mapping[str, nn.Module],
    path: Path,
    *,
    weights: str = "auto",
    adopt: bool = False,
) -> None:
    """Load the weights of a checkpoint into modules by their name in the training module.

    Args:
        checkpoint: A checkpoint of ours.
        modules: Modules by name.
        path: Where it comes from, for messages.
        weights: See `chosen_weights`.
        adopt: A model with adapters may take the weights of one without; its adapters stay as they are. A projection or
            head that the checkpoint lacks takes those of `default`; one that the model lacks is left out.

    Raises:
        ClipbioError: The weights belong to another model.
    """
    chosen = chosen_weights(checkpoint, weights, path)
    for name, module in modules.items():
        prefix = f"{name}."
        state = {key.removeprefix(prefix): value for key, value in chosen.items() if key.startswith(prefix)}
        if adopt:
            own = module.state_dict()
            state = adopt_plain(own, _with_copies(prefix, own, _without_others(prefix, own, state, path)))
        problem = _mismatch(module.state_dict(), state)
        if has_adapters(state) and not has_adapters(module.state_dict()):
            raise ClipbioError(
                f"{path} has adapters, the model has none: merge them with "
                f"'python -m clipbio export checkpoint={path} out=FILE'"
            )
        if problem:
            raise ClipbioError(f"{path} is a checkpoint of another model: {problem}; check the settings under model=")
        module.load_state_dict(state)


def start_heads(heads: nn.ModuleDict, path: Path) -> None:
    """Take over the temperature of another run, where it was trained with the same kind of loss.

    What the config gives explicitly stays.
    """
    checkpoint = read_checkpoint(path)
    try:
        load_into(checkpoint, {"heads": heads}, path, adopt=True)
    except ClipbioError:
        log.warning(
            "%s was trained with another kind of loss: the model's weights are taken over, no temperature", path
        )
    for head in heads.values():
        assert isinstance(head, Head)
        head.settle()


def _without_others(prefix: str, own: Iterable[str], given: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Leave out projections and heads that are not in the model, or in this run."""
    parts = {match[0] for key in own if (match := _NAMED_PART.search(prefix + key))}
    found = {key: _NAMED_PART.search(prefix + key) for key in given}
    others = {key for key, match in found.items() if match and match[0] not in parts}
    if others:
        log.info("%s: left out what this run does not have: %s", path, ", ".join(sorted(others)))
    return {key: value for key, value in given.items() if key not in others}


def _with_copies(prefix: str, own: Iterable[str], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Let projections and heads that are missing begin as copies of the default ones, as in a new model."""
    origins = {key: _NAMED_PART.sub(r"\1default.", prefix + key).removeprefix(prefix) for key in own}
    return {key: given[origin] for key, origin in origins.items() if origin in given} | dict(given)


def _mismatch(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    missing = [key for key in own if key not in given]
    extra = [key for key in given if key not in own]
    shapes = [key for key in own if key in given and own[key].shape != given[key].shape]
    if shapes:
        key = shapes[0]
        return f"{key} has shape {tuple(given[key].shape)} where the model has {tuple(own[key].shape)}"
    parts = []
    if missing:
        parts.append(f"it lacks {len(missing)} weights such as {missing[0]}")
    if extra:
        parts.append(f"it has {len(extra)} weights the model does not know, such as {extra[0]}")
    return " and ".join(parts)
