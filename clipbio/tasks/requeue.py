"""Asking Slurm to run a job again."""

from __future__ import annotations

import logging
import os
import subprocess

__all__ = ["is_requeued", "requeue"]

log = logging.getLogger(__name__)


def requeue() -> None:
    """Put the Slurm job of this process back into the queue, if it is one; Slurm then ends what is left of it."""
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return
    try:
        answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=30, check=False)
        problem = answer.stderr.strip() if answer.returncode else ""
    except (OSError, subprocess.SubprocessError) as error:
        problem = str(error)
    if problem:
        log.warning("job %s could not be put back into the queue: %s; submit it again with resume=auto", job, problem)
    else:
        log.info("job %s is back in the queue", job)


def is_requeued(job: object) -> bool:
    """Tell whether this is a later start of a Slurm job, given by its number."""
    again = os.environ.get("SLURM_RESTART_COUNT", "0")
    return bool(job) and os.environ.get("SLURM_JOB_ID") == str(job) and again.isdecimal() and int(again) > 0
