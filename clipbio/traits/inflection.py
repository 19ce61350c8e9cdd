"""English word forms by rule: plurals of nouns, and `-ed` adjectives of body parts (`red-eyed`, `black-tailed`)."""

from __future__ import annotations

import re

__all__ = ["plural", "possessing"]

_VOWELS = "aeiou"


def plural(noun: str) -> str:
    """Return the regular plural of a noun or of the last word of a phrase: `wing bars`, `berries`, `patches`."""
    if re.search(rf"[^{_VOWELS}]y$", noun):
        return f"{noun[:-1]}ies"
    if noun.endswith("fe"):
        return f"{noun[:-2]}ves"
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"


def possessing(noun: str) -> tuple[str, ...]:
    """Return the adjectives of having a body part: `eyed`, `bellied`, `legged`, `petalled` and `petaled`."""
    if noun.endswith("e"):
        return (f"{noun}d",)
    if re.search(rf"[^{_VOWELS}]y$", noun):
        return (f"{noun[:-1]}ied",)
    doubled = f"{noun}{noun[-1]}ed"
    return (f"{noun}ed", doubled) if re.search(rf"[{_VOWELS}][bdglmnprt]$", noun) else (f"{noun}ed",)
