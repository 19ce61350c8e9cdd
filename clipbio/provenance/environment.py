"""Variables of the environment that change numbers or say where a run took place."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from clipbio.urls import without_passwords

__all__ = ["environment"]

# Only these are ever stored: an environment holds keys and passwords.
_NAMES = frozenset(
    {"CUBLAS_WORKSPACE_CONFIG", "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING", "CUDA_VISIBLE_DEVICES", "DNNL_MAX_CPU_ISA",
     "NVIDIA_TF32_OVERRIDE", "ONEDNN_MAX_CPU_ISA", "PYTHONHASHSEED", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "SLURM_JOB_ID",
     "SLURM_JOB_PARTITION", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_NNODES", "SLURM_NTASKS",
     "SLURM_CPUS_PER_TASK", "SLURM_RESTART_COUNT"}
)  # fmt: skip
_PREFIXES = ("ATEN_", "GLOO_", "GOMP_", "KMP_", "MKL_", "NCCL_", "NUMEXPR_", "OMP_", "OPENBLAS_", "PYTORCH_", "TORCH_")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of an allow-list, sorted by name."""
    given = os.environ if variables is None else variables
    named = (name for name in given if name in _NAMES or name.startswith(_PREFIXES))
    return {name: without_passwords(given[name]) for name in sorted(named) if not _SECRET.search(name)}
