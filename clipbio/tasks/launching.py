"""Hydra's launchers: are they here, what became of the jobs they started, and where is that written."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from clipbio.errors import ClipbioError

__all__ = ["check_launch", "is_alone", "watched_jobs"]

# Choices of conf/launcher: the plugin of Hydra that does it, and the extra of ours that installs it.
_PLUGINS = {
    "slurm": ("hydra_submitit_launcher", "slurm"),
    "slurm_local": ("hydra_submitit_launcher", "slurm"),
    "joblib": ("hydra_joblib_launcher", "joblib"),
    "ray": ("hydra_ray_launcher", "ray"),
}


def check_launch(overrides: Sequence[str], *, multirun: bool) -> None:
    """Refuse a launcher that is not installed, and jobs that would be launched once by each process of a group.

    Args:
        overrides: Settings of the command.
        multirun: Whether `-m` was given.

    Raises:
        ClipbioError: The message names the remedy.
    """
    chosen = _chosen(overrides)
    if chosen in _PLUGINS:
        plugin, extra = _PLUGINS[chosen]
        if not _is_installed(f"hydra_plugins.{plugin}"):
            raise ClipbioError(f"launcher={chosen} needs {plugin.replace('_', '-')}: pip install 'clipbio[{extra}]'")
    if chosen == "slurm" and shutil.which("sbatch") is None:
        raise ClipbioError(
            "launcher=slurm finds no sbatch: call it on a login node of the cluster, or take launcher=slurm_local"
        )
    size = int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_STEP_NUM_TASKS") or 1)
    if size > 1 and (multirun or chosen):
        raise ClipbioError(
            f"a sweep or a launcher inside {size} processes would run once in each of them: start it without torchrun "
            "or srun, with -m launcher=slurm hydra.launcher.tasks_per_node=N (or slurm_local), or give each job a "
            "torchrun of its own"
        )


def is_alone(overrides: Sequence[str], *, multirun: bool) -> bool:
    """Tell whether a launcher was given for one job, which then has the run folder for itself."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    if multirun or _chosen(overrides) is None:
        return False
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return not any(one.is_sweep_override() or one.key_or_group in ("sweep", "hydra/sweeper") for one in parsed)


def _chosen(overrides: Sequence[str]) -> str | None:
    """Return the last launcher that was given."""
    values = [value for key, _, value in (one.partition("=") for one in overrides) if key.lstrip("+") == "launcher"]
    return values[-1] if values and values[-1] not in ("", "null") else None


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def watched_jobs(failed: Callable[[str], None]) -> Iterator[None]:
    """Tell the numbers of jobs that submitit submits, and how each launched job that failed ended, one line each.

    Args:
        failed: Is given what to say of each job that failed.
    """
    with _caught_failures(failed), _watched_submitit(failed):
        yield


@contextmanager
def _caught_failures(failed: Callable[[str], None]) -> Iterator[None]:
    """Take failures out of what launchers return: of the first Hydra would print the traceback, of others nothing."""
    from hydra.core.plugins import Plugins
    from hydra.core.utils import JobReturn, JobStatus

    instantiate = Plugins.instantiate_launcher

    def instantiated(*arguments: Any, **settings: Any) -> Any:
        launcher = instantiate(*arguments, **settings)
        launch = launcher.launch

        def launched(*given: Any, **named: Any) -> list[JobReturn]:
            returned = list(launch(*given, **named))
            for number, one in enumerate(returned):
                if one.status is JobStatus.FAILED:
                    failed(str(one._return_value) or type(one._return_value).__name__)
                    returned[number] = JobReturn(overrides=one.overrides, status=JobStatus.COMPLETED)
            return returned

        launcher.launch = launched  # type: ignore[method-assign]
        return launcher

    with patch.object(Plugins, "instantiate_launcher", instantiated):
        yield


@contextmanager
def _watched_submitit(failed: Callable[[str], None]) -> Iterator[None]:
    if not _is_installed("submitit"):
        yield
        return
    import submitit
    from submitit.core.utils import FailedJobError

    class Executor(submitit.AutoExecutor):
        """As Hydra's plugin uses it."""

        def map_array(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
            try:
                jobs = super().map_array(function, *arguments)
            except FailedJobError as error:
                _say(f"sbatch refused the job: {' '.join(str(error).split())}")
                raise SystemExit(2) from error
            _tell_submitted(jobs)
            return [_Launched(job, failed) for job in jobs]

    with patch.object(submitit, "AutoExecutor", Executor), _watched_queue():
        try:
            yield
        except KeyboardInterrupt:
            _say("no longer waiting: jobs that were submitted go on (scancel ends them)")
            raise


@contextmanager
def _watched_queue() -> Iterator[None]:
    """Ask the queue itself for jobs: many clusters, and all without accounting, know nothing of `sacct`."""
    from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

    class Queue(SlurmInfoWatcher):
        """States of jobs; one that has left the queue has ended."""

        def _make_command(self) -> list[str] | None:
            waiting = self._registered - self._finished
            return ["squeue", "--me", "--array", "--noheader", "--format=%i|%T"] if waiting else None

        def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
            text = string if isinstance(string, str) else string.decode()
            listed = dict(line.split("|") for line in text.split())
            # Anything that is none of submitit's words for unfinished jobs means the end.
            return {job: {"State": _state(listed.get(job))} for job in self._registered}

    with patch.object(SlurmJob, "watcher", Queue(delay_s=30)):
        yield


def _state(listed: str | None) -> str:
    """Return a state of a listed job in words that submitit takes for unfinished, `ENDED` for one that is not."""
    return "ENDED" if listed is None else "RUNNING"


def _tell_submitted(jobs: Sequence[Any]) -> None:
    numbers = [str(job.job_id) for job in jobs]
    told = numbers[0] if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    logs = Path(str(jobs[0].paths.stdout)).parent.parent
    _say(f"submitted {told}; what jobs print: {logs}/JOB; Ctrl-C ends the waiting, not the jobs")


class _Launched:
    """A job that never raises: the others go on, and all failures are told in the end."""

    def __init__(self, job: Any, failed: Callable[[str], None]) -> None:
        self.job = job
        self.failed = failed

    def results(self) -> list[Any]:
        """Wait for the end; return what Hydra wants of each task, nothing as the value of a failed one."""
        from hydra.core.utils import JobReturn, JobStatus
        from submitit.core.utils import FailedJobError, UncompletedJobError

        problem = None
        try:
            returned = self.job.results()
            problem = next((one._return_value for one in returned if one.status is JobStatus.FAILED), None)
        except (FailedJobError, UncompletedJobError) as error:
            problem, returned = error, []
        if problem is None:
            return list(returned)
        logs = Path(str(self.job.paths.stderr)).parent
        reason = str(problem) if isinstance(problem, ClipbioError) else f"{type(problem).__name__}; see {logs}"
        self.failed(f"job {self.job.job_id}: {reason}")
        return [JobReturn(status=JobStatus.COMPLETED)]


def _say(text: str) -> None:
    sys.stderr.write(f"clipbio: {text}\n")
