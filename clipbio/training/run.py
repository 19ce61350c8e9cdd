"""The run folder: may it be used, from where does it continue, and what happened in it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clipbio.checkpoint_files import BEST, LAST, PREVIOUS
from clipbio.errors import ClipbioError
from clipbio.files import read_json, write_json, write_text

__all__ = ["LOCK", "RESUME_MODES", "RunFolder", "config_difference", "config_hash", "is_volatile", "varied_settings"]

RESUME_MODES = ("never", "auto", "must")
# Held by the run that uses the folder.
LOCK = ".lock"
# What may change between two attempts at one run: where and how it runs, not what it computes.
_VOLATILE = ("resume", "dry_run", "run_dir", "name", "cache_dir", "logger", "progress", "log_every", "optimized_metric",
             "pruning",
             "callbacks.sample_log", "monitors", "trainer.accelerator", "trainer.devices", "trainer.strategy",
             "data.num_workers", "data.cache_dir", "data.worker_context", "data.remote_cache_gb",
             "data.remote_retries", "data.remote_timeout", "overwrite", "compile", "micro_batch_size",
             "expected", "leakage", "checkpoint.grace", "checkpoint.asynchronous", "checkpoint.keep",
             "checkpoint.keep_every", "hang_after", "max_nonfinite_steps",
             "model.image.gradient_checkpointing", "model.text.gradient_checkpointing",
             "model.dna.gradient_checkpointing")  # fmt: skip

# Settings that came later, with the value under which a run computes what it did before: an older run may go on.
_ADDED = {"optim.scale_lr": "none", "optim.base_batch_size": 256}


@dataclass(frozen=True)
class RunFolder:
    """Paths and state of one run."""

    path: Path

    @property
    def last(self) -> Path:
        """The checkpoint from which the run continues."""
        return self.path / LAST

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is one to continue from: the last, or the one before it."""
        return self.last.exists() or (self.path / PREVIOUS).exists()

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation metric."""
        return self.path / BEST

    @property
    def metrics_log(self) -> Path:
        """One JSON line per logged step."""
        return self.path / "metrics.jsonl"

    @property
    def status(self) -> dict[str, Any]:
        """What `status.json` says; empty without one."""
        path = self.path / "status.json"
        return dict(read_json(path)) if path.exists() else {}

    @property
    def is_finished(self) -> bool:
        """Whether it holds a run that is done."""
        return (self.path / "config.yaml").exists() and self.status.get("state") == "finished"

    @contextmanager
    def writable(self) -> Iterator[None]:
        """Say which folder cannot be written, where something in it cannot."""
        if self.path.exists() and not self.path.is_dir():
            raise ClipbioError(f"run_dir={self.path} is a file")
        try:
            yield
        except OSError as error:
            raise ClipbioError(f"run_dir={self.path} cannot be written: {error.strerror}") from error

    def forget_notes(self) -> None:
        """Remove what the processes of an earlier attempt told each other."""
        for path in (*self.path.glob(".stop-*"), *self.path.glob(".left-*"), *self.path.glob(".pulse")):
            path.unlink(missing_ok=True)

    def write_status(self, state: str, **values: Any) -> None:
        """Write `status.json`."""
        write_json(self.path / "status.json", {"state": state, "updated": time.time(), **values})

    def check_resume(self, resume: str) -> None:
        """Refuse what cannot be done in this folder before anything is written to it.

        Raises:
            ClipbioError: There is no such mode, or no run to continue.
        """
        if resume not in RESUME_MODES:
            raise ClipbioError(f"resume='{resume}' is unknown; valid are: {', '.join(RESUME_MODES)}")
        if resume == "must" and not (self.path / "config.yaml").exists():
            raise ClipbioError(f"resume=must, but {self.path} holds no run")

    def open(self, config: Mapping[str, Any], resume: str, *, remedy: str = "resume=auto") -> str:
        """Decide what this command does in this folder: `start`, `continue` or `finished`.

        A run that failed before it had a checkpoint leaves nothing worth keeping: its folder may be used again.

        Raises:
            ClipbioError: The folder holds another run, or nothing to resume.
        """
        self.check_resume(resume)
        used = (self.path / "config.yaml").exists()
        if used and self.status.get("state") == "failed" and not self.has_checkpoint:
            self._create(config)
            return "start"
        if resume == "never" and self.path.is_dir() and any(path.name != LOCK for path in self.path.iterdir()):
            raise ClipbioError(
                f"run_dir={self.path} is not empty: give another one, or continue what is there with {remedy}"
            )
        if not used:
            self._create(config)
            return "start"
        self._compare(config)
        if self.status.get("state") == "finished":
            return "finished"
        if resume == "must" and not self.has_checkpoint:
            raise ClipbioError(f"resume=must, but {self.last} does not exist")
        return "continue" if self.has_checkpoint else "start"

    def _create(self, config: Mapping[str, Any]) -> None:
        with self.writable():
            self.last.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.path / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))

    def _compare(self, config: Mapping[str, Any]) -> None:
        difference = config_difference(self.config(), config)
        if difference:
            raise ClipbioError(f"{self.path} was started with another config: {'; '.join(difference)}")

    def config(self) -> dict[str, Any]:
        """Return the resolved config with which the run was started."""
        path = self.path / "config.yaml"
        try:
            return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise ClipbioError(f"{path} cannot be read: {error}") from error

    def forget_after(self, step: int) -> None:
        """Cut lines from the logs that lie beyond the step from which the run continues."""
        for path in (self.metrics_log, *sorted((self.path / "samples").glob("rank-*.jsonl"))):
            if path.exists():
                lines = path.read_text(encoding="utf-8").splitlines()
                kept = [line for line in lines if _is_before(line, step)]
                write_text(path, "".join(f"{line}\n" for line in kept))


def _is_before(line: str, step: int) -> bool:
    try:
        return int(json.loads(line)["step"]) < step
    except (ValueError, KeyError):
        # The last line of a killed process may be half written.
        return False


def _flat(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(config, Mapping) and config:
        for key, value in config.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, list(config) if isinstance(config, list | tuple) else config


def is_volatile(key: str) -> bool:
    """Tell whether a setting may change between two attempts at one run."""
    return any(key == name or key.startswith(f"{name}.") for name in _VOLATILE)


def _lasting(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in _flat(config)
        if not is_volatile(key) and not (key in _ADDED and value == _ADDED[key])
    }


def config_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return `key: old -> new` for every setting that decides what a run computes and is not the same."""
    before, after = _lasting(old), _lasting(new)
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [f"{key}: {before.get(key)} -> {after.get(key)}" for key in keys]


def varied_settings(configs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return for each config its settings that decide what a run computes and are not the same in all, by flat keys."""
    flat = [_lasting(config) for config in configs]
    keys = dict.fromkeys(key for one in flat for key in one)
    varied = [key for key in keys if any(one.get(key) != flat[0].get(key) for one in flat)]
    return [{key: one.get(key) for key in varied} for one in flat]


def config_hash(config: Mapping[str, Any]) -> str:
    """Return a short name for what a run computes: the folder of a job in a sweep."""
    text = json.dumps(_lasting(config), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
