"""Checks of a training config before anything is loaded."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from clipbio.data.roots import is_remote
from clipbio.data.streams import check_streams
from clipbio.errors import ClipbioError, nearest
from clipbio.training.checkpoint_settings import check_checkpoints
from clipbio.training.compiling import compile_options
from clipbio.training.durations import Duration
from clipbio.training.waiting import seconds_of

__all__ = ["check_config"]

Config = Mapping[str, Any]
_PRECISIONS = ("32-true", "64-true", "bf16-mixed", "16-mixed")
# YAML reads a bare off as false.
_LEAKAGE = ("warn", "refuse", "off", False)
_VALIDATION_SPLITS = ("val", "val_unseen")
# Arguments of Lightning's Trainer that the run itself decides.
_SET_BY_US = {"self", "max_steps", "max_epochs", "min_steps", "min_epochs", "val_check_interval", "plugins", "logger",
              "check_val_every_n_epoch", "num_sanity_val_steps", "log_every_n_steps", "use_distributed_sampler",
              "enable_model_summary", "enable_progress_bar", "callbacks", "default_root_dir", "num_nodes"}  # fmt: skip


def check_config(config: Config) -> None:
    """Check durations, sizes and paths.

    Raises:
        ClipbioError: Something cannot work; the message names the key.
    """
    check_checkpoints(config["checkpoint"])
    for key in ("duration", "validation.every"):
        if Duration.parse(_at(config, key), key).number <= 0:
            raise ClipbioError(f"{key}='{_at(config, key)}' must be more than nothing")
    for key in ("data.batch_size", "data.evaluation_batch_size", "log_every"):
        value = _at(config, key)
        if not isinstance(value, int) or value < 1:
            raise ClipbioError(f"{key}={value} must be a whole number of at least 1")
    if not isinstance(config["seed"], int):
        raise ClipbioError(f"seed={config['seed']} must be a whole number")
    _check_patience(config)
    if _at(config, "leakage") not in _LEAKAGE:
        raise ClipbioError(f"leakage={_at(config, 'leakage')} must be warn, refuse or off")
    _check_streams(config)
    _check_splits(config)
    _check_trainer(config)
    _check_precision(config)
    compile_options(_at(config, "compile"))
    _check_root(config)
    _check_weights(_at(config, "model"), "model")
    init = config.get("init")
    if init and not Path(init).expanduser().exists():
        raise ClipbioError(f"init={init} does not exist")
    _check_batches(config)


def _check_batches(config: Config) -> None:
    size = _at(config, "micro_batch_size")
    if size is not None and (type(size) is not int or size < 1):
        raise ClipbioError(f"micro_batch_size={size} must be a whole number of at least 1, or null")
    accumulated = config["trainer"].get("accumulate_grad_batches", 1)
    if type(accumulated) is not int or accumulated < 1:
        raise ClipbioError(f"trainer.accumulate_grad_batches={accumulated} must be a whole number of at least 1")
    if accumulated > 1 and not _at(config, "force_accumulation"):
        raise ClipbioError(
            "trainer.accumulate_grad_batches averages the losses of small batches, whose specimens never meet as "
            "negatives: set data.batch_size to the large batch and micro_batch_size to what fits, "
            "or force_accumulation=true if you mean it"
        )


def _check_patience(config: Config) -> None:
    grace = _at(config, "checkpoint.grace")
    if not isinstance(grace, int | float) or grace <= 0:
        raise ClipbioError(f"checkpoint.grace={grace} must be a number of seconds above 0")
    if _at(config, "hang_after") is not None:
        seconds_of(_at(config, "hang_after"), "hang_after")
    allowed = _at(config, "max_nonfinite_steps")
    if allowed is not None and (not isinstance(allowed, int) or allowed < 0):
        raise ClipbioError(f"max_nonfinite_steps={allowed} must be a whole number of at least 0, or null")


def _check_streams(config: Config) -> None:
    streams = _at(config, "data.streams")
    if not isinstance(streams, Mapping) or not all(one is None or isinstance(one, Mapping) for one in streams.values()):
        raise ClipbioError("data.streams must hold settings by name, such as +data.streams.replay.root=FOLDER")
    check_streams(streams)


def _check_splits(config: Config) -> None:
    """Keep test data out of training and out of the choice of a checkpoint."""
    splits = _at(config, "validation.splits")
    if not isinstance(splits, list) or any(name not in _VALIDATION_SPLITS for name in splits):
        raise ClipbioError(
            f"validation.splits={splits} must be a list of {' and '.join(_VALIDATION_SPLITS)}: "
            "checkpoints are never chosen on test or unseen"
        )
    final = _at(config, "evaluate_splits")
    if final is not None and not isinstance(final, list):
        raise ClipbioError(f"evaluate_splits={final} must be a list, such as [test,unseen], or null")


def _check_trainer(config: Config) -> None:
    known = set(inspect.signature(pl.Trainer).parameters) - _SET_BY_US
    for key in config["trainer"]:
        if key not in known:
            raise ClipbioError(f"trainer.{key} is no setting of the trainer{nearest(str(key), sorted(known))}")


def _check_precision(config: Config) -> None:
    accelerator, precision = config["trainer"]["accelerator"], str(config["trainer"]["precision"])
    if precision not in _PRECISIONS:
        raise ClipbioError(
            f"trainer.precision={precision} is not supported; valid are: {', '.join(_PRECISIONS)}. Weights in half "
            "precision would round away the steps of the temperature: take bf16-mixed"
        )
    if accelerator == "cpu" and precision.startswith("16"):
        raise ClipbioError(f"trainer.precision={precision} needs a GPU: on a CPU take bf16-mixed or 32-true")


def _check_root(config: Config) -> None:
    roots = {"data.root": _at(config, "data.root")}
    streams = _at(config, "data.streams")
    roots |= {f"data.streams.{name}.root": one.get("root") for name, one in streams.items() if one}
    for key, root in roots.items():
        if root is not None and not is_remote(root, key) and not Path(root).expanduser().exists():
            raise ClipbioError(f"{key}={root} does not exist")


def _check_weights(model: Any, path: str) -> None:
    """Check every `weights` that is written like a path; others name a package or a model on a hub."""
    if not isinstance(model, Mapping):
        return
    for key, value in model.items():
        written_as_path = isinstance(value, str) and (
            value.startswith(("/", ".", "~")) or value.endswith(".safetensors")
        )
        if key == "weights" and written_as_path and not Path(value).expanduser().exists():
            raise ClipbioError(f"{path}.weights={value} does not exist")
        _check_weights(value, f"{path}.{key}")


def _at(config: Config, key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            raise ClipbioError(f"the config lacks {key}")
        node = node[part]
    return node
