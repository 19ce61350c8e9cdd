"""Asking Slurm to run a job again."""

from __future__ import annotations

import logging
import os
import re
import subprocess

__all__ = ["come_back", "is_requeued"]

log = logging.getLogger(__name__)


def come_back(state: str) -> None:
    """Put the Slurm job of this process, if it is one, back into the queue if it was stopped for a time only.

    Slurm itself does so with a job that it preempts and then has to kill, but not with one that ends within its grace.

    Args:
        state: How the run ended: `preempted` by the signal before a time limit, `interrupted` by one that means
            preemption, for which Slurm is asked, or that somebody wants an end. After other states nothing is done.
    """
    job = _job()
    if not job or not (state == "preempted" or (state == "interrupted" and _is_preempted(job))):
        return
    _, problem = _scontrol("requeue", job)
    if problem:
        log.warning("job %s could not be put back into the queue: %s; submit it again with resume=auto", job, problem)
    else:
        log.info("job %s is back in the queue", job)


def is_requeued(job: object) -> bool:
    """Tell whether this is a later start of a Slurm job, given by its number."""
    again = os.environ.get("SLURM_RESTART_COUNT", "0")
    return bool(job) and os.environ.get("SLURM_JOB_ID") == str(job) and again.isdecimal() and int(again) > 0


def _job() -> str:
    """Return what Slurm calls this job: the plain number of a task of an array may stand for the whole array."""
    array, task = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")


def _is_preempted(job: str) -> bool:
    told, _ = _scontrol("show", "job", job)
    return re.search(r"\bPreemptTime=\d", told) is not None


def _scontrol(*arguments: str) -> tuple[str, str]:
    """Return what it prints, and what was wrong."""
    try:
        answer = subprocess.run(["scontrol", *arguments], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return "", str(error)
    return answer.stdout, answer.stderr.strip() if answer.returncode else ""
