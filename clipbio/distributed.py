"""The few collectives of the house, each a plain call that also works in a single process."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist

from clipbio.errors import ClipbioError

__all__ = [
    "World",
    "barrier",
    "broadcast",
    "gather_objects",
    "join_world",
    "largest",
    "leave_world",
    "on_main",
    "prepare_world",
    "world_rank",
    "world_size",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class World:
    """The place of this process among all processes of the run."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files of the run."""
        return self.rank == 0


def _environment() -> World:
    """Read what torchrun or Slurm's `srun` set for this process."""
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    elif "SLURM_PROCID" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        names = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE")
    else:
        return World()
    rank, size, local_rank = (int(os.environ.get(name, default)) for name, default in zip(names, "010", strict=False))
    nodes = int(os.environ.get("SLURM_STEP_NUM_NODES") or os.environ.get("SLURM_NNODES") or 1)
    local_size = os.environ.get(names[3]) or size // nodes
    return World(rank, max(size, 1), local_rank, int(local_size) or 1)


def join_world(accelerator: str) -> World:
    """Join the processes that torchrun or srun started; a lone process forms a world of one.

    The group is made before Lightning's own, which then uses it: the run folder and the prepared data must be agreed
    upon before a Trainer exists.
    """
    world = _environment()
    if world.size > 1 and not dist.is_initialized():
        if "MASTER_ADDR" not in os.environ:
            raise ClipbioError(
                f"{world.size} processes without MASTER_ADDR: start with 'torchrun --nproc_per_node N train.py ...', "
                "or export MASTER_ADDR and MASTER_PORT in the batch script"
            )
        backend = "cpu:gloo,cuda:nccl" if accelerator in ("gpu", "cuda") else "gloo"
        prepare_world()
        dist.init_process_group(backend, rank=world.rank, world_size=world.size)
    return world


def prepare_world() -> None:
    """Import what must not be imported inside a group of processes.

    The default arguments of these collectives are the group of that moment. They would keep it, and its threads, alive
    beyond its end, which may abort the process at exit; DistributedDataParallel and open_clip import them.
    """
    importlib.import_module("torch.distributed.nn.functional")


def leave_world() -> None:
    """Leave the group of processes, if there is one."""
    if dist.is_available() and dist.is_initialized():
        # Wrappers of modules in reference cycles hold the group, too.
        gc.collect()
        dist.destroy_process_group()


def world_size() -> int:
    """Return the number of processes that have joined."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def world_rank() -> int:
    """Return the number of this process among them."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def barrier() -> None:
    """Wait until every process has come here."""
    if world_size() > 1:
        dist.all_reduce(torch.zeros(1))


def broadcast(value: T) -> T:
    """Return the value of rank 0 on every rank."""
    if world_size() == 1:
        return value
    box: list[Any] = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]  # type: ignore[no-any-return]


def on_main(world: World, work: Callable[[], T]) -> T:
    """Return on every process what the main one gets from `work`, which no other runs.

    Raises:
        ClipbioError: The main process met it; on every process, so that none waits for another.
    """
    found: tuple[T | None, ClipbioError | None] = (None, None)
    if world.is_main:
        try:
            found = work(), None
        except ClipbioError as error:
            found = None, error
    value, refused = broadcast(found)
    if refused is not None:
        raise refused
    return cast(T, value)


def largest(value: int) -> int:
    """Return the largest value of all processes."""
    if world_size() == 1:
        return value
    # On the CPU: a GPU would have to finish its work first.
    box = torch.tensor([value])
    dist.all_reduce(box, op=dist.ReduceOp.MAX)
    return int(box)


def gather_objects(value: T) -> list[T]:
    """Return the values of all ranks, in the order of ranks, on every rank."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values
