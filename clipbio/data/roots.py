"""Where data may stand: a folder of this machine, or a URL of a known scheme."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError, nearest

__all__ = ["REMOTE_SCHEMES", "is_remote", "local_folder", "refuse_programs", "shown"]

# Schemes of remote folders.
REMOTE_SCHEMES = ("s3", "gs", "gcs", "http", "https", "hf", "file", "memory")
_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)(?:://|::)|(?P<pipe>pipe):", re.IGNORECASE)


def is_remote(root: str | Path, key: str = "data.root") -> bool:
    """Tell whether a root is a URL, or a path.

    Args:
        root: What a config gives.
        key: The key that gives it, for errors.

    Raises:
        ClipbioError: It is a URL that is not read: `pipe:` would run a program, other schemes are unknown.
    """
    match = _SCHEME.match(str(root))
    if match is None:
        return False
    scheme = (match["scheme"] or match["pipe"]).lower()
    if scheme == "pipe":
        raise ClipbioError(f"{key}={root}: pipe: URLs are refused, they run a program; give a folder or a URL")
    if scheme not in REMOTE_SCHEMES or match[0].endswith("::"):
        raise ClipbioError(f"{key}={shown(root)}: '{scheme}' is no scheme of data{nearest(scheme, REMOTE_SCHEMES)}")
    return True


def local_folder(root: str | Path, key: str) -> Path:
    """Return a path, and refuse a URL where only a folder of this machine will do."""
    if is_remote(root, key):
        raise ClipbioError(f"{key}={shown(root)} is a URL: give a folder of this machine")
    return Path(root).expanduser()


def refuse_programs(settings: Mapping[str, Any], where: str) -> None:
    """Refuse settings of which one is a `pipe:` URL; no other is looked into."""
    for key, value in settings.items():
        if isinstance(value, str) and value.lower().startswith("pipe:"):
            is_remote(value, f"{where}.{key}")


def shown(url: str | Path) -> str:
    """Return a URL as it may be printed: without a password."""
    return re.sub(r"(?<=://)[^/@]*@", "***@", str(url))
