"""Values of the command line as what they must be, told by their key where they are something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbio.data.roots import local_folder
from clipbio.errors import ClipbioError

if TYPE_CHECKING:
    from clipbio.distributed import World

__all__ = ["flag", "new_file", "new_folder", "report_folder", "whole_number", "worker_count"]


def flag(value: Any, key: str) -> bool:
    """Return true or false; any other word would count as true."""
    if not isinstance(value, bool):
        raise ClipbioError(f"{key}={value} must be true or false")
    return value


def whole_number(value: Any, key: str) -> int:
    """Return a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ClipbioError(f"{key}={value} must be a whole number")
    return value


def worker_count(value: Any, key: str, world: World) -> int:
    """Return a number of reading processes; `auto` is that of the cores of this process."""
    if value == "auto":
        from clipbio.data.stream import own_cores  # late: torch, which most commands that ask need not load

        return own_cores(world)
    if (count := whole_number(value, key)) < 0:
        raise ClipbioError(f"{key}={value} must be 0 or more, or auto")
    return count


def report_folder(value: Any, key: str = "out") -> Path | None:
    """Return the folder that a report is written to, None if none is wanted; a file in its place is refused."""
    if value in (None, ""):
        return None
    # A folder may be called 2026, which is a number in YAML.
    folder = local_folder(str(value), key)
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if there.exists() and not there.is_dir():
        raise ClipbioError(f"{key}={value}: {there} is a file; give a folder")
    return folder


def new_file(config: Mapping[str, Any], checked: Callable[[Path], Path]) -> Path | None:
    """Return the file `out` that is to be written, None if none is wanted.

    Args:
        config: With `out` and `overwrite`.
        checked: Refuses what cannot be written in this form.

    Raises:
        ClipbioError: It is there, and `overwrite` is false.
    """
    if config["out"] is None:
        return None
    out = checked(local_folder(str(config["out"]), "out"))
    if out.exists() and not flag(config["overwrite"], "overwrite"):
        raise ClipbioError(f"out={out} exists: give another file, or overwrite=true")
    return out


def new_folder(value: Any, *, overwrite: bool, mark: str, key: str = "out") -> Path:
    """Return the folder that is to be written as a whole.

    Args:
        value: What was given as `out`.
        overwrite: Whether one that is there may be replaced.
        mark: A file that must be in such a one, so that no other folder is lost by a slip of the pen.
        key: What it is called in errors.

    Raises:
        ClipbioError: Something is there already.
    """
    folder = report_folder(value, key)
    if folder is None:
        raise ClipbioError(f"{key} is missing: name the folder to write")
    if folder.exists() and any(folder.iterdir()):
        if not overwrite:
            raise ClipbioError(f"{key}={folder} exists: give another folder, or overwrite=true")
        if not (folder / mark).is_file():
            raise ClipbioError(f"{key}={folder} holds other things (no {mark} in it) and is not replaced: give another")
    return folder
