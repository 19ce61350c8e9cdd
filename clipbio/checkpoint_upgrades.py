"""Formats of checkpoints: what an earlier version wrote becomes what this one reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from clipbio.errors import ClipbioError

__all__ = ["CHECKPOINT_FORMAT", "check_continuable", "upgraded"]

Checkpoint = dict[str, Any]
# 1: one stream, one head. 2: streams, projections and heads by name.
CHECKPOINT_FORMAT = 2
# What belongs to the state of a run and not to its weights.
_STATE = ("optimizer_states", "lr_schedulers", "loops", "callbacks", "SpecimenData")
# Models that had another name, in checkpoints of either format.
_RENAMED = {"clipbio.models.dual": "clipbio.models.towers"}


def upgraded(checkpoint: Mapping[str, Any], path: Path) -> Checkpoint:
    """Return a checkpoint of any earlier format in that of today.

    Args:
        checkpoint: As it was read; it is not changed.
        path: Where it comes from, for messages.

    Raises:
        ClipbioError: It comes from a later version.
    """
    version = checkpoint["clipbio"]["format"]
    if version > CHECKPOINT_FORMAT:
        raise ClipbioError(f"{path} has format {version}, this version reads {CHECKPOINT_FORMAT}: update clipbio")
    result = dict(checkpoint)
    for number in range(version, CHECKPOINT_FORMAT):
        result = _UPGRADES[number](result)
        result["clipbio"] = {**result["clipbio"], "format": number + 1, "written_as": version}
    if "config" in result["clipbio"]:
        result["clipbio"] = {**result["clipbio"], "config": _with_names_of_today(result["clipbio"]["config"])}
    return result


def check_continuable(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Refuse to continue a run whose state could not be upgraded with its weights.

    Raises:
        ClipbioError: Only its weights are left.
    """
    if "optimizer_states" not in checkpoint:
        written = checkpoint["clipbio"].get("written_as", CHECKPOINT_FORMAT)
        raise ClipbioError(
            f"{path} was written in format {written}: its weights can be used, its run cannot be continued; start a "
            f"new run from them with init={path} in another run_dir"
        )


def upgrade_1_to_2(checkpoint: Checkpoint) -> Checkpoint:
    """Give the only head its name; the state of the run is left out, its streams and order were other ones."""
    result = {key: value for key, value in checkpoint.items() if key not in _STATE}
    result["state_dict"] = _named(checkpoint["state_dict"])
    if "averaged" in checkpoint:
        averaged = checkpoint["averaged"]
        result["averaged"] = {**averaged, "weights": _named(averaged["weights"])}
    return result


def _named(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"heads.default.{name[5:]}" if name.startswith("head.") else name: one for name, one in weights.items()}


def _with_names_of_today(config: Mapping[str, Any]) -> dict[str, Any]:
    model = config.get("model") or {}
    name = _RENAMED.get(model.get("_target_", ""))
    return {**config, "model": {**model, "_target_": name}} if name else dict(config)


_UPGRADES: dict[int, Callable[[Checkpoint], Checkpoint]] = {1: upgrade_1_to_2}
