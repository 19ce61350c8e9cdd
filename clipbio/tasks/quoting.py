"""Any text as a value on Hydra's command line."""

from __future__ import annotations

import re

__all__ = ["as_typed", "members", "quoted"]


def quoted(text: str) -> str:
    """Return any text as a value that reaches the config as it is.

    Hydra halves backslashes before a quote and at the end, OmegaConf those before an interpolation.
    """
    text = re.sub(r"(\\*)\$\{", lambda found: f"{found[1] * 2}\\${{", text)
    return "'" + re.sub(r"(\\*)('|\Z)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text) + "'"


def as_typed(value: str) -> str:
    """Return a value, or the members of a list `[A,B]`, in quotes: Hydra would read 12_1 as 121, and 1.10 as 1.1.

    What has quotes or brackets of its own stays as it is.
    """
    if (several := members(value)) is not None:
        return f"[{','.join(map(quoted, several))}]"
    return value if value[:1] in tuple("'\"[{") else quoted(value)


def members(value: str) -> list[str] | None:
    """Return the members of a list `[A,B]` without quotes or brackets of their own, None for all else."""
    inner = value[1:-1]
    if not (value.startswith("[") and value.endswith("]")) or set(inner) & set("'\"[]{}()\\"):
        return None
    return [member.strip() for member in inner.split(",")] if inner.strip() else []
