"""Any text as a value on Hydra's command line."""

from __future__ import annotations

import re

__all__ = ["quoted"]


def quoted(text: str) -> str:
    """Return any text as a value that reaches the config as it is.

    Hydra halves backslashes before a quote and at the end, OmegaConf those before an interpolation.
    """
    text = re.sub(r"(\\*)\$\{", lambda found: f"{found[1] * 2}\\${{", text)
    return "'" + re.sub(r"(\\*)('|\Z)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text) + "'"
