"""Arguments of `traits`, a folder, a text file or a description, as overrides that reach the config as typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from clipbio.errors import ClipbioError
from clipbio.tasks.quoting import quoted

__all__ = ["traits_overrides"]

_SETTING = re.compile(r"[+~]{0,2}[A-Za-z_][\w.]*=.*", re.DOTALL)
# `text` is a config group, of regimes; what people type as a text is the description.
_LITERAL = {"text": "description", "description": "description", "name": "name", "file": "file"}


def traits_overrides(arguments: Sequence[str]) -> list[str]:
    """Return arguments as overrides of Hydra; one without a key is a folder of data, a file, or a description.

    Raises:
        ClipbioError: There are several without a key.
    """
    overrides, plain = [], []
    for one in arguments:
        if one.startswith("-") or (_SETTING.fullmatch(one) and not Path(one).exists()):
            overrides.append(_literal(one))
        else:
            plain.append(one)
    if len(plain) > 1:
        raise ClipbioError(f"traits takes one folder, file or description, here are {len(plain)}; quote a description")
    # A specimen table needs no other word, though other commands know it as data=table.
    return [*(one for one in overrides if one != "data=table"), *map(_named, plain)]


def _named(plain: str) -> str:
    path = Path(plain).expanduser()
    try:
        key = "data.root" if path.is_dir() else "file" if path.is_file() or _is_path(plain) else "description"
    except OSError:  # too long for a name of a file
        key = "description"
    return f"{key}={quoted(plain)}"


def _is_path(plain: str) -> bool:
    """Tell whether an argument that names nothing on this machine was meant to: one word with a separator or suffix."""
    is_word = len(plain.split()) == 1
    return Path(plain).suffix == ".txt" or (is_word and ("/" in plain or bool(Path(plain).suffix)))


def _literal(override: str) -> str:
    """Return a text in quotes, since commas and brackets are part of it, unless it stands in those of Hydra."""
    key, _, value = override.partition("=")
    in_quotes = len(value) > 1 and value[0] == value[-1] == "'"
    if key not in _LITERAL or value == "null" or in_quotes:
        return override
    return f"{_LITERAL[key]}={quoted(value)}"
