"""A trained or pretrained model by what a command names: a run, a checkpoint file, or `model=`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.models import MultiTower
from clipbio.models.lora import merge_adapters
from clipbio.tasks.building import build_model
from clipbio.training.checkpoints import checkpoint_path, chosen_weights, load_into, read_checkpoint

__all__ = ["LoadedModel", "load_model", "trained_model"]

Config = Mapping[str, Any]


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for use, with adapters merged, in evaluation mode.

    `config` is what it was trained with and `checkpoint` what was read, both empty for a pretrained model; `weights`
    are all weights of the training module by name, those of heads among them.
    """

    model: MultiTower
    name: str
    path: Path | None = None
    config: Config = field(default_factory=dict)
    checkpoint: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def run(self) -> Path | None:
        """Return the folder of the run that the checkpoint belongs to, if it lies in one."""
        folder = self.path.parent.parent if self.path is not None and self.path.parent.name == "checkpoints" else None
        return folder if folder is not None and (folder / "config.yaml").is_file() else None

    def temperature(self, projection: str = "default") -> tuple[float, float | None]:
        """Return the logarithm of the trained inverse temperature, and the bias of losses that have one."""
        scale = self.weights.get(f"heads.{projection}.logit_scale", self.weights.get("heads.default.logit_scale"))
        bias = self.weights.get(f"heads.{projection}.logit_bias", self.weights.get("heads.default.logit_bias"))
        if scale is None:
            return self.model.initial_logit_scale, self.model.initial_logit_bias
        return float(scale.reshape(())), None if bias is None else float(bias.reshape(()))


def load_model(config: Config) -> LoadedModel:
    """Load what `checkpoint=` names, or the pretrained model of `model=`.

    Args:
        config: Has `checkpoint`, `weights` and, where commands take one, `model`.

    Raises:
        ClipbioError: Neither or both are given, or the weights belong to another model.
    """
    given = config.get("model")
    if config["checkpoint"] is None:
        if given is None:
            raise ClipbioError("no model: give checkpoint=RUN, or model=openclip model.name=... model.pretrained=...")
        name = " ".join(str(given[key]) for key in ("name", "pretrained") if given.get(key))
        return LoadedModel(build_model(config, load_weights=True).eval(), name or "a pretrained model")
    if given is not None:
        raise ClipbioError("give checkpoint= or model=, not both: a checkpoint knows its model")
    path = checkpoint_path(config["checkpoint"])
    checkpoint = read_checkpoint(path)
    trained = checkpoint["clipbio"]["config"]
    model = trained_model(trained, checkpoint, path, weights=str(config["weights"]))
    state = chosen_weights(checkpoint, str(config["weights"]), path)
    name = str(trained.get("name") or path.stem)
    return LoadedModel(model, name, path, trained, checkpoint, state)


def trained_model(config: Config, checkpoint: Mapping[str, Any], path: Path, *, weights: str) -> MultiTower:
    """Return the model of a config with the weights of a checkpoint, adapters merged, in evaluation mode.

    All commands on a run take this one way, so that they know it by the same hash of its weights.

    Args:
        config: Its part `model` says what is built.
        checkpoint: What was read.
        path: Where, for messages.
        weights: `trained`, `averaged` or `auto`.

    Raises:
        ClipbioError: The weights belong to another model.
    """
    model = build_model(config, load_weights=False)
    load_into(checkpoint, {"model": model}, path, weights=weights)
    merge_adapters(model)
    return model.eval()
