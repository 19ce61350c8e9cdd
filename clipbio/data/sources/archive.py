"""Files inside a folder or a zip file, read where they are: nothing is extracted, nothing outside is reached."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from clipbio.data.sources.delimited import READ_ERRORS
from clipbio.errors import ClipbioError

__all__ = ["Archive", "find_export"]

_MAX_RATIO = 250
_ALWAYS_FINE = 64 * 2**20


class Archive:
    """The files of a folder or of a zip file.

    Args:
        path: The folder or the zip file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir() and not (path.is_file() and zipfile.is_zipfile(path)):
            state = "neither a folder nor a zip file" if path.exists() else "not there"
            raise ClipbioError(f"{path} is {state}; give the zip file, or the folder that it was unpacked to")

    def names(self) -> list[str]:
        """Name the files at the top, in a zip file also those one folder below."""
        if self.path.is_dir():
            return sorted(path.name for path in self.path.iterdir() if path.is_file())
        with self._zip() as file:
            return sorted(name for name in file.namelist() if name.count("/") < 2 and not name.endswith("/"))

    def find(self, name: str) -> str:
        """Return the path of a file that lies at the top, or in the one folder of a zip file."""
        names = self.names()
        found = [name] if name in names else [path for path in names if path.endswith(f"/{name}")]
        if len(found) != 1:
            raise ClipbioError(f"{self.path} holds {len(found) or 'no'} {name}; is it a Darwin Core Archive?")
        return found[0]

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading.

        Raises:
            ClipbioError: It is not there, lies outside, or unpacks to far more than it is.
        """
        _check_inside(name, self.path)
        if self.path.is_dir():
            path = self.path / name
            if not path.is_file():
                raise ClipbioError(f"{self.path} has no file '{name}'")
            if not path.resolve().is_relative_to(self.path.resolve()):
                raise ClipbioError(f"{self.path}: '{name}' is a link that leads out of the folder; it is not followed")
            return path.open("rb")
        return self._open_member(name)

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a small file; one with more than `limit` bytes is refused."""
        try:
            with self.open(name) as file:
                data = file.read(limit + 1)
        except READ_ERRORS as error:
            raise ClipbioError(f"{self.path}: '{name}' cannot be read ({error})") from error
        if len(data) > limit:
            raise ClipbioError(f"{self.path}: '{name}' has more than {limit} bytes; that is refused")
        return data

    def digest(self, names: Iterable[str]) -> str:
        """Hash the content of some files; in a zip file their checksums stand for it."""
        digest = hashlib.blake2b(digest_size=16)
        for name in names:
            if self.path.is_dir():
                with self.open(name) as file:
                    state = hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()
            else:
                with self._zip() as archive:
                    entry = _entry(archive, name, self.path)
                state = f"{entry.file_size}:{entry.CRC}"
            digest.update(f"{name}:{state}\n".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def _open_member(self, name: str) -> BinaryIO:
        try:
            with self._zip() as archive:
                entry = _entry(archive, name, self.path)
                # What is read never exceeds the declared size: zipfile stops there and compares the checksum.
                if entry.file_size > max(_ALWAYS_FINE, _MAX_RATIO * entry.compress_size):
                    sizes = f"{entry.compress_size} bytes unpack to {entry.file_size}"
                    raise ClipbioError(f"{self.path}: '{name}' looks like a zip bomb ({sizes}); unpack it yourself")
                return cast(BinaryIO, archive.open(entry))
        except READ_ERRORS as error:
            raise ClipbioError(f"{self.path}: '{name}' cannot be read ({error})") from error

    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except READ_ERRORS as error:
            raise ClipbioError(f"{self.path} cannot be read as a zip file ({error})") from error


def find_export(root: Path, suffixes: tuple[str, ...]) -> tuple[str, Callable[[], BinaryIO]]:
    """Return name and opener of the one table that `root` is or holds.

    Args:
        root: A text file, plain or gzipped, or a folder or zip file with one of them.
        suffixes: What its name ends with, without `.gz`; the first one that is found counts.
    """
    if root.name.lower().endswith((".tar", ".tar.gz", ".tgz")):
        raise ClipbioError(f"{root} is a tar file; unpack it and give the table in it")
    if root.is_file() and root.suffix.lower() != ".zip":
        return root.name, _opener(root.name, lambda: root.open("rb"))
    archive = Archive(root)
    names = [name for name in archive.names() if not name.startswith(".") and "/." not in name]
    for suffix in suffixes:
        found = [name for name in names if name.lower().endswith((suffix, f"{suffix}.gz"))]
        if len(found) > 1:
            raise ClipbioError(f"{root} holds {', '.join(found[:5])}; give the one to read")
        if found:
            return PurePosixPath(found[0]).name, _opener(found[0], partial(archive.open, found[0]))
    raise ClipbioError(f"{root} holds no table *{' or *'.join(suffixes)}; give the file itself")


def _opener(name: str, opened: Callable[[], BinaryIO]) -> Callable[[], BinaryIO]:
    return (lambda: cast(BinaryIO, gzip.open(opened()))) if name.lower().endswith(".gz") else opened


def _entry(archive: zipfile.ZipFile, name: str, path: Path) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(name)
    except KeyError:
        raise ClipbioError(f"{path} has no file '{name}'") from None


def _check_inside(name: str, path: Path) -> None:
    unsafe = not name or name.startswith("/") or "\\" in name or ":" in name or "\0" in name or ".." in name.split("/")
    if unsafe:
        raise ClipbioError(f"{path}: '{name}' lies outside of the archive; such paths are refused")
