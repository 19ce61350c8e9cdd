"""wandb: one run for life, however often it is killed and continued."""

from __future__ import annotations

import logging
import math
import secrets
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from clipbio.distributed import world_rank
from clipbio.errors import ClipbioError
from clipbio.files import read_json, write_text
from clipbio.training.loggers import read_history
from clipbio.training.run import RunFolder
from clipbio.urls import strings_without_passwords

if TYPE_CHECKING:
    import wandb

__all__ = ["WandbLogger", "finish_wandb"]

log = logging.getLogger(__name__)
_OFFLINE = "offline-run-"


class WandbLogger(Logger):
    """Log to wandb. Its steps are those of the optimiser, and a continued run is the wandb run that it began as.

    What wandb lacks of `metrics.jsonl` is sent when the run opens there: all of it offline, where the folder of an
    earlier attempt, which may end in the middle of a line, gives way to a new one; what lies behind the last step
    of the server online. Whatever fails in wandb is told once and stops nothing but wandb.

    Args:
        project: Project on wandb.
        name: Name of the run.
        mode: `offline` or `online`. Online without network or login goes on offline.
        folder: Run folder: holds wandb's files, the id of the wandb run, the config and the history.
        group: Group of runs; those of a sweep have its folder's name.
        tags: Labels to filter by.
        job_type: What kind of run it is.
        entity: User or team; null is the default one of the login.
    """

    def __init__(
        self,
        *,
        project: str,
        name: str,
        mode: str,
        folder: str,
        group: str | None = None,
        tags: Sequence[str] = (),
        job_type: str = "train",
        entity: str | None = None,
    ) -> None:
        super().__init__()
        if mode not in ("offline", "online"):
            raise ClipbioError(f"logger.wandb.mode='{mode}' must be offline or online")
        self.mode = mode
        self.run_folder = RunFolder(Path(folder))
        self.about: dict[str, Any] = {
            "project": project,
            "name": name,
            "group": group,
            "tags": list(tags),
            "job_type": job_type,
            "entity": entity,
        }
        self._id = _run_id(self.run_folder.path)
        self._run: wandb.Run | None = None
        self._failed = False

    @property
    def name(self) -> str:
        """Name of the logger."""
        return "wandb"

    @property
    def version(self) -> str:
        """Id of the wandb run."""
        return self._id

    @property
    def experiment(self) -> wandb.Run | None:
        """The wandb run, opened when first asked for; None on all processes but the first, and after a failure."""
        if self._run is None and not self._failed and world_rank() == 0:
            self._safely(self._open)
        return self._run

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the numbers of a step; one that the server already has is left out."""
        values = {name: float(value) for name, value in metrics.items() if name != "epoch"}
        run = self.experiment
        if run is not None and (step is None or step >= run.starting_step):
            self._safely(lambda: run.log(values, step=step))

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the config of the run folder is sent when the run opens."""

    @rank_zero_only
    def summarise(self) -> None:
        """Put the final figures of `metrics.json`, as far as there are any, into the summary of the run."""
        path = self.run_folder.path / "metrics.json"
        run = self.experiment if path.exists() else None
        if run is not None:
            self._safely(lambda: run.summary.update(read_json(path)))

    def _open(self) -> None:
        # A run of an earlier job in this process would be taken for this one.
        finish_wandb(1)
        if self.mode == "online":
            try:
                self._begin("online")
            except Exception as error:
                log.warning("wandb is not reached, the run is kept offline for 'wandb sync': %s", _line(error))
                self.mode = "offline"
        # Before another one is begun: there are never two, and the history is in metrics.jsonl.
        _remove_offline(self.run_folder.path / "wandb", self._id)
        if self.mode == "offline":
            self._begin("offline")
        self._replay()

    def _begin(self, mode: str) -> None:
        import wandb

        config = self.run_folder.config() if (self.run_folder.path / "config.yaml").exists() else {}
        self._run = wandb.init(
            **self.about,
            id=self._id,
            dir=str(self.run_folder.path),
            config=strings_without_passwords(config),
            allow_val_change=True,
            resume="allow",
            # Quiet: the run's own table and report are what a person should read. The mode stands here and not in
            # the environment, where it would outlive the run.
            settings=wandb.Settings(mode=mode, silent=True, console="off"),
        )

    def _replay(self) -> None:
        run = self._run
        assert run is not None
        for line in read_history(self.run_folder.metrics_log):
            step = line.pop("step")
            if step is not None and step >= run.starting_step:
                run.log({name: math.nan if value is None else value for name, value in line.items()}, step=step)

    def _safely(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            self._run, self._failed = None, True
            log.warning("wandb failed and is left out from here on; metrics.jsonl has it all: %s", _line(error))


def finish_wandb(exit_code: int) -> None:
    """Close wandb's run, if one is open: a second run in this process would log into it."""
    wandb = sys.modules.get("wandb")
    if wandb is None or wandb.run is None:
        return
    try:
        try:
            wandb.finish(exit_code=exit_code)
        finally:
            # Only when its service has ended is the file whole, and the run may be opened again. One that is gone, as
            # it is when a batch system signals every process of a job, would be missed at exit, with a traceback.
            wandb.teardown()
    except Exception as error:
        log.warning("wandb could not be finished: %s", _line(error))


def _run_id(folder: Path) -> str:
    """Return the id that the run has for life; the main process makes it."""
    path = folder / "wandb_id"
    if path.exists() and (known := path.read_text(encoding="utf-8").strip()):
        return known
    id_ = secrets.token_hex(4)
    if world_rank() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, id_)
    return id_


def _remove_offline(folder: Path, id_: str) -> None:
    """Remove the folders of one run, and of no other, among those named `offline-run-TIME-ID`."""
    for path in folder.glob(f"{_OFFLINE}*"):
        if path.name.removeprefix(_OFFLINE).partition("-")[2] == id_ and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
