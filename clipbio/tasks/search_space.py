"""A search space, from YAML and from what was swept on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override

from clipbio.errors import ClipbioError

__all__ = ["as_override", "split_overrides"]


def split_overrides(parsed: Sequence[Override], space: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Return the overrides that all runs share, and the space with what the command line sweeps in its place.

    `a=1,2` and `a=range(1,5)` are choices, `a=interval(1,2)` and `a=tag(log,interval(1e-4,1e-2))` numbers.

    Raises:
        ClipbioError: A sweep is of another kind.
    """
    shared, found = [], dict(space)
    for override in parsed:
        key = override.get_key_element()
        if override.is_sweep_override():
            found[key] = _space(key, override)
        else:
            # One value on the command line is no longer searched for.
            found.pop(key, None)
            shared.append(f"{key}={override.get_value_element_as_str()}")
    return shared, found


def _space(key: str, override: Override) -> Any:
    if override.is_discrete_sweep():
        return list(override.sweep_string_iterator())
    swept = override.value()
    if not isinstance(swept, IntervalSweep):
        raise ClipbioError(f"{key}: a search draws from a,b,c, from range(...) or from interval(LOW,HIGH)")
    return {"low": swept.start, "high": swept.end, "log": "log" in swept.tags}


def as_override(key: str, value: Any) -> str:
    """Return a drawn value as an override; a text is taken as Hydra reads it, such as `{rank: 4}`."""
    return f"{key}={value if isinstance(value, str) else json.dumps(value)}"
