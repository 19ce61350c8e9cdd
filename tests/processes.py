"""Functions run by several processes that form a group, and leave it before they end."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist

from clipbio.distributed import leave_world, prepare_world

__all__ = ["FORKS", "in_group", "spawn"]

# Processes are forked from a server that has done the slow imports once.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["clipbio.tasks.train", "clipbio.models.openclip_model", "clipbio.cli", "hydra.main", "pandas", "wandb"]
)


def spawn(function: Callable[..., None], folder: Path, *, processes: int = 2) -> None:
    """Run `function(rank, folder)` in processes of their own, until all have ended."""
    torch.multiprocessing.start_processes(
        _run, (function, str(folder)), nprocs=processes, start_method=FORKS.get_start_method()
    )


def _run(rank: int, function: Callable[..., None], folder: str) -> None:
    torch.set_num_threads(1)
    function(rank, Path(folder))


def in_group(rank: int, size: int, meeting: Path, function: Callable[..., dict]) -> dict:
    """Return what a function gives inside a group that meets in a file; then nothing of the group is alive.

    What the function made (wrappers, their reducers) is gone when it returns, or is garbage.
    """
    prepare_world()
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    found = function()
    gc.collect()
    # Nobody leaves while another one still listens to it.
    dist.barrier()
    leave_world()
    assert not _gloo_threads(), "the group outlives its end: a thread of it may abort the process at exit"
    return found


def _gloo_threads() -> list[str]:
    """Return the names of threads of gloo in this process; none where the system does not tell (not Linux)."""
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names if "gloo" in name]
