"""What is written short about several sources, spelled out as Hydra wants it."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["spelled_out"]

# Settings of a data set's source and tasks, of which its YAML names only those that differ from the shipped ones.
_OF_SUITES = re.compile(r"benchmark\.[^.=]+\.(source|expected)\.[^=]+=")
_LIST = re.compile(r"sources=\[([^\[\]{}]*)\]")


def spelled_out(overrides: Sequence[str]) -> list[str]:
    """Return overrides with `sources=[a,b]` as a mapping, its settings after it, and without the choice `source`.

    Settings of one source, and of that of a data set (`benchmark.NAME.source.split`), may be written with or without
    Hydra's `+`.
    """
    overrides = [f"++{one}" if _OF_SUITES.match(one) else one for one in overrides]
    if not any(one.lstrip("+").startswith(("sources=", "sources.")) for one in overrides):
        return list(overrides)
    whole = [_mapping(one) for one in overrides if one.startswith("sources=")]
    settings = [f"++{one.lstrip('+')}" for one in overrides if one.lstrip("+").startswith("sources.")]
    others = [one for one in overrides if not one.lstrip("+").startswith(("sources=", "sources."))]
    chosen = any(one.lstrip("~+").partition("=")[0] == "source" for one in others)
    return [*others, *whole, *settings, *([] if chosen else ["~source"])]


def _mapping(override: str) -> str:
    found = _LIST.fullmatch(override)
    if found is None:
        return override
    names = [name.strip() for name in found[1].split(",") if name.strip()]
    return f"sources={{{','.join(f'{name}:{{}}' for name in names)}}}"
