"""Weights of DNA trunks: from runs of ours, from BarcodeBERT's layout, and from bare state dicts of BERT."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from clipbio.checkpoint_files import LAST, checkpoint_path, chosen_weights, read_checkpoint
from clipbio.dna import BarcodeTokenizer
from clipbio.errors import ClipbioError
from clipbio.models.dna_trunk import DnaOptions
from clipbio.models.lora import has_adapters
from clipbio.models.weights import first_line, read_state_dict

__all__ = ["DnaWeights", "bert_weights", "check_settings", "run_weights"]

KEY = "model.dna.weights"
_TRUNK = "model.towers.dna.trunk."
_WORDS = "embeddings.word_embeddings.weight"
_FILES = ("model.safetensors", "pytorch_model.bin")
# Keys of a transformers config, and ours for the same.
_CONFIG_KEYS = {
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "hidden_size": "width",
    "intermediate_size": "intermediate",
    "max_position_embeddings": "max_positions",
}


@dataclass(frozen=True)
class DnaWeights:
    """Weights by their names in a trunk, and what is known of the settings with which they were made."""

    source: str
    state: dict[str, Tensor]
    settings: dict[str, Any] = field(default_factory=dict)
    tokenizer: dict[str, Any] | None = None
    vocab_size: int | None = None

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the weights of one part of the trunk, such as `encoder`."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.state.items() if key.startswith(prefix)}


def check_settings(recipe: DnaOptions, weights: DnaWeights) -> None:
    """Compare a recipe with the settings of weights.

    Raises:
        ClipbioError: They differ; the message holds the overrides that would agree.
    """
    own = recipe.settings()
    different = {f"model.dna.{key}": value for key, value in weights.settings.items() if own.get(key, value) != value}
    mine = recipe.tokenizer.settings
    theirs = weights.tokenizer or mine
    different |= {f"model.dna.tokenizer.{key}": theirs[key] for key in mine if theirs[key] != mine[key]}
    if different:
        shown = " ".join(f"{key}={_yaml(value)}" for key, value in different.items())
        raise ClipbioError(f"{KEY}: {weights.source} was made with other settings; set {shown}")
    size = recipe.tokenizer.vocab_size
    if weights.vocab_size not in (None, size):
        raise ClipbioError(
            f"{KEY}: {weights.source} knows {weights.vocab_size} tokens, the tokenizer makes {size}; "
            f"set {_vocabulary_of(weights.vocab_size or 0)}"
        )


def run_weights(weights: str, recipe: DnaOptions) -> DnaWeights | None:
    """Return the DNA trunk of a run folder or checkpoint of ours, None if `weights` is neither.

    Raises:
        ClipbioError: The checkpoint is damaged, or its model has no such tower.
    """
    path = Path(weights).expanduser()
    is_run = path.is_dir() and (path / LAST.parent).is_dir()
    if not is_run and not (path.is_file() and path.suffix == ".ckpt"):
        return None
    file = checkpoint_path(path)
    checkpoint = read_checkpoint(file)
    config = (checkpoint["clipbio"]["config"].get("model") or {}).get("dna")
    if not config:
        raise ClipbioError(f"{KEY}: the model of {weights} has no DNA tower")
    kind = str(config["_target_"]).rpartition(".")[2]
    if kind != type(recipe).__name__:
        raise ClipbioError(
            f"{KEY}: {weights} was trained with a tower of the kind {kind}, this one is {type(recipe).__name__}; "
            "choose the kind with model/dna="
        )
    chosen = chosen_weights(checkpoint, "auto", file)
    state = {key.removeprefix(_TRUNK): value for key, value in chosen.items() if key.startswith(_TRUNK)}
    if has_adapters(state):
        raise ClipbioError(
            f"{KEY}: {file} has adapters; merge them with 'python -m clipbio export checkpoint={file} out=FILE'"
        )
    told = {key: value for key, value in config["tokenizer"].items() if key != "_target_"}
    settings = {key: config[key] for key in recipe.architecture if config.get(key) is not None}
    return DnaWeights(weights, state, settings, BarcodeTokenizer(**told).settings)


def bert_weights(weights: str, vocab_size: int) -> DnaWeights:
    """Return a BERT from a folder or hub name in the layout of transformers, or from a file of tensors.

    Args:
        weights: Folder with `config.json` (as BarcodeBERT has on the hub), hub name, or weights file.
        vocab_size: Where a file holds several BERTs, as CLIBD's does, the one with so many tokens is meant.
    """
    path = Path(weights).expanduser()
    if path.is_file():
        return _parts_of_bert(read_state_dict(path), vocab_size, weights, {})
    config, file = _folder_files(path, weights) if path.is_dir() else _hub_files(weights)
    try:
        told = dict(json.loads(config.read_text(encoding="utf-8")))
    except (ValueError, OSError) as error:
        raise ClipbioError(f"{KEY}: {config} cannot be read: {first_line(error)}") from error
    if told.get("model_type", "bert") != "bert" or told.get("hidden_act", "gelu") != "gelu":
        kind, act = told.get("model_type", "bert"), told.get("hidden_act", "gelu")
        raise ClipbioError(f"{KEY}: '{weights}' is a {kind} model with {act}; only BERT with gelu fits BertDna")
    return _parts_of_bert(read_state_dict(file), vocab_size, weights, told)


def _folder_files(folder: Path, weights: str) -> tuple[Path, Path]:
    if not (folder / "config.json").is_file():
        raise ClipbioError(
            f"{KEY}: '{weights}' holds neither config.json (a model of transformers) nor checkpoints/ (a run of ours)"
        )
    for name in _FILES:
        if (folder / name).is_file():
            return folder / "config.json", folder / name
    raise ClipbioError(f"{KEY}: '{weights}' holds no {' or '.join(_FILES)}")


def _hub_files(name: str) -> tuple[Path, Path]:
    if name.startswith((".", "/", "~")) or name.count("/") != 1 or name.endswith((".pth", ".pt", ".bin", ".ckpt")):
        raise ClipbioError(f"{KEY}: there is no file or folder '{name}'")
    from transformers.utils import cached_file

    try:
        config = cached_file(name, "config.json")
        found = cached_file(name, _FILES[0], _raise_exceptions_for_missing_entries=False)
        file = found or cached_file(name, _FILES[1])
    except Exception as error:  # the hub documents none of its errors
        raise ClipbioError(
            f"{KEY}: cannot fetch '{name}' ({type(error).__name__}: {first_line(error)}); check the name and the "
            "network, or download it and give the folder"
        ) from error
    return Path(str(config)), Path(str(file))


def _parts_of_bert(state: Mapping[str, Tensor], vocab_size: int, source: str, config: Mapping[str, Any]) -> DnaWeights:
    """Name the weights of the one BERT that is meant as a trunk does; heads of other tasks are left out."""
    prefixes = {key.removesuffix(_WORDS): len(value) for key, value in state.items() if key.endswith(_WORDS)}
    if not prefixes:
        raise ClipbioError(f"{KEY}: {source} is no BERT: no weight in it is named {_WORDS}")
    prefix = next((name for name, size in prefixes.items() if size == vocab_size), next(iter(prefixes)))
    parts = {}
    for key, value in state.items():
        name = key.removeprefix(prefix)
        if key.startswith(prefix) and name.startswith(("embeddings.", "encoder.")) and "position_ids" not in name:
            parts[f"encoder.{name}"] = value
    head = f"{prefix.removesuffix('bert.')}cls.predictions."
    parts |= {f"pool.{key.removeprefix(head)}": value for key, value in state.items() if key.startswith(head)}
    settings = _shapes({key.removeprefix("encoder."): value for key, value in parts.items()})
    settings |= {ours: config[theirs] for theirs, ours in _CONFIG_KEYS.items() if theirs in config}
    return DnaWeights(source, parts, settings, vocab_size=prefixes[prefix])


def _shapes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return what shapes tell of the architecture: everything but the number of heads."""
    layers = {int(found[1]) for key in state if (found := re.match(r"encoder\.layer\.(\d+)\.", key))}
    shapes = {"layers": max(layers, default=-1) + 1, "width": int(state[_WORDS].shape[1])}
    for key, name in (
        ("intermediate", "encoder.layer.0.intermediate.dense.weight"),
        ("max_positions", "embeddings.position_embeddings.weight"),
    ):
        if name in state:
            shapes[key] = len(state[name])
    return shapes


def _vocabulary_of(size: int) -> str:
    """Say which settings of the tokenizer give so many tokens."""
    for name, specials in (("barcodebert", 2), ("clibd", 3), ("clipbio", 4)):
        k = max(size - specials, 1).bit_length() // 2
        if 4**k + specials == size:
            return f"model.dna.tokenizer.vocabulary={name} model.dna.tokenizer.k={k} model.dna.tokenizer.stride={k}"
    return "model.dna.tokenizer to the one with which it was trained"


def _yaml(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
