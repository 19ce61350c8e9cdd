"""`torch.compile` of trunks, in place."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from clipbio.errors import ClipbioError, nearest
from clipbio.models import MultiTower

__all__ = ["compile_options", "compile_trunks"]


def compile_options(setting: Any) -> dict[str, Any] | None:
    """Return the arguments of `torch.compile` that `compile=` means; None where it is off."""
    if isinstance(setting, bool):
        return {} if setting else None
    known = list(inspect.signature(torch.compile).parameters)[1:]
    if not isinstance(setting, Mapping):
        raise ClipbioError(f"compile={setting} must be true, false or options such as {{mode: max-autotune}}")
    for key in setting:
        if key not in known:
            raise ClipbioError(f"compile.{key} is no option of torch.compile{nearest(str(key), known)}")
    return dict(setting)


def compile_trunks(model: MultiTower, setting: Any) -> None:
    """Compile the encoders of trunks that are trained; the names of their weights stay as they are.

    A frozen trunk is left alone: what it gives is cached.
    """
    options = compile_options(setting)
    if options is None:
        return
    for name in model.modalities:
        tower = model.tower(name)
        if not tower.frozen:
            tower.trunk.encoder.compile(**options)
