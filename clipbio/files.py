"""Small files and folders, written whole or not at all, and whether a file has changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError

__all__ = ["file_hash", "file_state", "plain_text", "read_json", "whole_folder", "write_bytes", "write_json",
           "write_text"]  # fmt: skip


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader or a crash never meets half of it."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder` that takes its place, and whatever stands there, when all went well.

    Raises:
        ClipbioError: It cannot be written.
    """
    work = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        work.mkdir(parents=True)
        yield work
        if folder.exists():
            shutil.rmtree(folder)
        work.rename(folder)
    except OSError as error:
        raise ClipbioError(f"the folder {folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON: NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; a damaged file is told by name."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ClipbioError(f"{path} cannot be read as JSON: {error}") from error


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_state(path: str | Path) -> str:
    """Return size and time of a file, for fingerprints."""
    try:
        state = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return "missing"
    return f"{state.st_size}:{state.st_mtime_ns}"


def plain_text(text: str) -> str:
    """Return text that Markdown, and HTML in it, shows as it is, on one line and within a cell of a table."""
    safe = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", safe)
