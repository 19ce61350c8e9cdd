"""Ids of specimens, given as a list or in a text file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError

__all__ = ["given_ids"]


def given_ids(given: Any, key: str = "ids") -> list[str] | None:
    """Return ids in their order, each once; None where none are given.

    Args:
        given: A list, or the path of a text file with one id on each line.
        key: What it is called in errors.

    Raises:
        ClipbioError: There is no such file, or no id in it.
    """
    if given is None:
        return None
    if isinstance(given, list) and (others := [one for one in given if type(one) not in (str, int)]):
        raise ClipbioError(f"{key}: {others[0]} may not be what was written, for it was no text: put it in quotes")
    ids = [str(one) for one in given] if isinstance(given, list) else _lines(str(given), key)
    if not ids:
        raise ClipbioError(f"{key}={given} names no specimen")
    return list(dict.fromkeys(ids))


def _lines(name: str, key: str) -> list[str]:
    path = Path(name).expanduser()
    if not path.is_file():
        raise ClipbioError(f"{key}={name}: there is no such file; a single id is given as [{name}]")
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ClipbioError(f"{key}={name} is no text file in UTF-8 ({error})") from error
