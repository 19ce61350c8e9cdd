"""What libraries raise when a process that the run needs is gone, in plain words."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from torch.distributed import DistError

from clipbio.distributed import World

__all__ = ["lost_process"]

_PACKAGE = str(Path(__file__).resolve().parents[1])
_WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? (?P<pids>[\d, ]+)\) (?P<how>.+)")
# What gloo, NCCL and the store of torch.distributed say of a connection that broke or an answer that did not come.
_BROKEN = re.compile(
    "closed by peer|reset by peer|timed out|timeout|broken pipe|connection refused|remote process exited|"
    "connection was (?:closed|likely)|unhandled system error|failed to recv|sendbytes failed|recvvalue",
    re.IGNORECASE,
)


def lost_process(error: BaseException, world: World) -> str:
    """Return one line if an error comes from the loss of another process or of a data worker, else nothing."""
    if worker := _WORKER.search(str(error)):
        return (
            f"a data worker (process {worker['pids']}) was lost: it {worker['how'].splitlines()[0].rstrip('. ')}. "
            "Memory that runs out is the usual reason: lower data.num_workers or data.batch_size. Then go on with "
            "resume=auto"
        )
    if world.size > 1 and isinstance(error, RuntimeError | DistError) and _BROKEN.search(str(error)):
        return (
            f"a process of the run was lost: process {world.rank} of {world.size} waited for it in {_where(error)} "
            f"({str(error).splitlines()[0][:160]}). Its own output says why; go on with resume=auto"
        )
    return ""


def _where(error: BaseException) -> str:
    """Return the collective that broke, and the place of ours that called it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(_PACKAGE)]
    inside = [frame.name for frame in frames if "distributed_c10d" in frame.filename and frame.name != "wrapper"]
    if not inside and any(frame.name == "backward" for frame in frames):
        inside = ["the exchange of gradients"]
    place = f" of {own[-1].name} ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return (inside[0] if inside else "a collective") + place
