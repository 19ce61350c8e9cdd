"""With what a run was made: code, packages, machine."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

__all__ = ["provenance"]

_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "open_clip_torch", "timm", "transformers", "webdataset",
             "hydra-core", "numpy", "pillow", "peft")  # fmt: skip


def provenance(**values: Any) -> dict[str, Any]:
    """Return what `run.json` says about code, machine and versions."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "clipbio": _version("clipbio"),
        "git": _git(),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        **values,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git() -> dict[str, Any]:
    """Return commit and whether the tree was changed; empty outside a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        commit = _run_git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_run_git(folder, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def _run_git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
