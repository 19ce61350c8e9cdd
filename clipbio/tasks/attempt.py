"""One attempt at a run: may it use its folder, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipbio.data.datamodule import SpecimenData
from clipbio.distributed import World, on_main
from clipbio.errors import ClipbioError
from clipbio.files import read_json, write_json
from clipbio.training.provenance import provenance
from clipbio.training.run import RunFolder
from clipbio.training.wandb_run import finish_wandb

__all__ = ["Attempt"]

Config = Mapping[str, Any]
INPUT_ERROR, INTERRUPTED = 2, 130


class Attempt:
    """Keep `run.json` and `status.json` of a run folder true whatever happens.

    Args:
        config: Config of the run.
        folder: Its folder.
        world: This process; the main one writes.
    """

    def __init__(self, config: Config, folder: RunFolder, world: World) -> None:
        self.config = config
        self.folder = folder
        self.world = world
        self.started = time.time()
        self.resumed_at: int | None = None
        self.data: SpecimenData | None = None
        self.earlier = _earlier_attempts(folder.path / "run.json")

    @property
    def seconds(self) -> float:
        """Time since it began."""
        return time.time() - self.started

    def open_folder(self) -> str:
        """Return what to do, the same on all processes: `start`, `continue` or `finished`.

        Raises:
            ClipbioError: The folder holds something else.
        """
        return on_main(self.world, lambda: self.folder.open(self.config, str(self.config["resume"])))

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Write how it ends."""
        state, error_text, code = "failed", "", 1
        try:
            self._write_state("running", None)
            yield
            state, code = "finished", 0
        except KeyboardInterrupt:
            state, error_text, code = "interrupted", "interrupted: continue with resume=auto", INTERRUPTED
            raise
        except BaseException as error:
            code = INPUT_ERROR if isinstance(error, ClipbioError) else 1
            error_text = f"{type(error).__name__}: {error}".splitlines()[0]
            raise
        finally:
            self._write_state(state, code, error_text)
            finish_wandb(code)

    def _write_state(self, state: str, code: int | None, error: str = "") -> None:
        if not self.world.is_main:
            return
        steps = self.data.steps if self.data is not None else None
        self.folder.write_status(state, steps=steps, error=error, resumed_at=self.resumed_at)
        attempt = {
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "resumed_at": self.resumed_at,
            "exit_status": code,
            "error": error,
        }
        done = self.data if state == "finished" else None
        values = provenance(
            seed=self.config["seed"],
            world_size=self.world.size,
            data_manifest=None if done is None else done.folder.manifest.hash,
            stream_manifests={} if done is None else done.manifests,
            exit_status=code,
        )
        write_json(self.folder.path / "run.json", {**values, "attempts": [*self.earlier, attempt]})


def _earlier_attempts(path: Path) -> list[Any]:
    """Return what `run.json` says of earlier attempts; one that was killed keeps its open end."""
    try:
        return list(read_json(path)["attempts"]) if path.exists() else []
    except (ClipbioError, KeyError):
        return []
