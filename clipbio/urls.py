"""What may be written down of a URL."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["strings_without_passwords", "without_passwords"]

# Up to the last @ before the path: a password may hold one where nobody has quoted it.
_USER = re.compile(r"(?<=://)[^/\s?#]*@")
_QUERY = re.compile(r"(?P<start>\w+://[^\s?]*\?)[^\s#]+")


def without_passwords(text: str) -> str:
    """Return text in which no URL names a user or a password, or has a query, where tokens and signatures stand."""
    return _QUERY.sub(r"\g<start>...", _USER.sub("", text))


def strings_without_passwords(config: Any) -> Any:
    """Return a plain config of which no string names a user, a password or a token in a URL."""
    if isinstance(config, dict):
        return {key: strings_without_passwords(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [strings_without_passwords(value) for value in config]
    return without_passwords(config) if isinstance(config, str) else config
