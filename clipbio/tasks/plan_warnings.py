"""What is odd in a plan, though it can be run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipbio.tasks.plan import RunPlan

__all__ = ["plan_warnings"]


def plan_warnings(
    plan: RunPlan, *, targets: str | None, workers: int, sharing: int = 1, cores: int | None = None
) -> Iterator[str]:
    """Yield one line for each oddity, with the setting that changes it.

    Args:
        plan: The plan.
        targets: `loss.targets`.
        workers: Reading processes on this machine.
        sharing: Processes that share the memory.
        cores: Cores of this machine; None asks it.
    """
    if plan.warmup_steps > plan.steps / 2:
        yield (
            f"optim.warmup takes {plan.warmup_steps} of {plan.steps} steps: the rate is hardly ever at its height; "
            "5 to 10 percent is usual"
        )
    if rest := plan.per_process % plan.micro_batch_size:
        yield (
            f"micro_batch_size={plan.micro_batch_size} does not divide the {plan.per_process} specimens of a process: "
            f"the last piece has {rest}, which is right but slower"
        )
    if plan.accumulated > 1:
        yield (
            f"trainer.accumulate_grad_batches={plan.accumulated}: specimens of different batches never meet, so the "
            "negatives are those of one batch; micro_batch_size keeps them all"
        )
    for name, rows in plan.streams.items():
        if targets == "instance" and rows > plan.species[name]:
            yield (
                f"the {rows} rows of {name} in a batch are of at most {plan.species[name]} species, and "
                "loss.targets=instance makes those of one species negatives of each other: take loss.targets=taxon"
            )
    available = cores or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if workers > available:
        yield f"data.num_workers starts {workers} readers on {available} cores: set it to {available} per machine"
    if plan.memory.low * sharing > plan.memory_total:
        yield (
            f"{plan.memory.low * sharing / 2**30:.3g} GiB of memory are needed at least, and there are "
            f"{plan.memory_total / 2**30:.3g}: lower data.batch_size, or set micro_batch_size"
        )
