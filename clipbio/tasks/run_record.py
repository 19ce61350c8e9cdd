"""`run.json` of a run: with what it was made, of what data and weights, and what it took."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from clipbio.data.datamodule import SpecimenData
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.exporting.run_card import CARD, run_card
from clipbio.files import read_json, write_json, write_text
from clipbio.provenance.code import read_diff, write_diff
from clipbio.provenance.contents import checkpoint_facts, data_facts, weights_facts
from clipbio.provenance.facts import run_facts
from clipbio.provenance.packages import PACKAGES, write_packages
from clipbio.provenance.usage import FOLDER, Meter, added, forget_usage, read_usage

__all__ = ["RUN", "RunRecord"]

log = logging.getLogger(__name__)

# Inside a run folder.
RUN = "run.json"


class RunRecord:
    """Keep `run.json`, `packages.txt`, `code.diff` and, in the end, `model_card.md` of a run folder.

    Args:
        folder: The run folder.
        config: Config of the run.
        world: This process; the main one writes, all measure.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], world: World) -> None:
        self.folder, self.config, self.world = folder, config, world
        self.earlier: list[Any] = []
        self._facts: dict[str, Any] = {}
        self._meter: Meter | None = None

    def read_earlier(self) -> None:
        """Read what `run.json` says of earlier attempts, when the folder is open and before `begin`."""
        self.earlier = _earlier_attempts(self.folder)

    def begin(self) -> None:
        """Take down code, packages and machine as they are now, and begin to measure."""
        if self.world.is_main:
            forget_usage(self.folder)
            # Once: what is edited while the run lasts is not what it runs.
            self._facts = run_facts()
            diff = read_diff()
            write_diff(self.folder, diff)
            write_packages(self.folder)
            self._facts |= {"code_diff": diff.facts, "packages_file": PACKAGES}
        gpus = [self.world.local_rank] if self._on_gpu() else []
        path = self.folder / FOLDER / f"rank-{self.world.rank}.json"
        self._meter = Meter(path, gpus=gpus, whole_machine=self.world.local_rank == 0)

    def _on_gpu(self) -> bool:
        return self.config["trainer"]["accelerator"] != "cpu" and torch.cuda.is_available()

    def write(self, attempt: Mapping[str, Any], data: SpecimenData | None, *, finished: bool = False) -> None:
        """Write `run.json`, and of a finished run the model card.

        Args:
            attempt: What is known of this attempt.
            data: Its data, once they are open.
            finished: Whether the run is at its end.
        """
        if self._meter is not None and attempt["exit_status"] is not None:
            self._meter.end()
            self._meter.write()
        if not self.world.is_main:
            return
        attempts = [*self.earlier, {**attempt, **self._place(), "usage": read_usage(self.folder)}]
        done = data if finished else None
        values = {
            **self._facts,
            "seed": self.config["seed"],
            "seeds": {"run": self.config["seed"], "split": (self.config.get("data") or {}).get("split_seed")},
            "world_size": self.world.size,
            "data_manifest": None if done is None else done.folder.manifest.hash,
            "stream_manifests": {} if done is None else done.manifests,
            "data": {} if done is None else data_facts(done),
            "weights": weights_facts(self.config) if finished else {},
            "checkpoints": checkpoint_facts(self.folder) if finished else {},
            "exit_status": attempt["exit_status"],
            "usage": {
                **added(one.get("usage") or {"seconds": one.get("seconds")} for one in attempts),
                "samples_seen": None if data is None else data.samples_seen,
            },
            "attempts": attempts,
        }
        write_json(self.folder / RUN, values)
        if attempt["exit_status"] is not None:
            forget_usage(self.folder)
        if finished:
            self._write_card()

    def _place(self) -> dict[str, Any]:
        """Return what may differ between two attempts at one run."""
        keys = ("host", "source_hash")
        return {**{key: self._facts.get(key) for key in keys}, "world_size": self.world.size}

    def _write_card(self) -> None:
        try:
            write_text(self.folder / CARD, run_card(self.folder))
        except (ClipbioError, OSError) as error:
            # The run is whole without it.
            log.warning("no model card was written: %s", error)


def _earlier_attempts(folder: Path) -> list[Any]:
    """Return what `run.json` says of earlier attempts; one that was killed gets what it had measured until then."""
    try:
        attempts = list(read_json(folder / RUN)["attempts"]) if (folder / RUN).exists() else []
    except (ClipbioError, KeyError):
        return []
    measured = read_usage(folder)
    if attempts and attempts[-1].get("exit_status") is None and measured is not None:
        attempts[-1] = {**attempts[-1], "seconds": measured["seconds"], "usage": measured}
    return attempts
