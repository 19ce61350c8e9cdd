"""What every result says about code, machine and versions."""

from __future__ import annotations

import os
import platform
import socket
import sys
from pathlib import Path
from typing import Any

from clipbio.provenance.code import PACKAGE, git_facts, source_hash
from clipbio.provenance.environment import environment
from clipbio.provenance.machine import machine_facts, torch_facts
from clipbio.provenance.packages import version
from clipbio.urls import without_passwords

__all__ = ["provenance", "run_facts"]

_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "open_clip_torch", "timm", "transformers", "webdataset",
             "hydra-core", "numpy", "pillow", "peft")  # fmt: skip


def provenance(**values: Any) -> dict[str, Any]:
    """Return what a result of any command says about code, machine and versions."""
    machine = machine_facts()
    return {
        "command": [without_passwords(part) for part in sys.argv],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "clipbio": version("clipbio"),
        "git": git_facts(),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "gpus": machine["gpus"],
        **values,
    }


def run_facts(**values: Any) -> dict[str, Any]:
    """Return what `run.json` says beyond that: all that may change the numbers of a run."""
    return provenance(
        folder=str(Path.cwd()),
        source_hash=source_hash(PACKAGE),
        machine=machine_facts(),
        torch=torch_facts(),
        environment=environment(),
        **values,
    )
