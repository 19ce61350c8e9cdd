"""The few collectives of the house, each a plain call that also works in a single process."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
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


# How long a collective waits. The others wait in one while the main process builds shards or an index, for longer than
# the half hour (ten minutes with NCCL) of torch; a run that hangs is ended by its watchdog, see `hang_after`.
_PATIENCE = timedelta(days=2)


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
    """Read what torchrun, Slurm's `srun` or submitit's local executor set for this process."""
    given = os.environ
    if "RANK" in given and "WORLD_SIZE" in given:
        rank, size, local_rank = (int(given.get(name, "0")) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        return World(rank, max(size, 1), local_rank, int(given.get("LOCAL_WORLD_SIZE") or size) or 1)
    if given.get("SUBMITIT_EXECUTOR") == "local":
        rank, size = int(given["SUBMITIT_LOCAL_GLOBALID"]), int(given["SUBMITIT_LOCAL_NTASKS"])
        return World(rank, size, rank, size)
    if "SLURM_PROCID" in given and given.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        return _slurm_environment()
    return World()


def _slurm_environment() -> World:
    """Read the place in a step of `srun`.

    Raises:
        ClipbioError: Several tasks were asked for, but `srun` starts none of them, or nodes have different numbers.
    """
    given = os.environ
    size = int(given.get("SLURM_STEP_NUM_TASKS") or given.get("SLURM_NTASKS") or 1)
    if "SLURM_STEP_ID" not in given:
        # The batch script itself: a lone process, whatever was asked for.
        if size > 1:
            raise ClipbioError(
                f"the Slurm job has {size} tasks, but one process was started: put 'srun' before the command in the "
                "batch script (or ask for --ntasks-per-node=1 and use torchrun)"
            )
        return World()
    per_node = given.get("SLURM_STEP_TASKS_PER_NODE") or str(size)
    nodes = int(given.get("SLURM_STEP_NUM_NODES") or given.get("SLURM_NNODES") or 1)
    if "," in per_node:
        raise ClipbioError(
            f"Slurm gave the nodes different numbers of tasks ({per_node}): ask for --nodes={nodes} and the same "
            "--ntasks-per-node for all, instead of --ntasks"
        )
    return World(int(given["SLURM_PROCID"]), size, int(given.get("SLURM_LOCALID", "0")), max(1, size // nodes))


def join_world(accelerator: str) -> World:
    """Join the processes that torchrun, srun or submitit started; a lone process forms a world of one.

    The group is made before Lightning's own, which then uses it: the run folder and the prepared data must be agreed
    upon before a Trainer exists.
    """
    world = _environment()
    if world.size > 1 and not dist.is_initialized():
        _meet(world)
        backend = "cpu:gloo,cuda:nccl" if accelerator in ("gpu", "cuda") else "gloo"
        prepare_world()
        dist.init_process_group(backend, rank=world.rank, world_size=world.size, timeout=_PATIENCE)
    return world


def _meet(world: World) -> None:
    """Say where the processes meet, and in Lightning's words who they are, where nobody has said so."""
    if os.environ.get("SUBMITIT_EXECUTOR") == "local" and "RANK" not in os.environ:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        places = (world.rank, world.size, world.local_rank, world.local_size)
        os.environ |= {name: str(place) for name, place in zip(names, places, strict=True)}
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", str(15000 + int(os.environ["SUBMITIT_LOCAL_JOB_ID"][-4:])))
    elif "SLURM_STEP_ID" in os.environ and "RANK" not in os.environ:
        from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

        # The step may be smaller than the job, and Lightning wants to be told.
        os.environ["SLURM_NTASKS_PER_NODE"] = str(world.local_size)
        place = SLURMEnvironment(auto_requeue=False)
        # Both write what they find into the environment: the first host, and a port from the number of the job.
        place.main_address, place.main_port  # noqa: B018
    if "MASTER_ADDR" not in os.environ or "MASTER_PORT" not in os.environ:
        raise ClipbioError(
            f"{world.size} processes without MASTER_ADDR and MASTER_PORT: start them with "
            "'torchrun --nproc_per_node N train.py ...' or srun"
        )


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
