"""Installed packages and their versions."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from clipbio.files import write_text

__all__ = ["PACKAGES", "installed", "read_packages", "version", "write_packages"]

# Inside a run folder.
PACKAGES = "packages.txt"


def version(name: str) -> str | None:
    """Return the version of an installed package, None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def installed() -> dict[str, str]:
    """Return the version of every installed package by its name in lower case, sorted."""
    found = {str(one.metadata["Name"]).lower().replace("_", "-"): one.version for one in metadata.distributions()}
    return dict(sorted(found.items()))


def write_packages(folder: Path) -> None:
    """Write `packages.txt`, a line `NAME==VERSION` for each package, as pip reads it."""
    write_text(folder / PACKAGES, "".join(f"{name}=={number}\n" for name, number in installed().items()))


def read_packages(folder: Path) -> dict[str, str]:
    """Return what `packages.txt` of a folder says; empty without one."""
    path = folder / PACKAGES
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.partition("==") for line in lines)
    return {name: number for name, equals, number in pairs if equals}
