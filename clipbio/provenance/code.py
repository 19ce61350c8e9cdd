"""The code of a run: its commit and what was changed since, and a hash that an installed wheel has, too."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clipbio.files import file_hash, write_bytes
from clipbio.urls import without_passwords

__all__ = ["DIFF", "PACKAGE", "Diff", "git_facts", "read_diff", "source_hash", "write_diff"]

PACKAGE = Path(__file__).resolve().parents[1]
# Inside a run folder.
DIFF = "code.diff"
_MOST_BYTES = 4_000_000
_MOST_UNTRACKED = 200


@dataclass(frozen=True)
class Diff:
    """What was changed since the commit.

    Attributes:
        content: The diff of tracked files, as `git apply` takes it; empty if there is none. Files need not be UTF-8.
        length: Its bytes before it was cut.
        untracked: SHA-256 by path of Python files and configs that git does not know.
    """

    content: bytes
    length: int
    untracked: dict[str, str]

    @property
    def facts(self) -> dict[str, Any]:
        """What `run.json` says of it."""
        return {
            "file": DIFF if self.content else None,
            "bytes": self.length,
            "cut": self.length > len(self.content),
            "untracked": self.untracked,
        }


def git_facts(package: Path = PACKAGE) -> dict[str, Any]:
    """Return commit, branch, remote and whether tracked files were changed; empty outside a checkout."""
    if not _is_checkout(package):
        return {}
    try:
        return {
            "commit": _git(package, "rev-parse", "HEAD"),
            "branch": _git(package, "branch", "--show-current") or None,
            "remote": without_passwords(_git(package, "config", "--default", "", "--get", "remote.origin.url")) or None,
            "changed": bool(_git(package, "status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return {}


def read_diff(package: Path = PACKAGE, *, most: int = _MOST_BYTES) -> Diff:
    """Return what was changed since the commit, at most so many bytes of it; empty outside a checkout."""
    if not _is_checkout(package):
        return Diff(b"", 0, {})
    try:
        top = Path(_git(package, "rev-parse", "--show-toplevel"))
        content = _output(
            top,
            "diff",
            "HEAD",
            "--binary",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
        )
        names = _git(top, "ls-files", "--others", "--exclude-standard", "-z", "--", "*.py", "*.yaml").split("\0")
    except (OSError, subprocess.SubprocessError):
        return Diff(b"", 0, {})
    untracked = [name for name in names if name and (top / name).is_file()][:_MOST_UNTRACKED]
    return Diff(content[:most], len(content), {name: file_hash(top / name) for name in untracked})


def write_diff(folder: Path, diff: Diff) -> None:
    """Write `code.diff`, or remove the one of an earlier attempt if there is nothing to tell."""
    if diff.content:
        write_bytes(folder / DIFF, diff.content)
    else:
        (folder / DIFF).unlink(missing_ok=True)


@cache
def source_hash(package: Path = PACKAGE) -> str:
    """Return 16 hex digits that stand for the Python files of the package, whether they come from git or from a wheel.

    It is that of the first call: what is edited later is not what this process has loaded.
    """
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\0{file_hash(path)}\n".encode())
    return digest.hexdigest()[:16]


def _is_checkout(package: Path) -> bool:
    """Tell whether git knows these files: a wheel may be installed somewhere inside another checkout."""
    try:
        return bool(_git(package, "ls-files", "--", "__init__.py"))
    except (OSError, subprocess.SubprocessError):
        return False


def _git(folder: Path, *arguments: str) -> str:
    return _output(folder, *arguments).decode(errors="replace").strip()


def _output(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=True, timeout=30).stdout
