"""The manifest of a shard folder: what it holds and how it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from clipbio.errors import ClipbioError

__all__ = [
    "CLIPBIO_LAYOUT",
    "INDEX",
    "MANIFEST",
    "SCHEMA_VERSION",
    "SPLITS",
    "TEXTS",
    "FileEntry",
    "Manifest",
    "ShardEntry",
    "ShardError",
]

# To be raised when the form of the shards changes, or the cleaning of what is written into them: caches depend on it.
SCHEMA_VERSION = 3
CLIPBIO_LAYOUT = "clipbio"
SPLITS = ("train", "val", "test", "unseen", "val_unseen", "key", "key_unseen")
MANIFEST = "manifest.json"
INDEX = "index.parquet"
TEXTS = "texts.parquet"


class ShardError(ClipbioError):
    """A shard folder that is damaged or not one; the message names shard and key."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Size and SHA-256 of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """One tar: its path inside the folder, and what is in it.

    `sha256` of a foreign tar, which is not read whole, is `headers:` and a hash of its names, sizes and texts.
    """

    path: str
    split: str
    samples: int
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts or path.suffix != ".tar":
            raise ValueError(f"'{self.path}' is not the path of a tar inside the folder")


@dataclass(frozen=True)
class Manifest:
    """What stands in `manifest.json`: nothing that differs between two preparations of the same input."""

    shards: tuple[ShardEntry, ...]
    files: Mapping[str, FileEntry]
    fingerprint: str
    made: Mapping[str, Any]
    columns: tuple[str, ...] = ()
    images: int = 0
    masks: int = 0
    barcodes: int = 0
    taxa: int = 0
    unnamed: int = 0
    defects: Mapping[str, Any] = field(default_factory=dict)
    layout: str = CLIPBIO_LAYOUT
    schema: int = SCHEMA_VERSION

    @property
    def samples(self) -> int:
        """Count the samples of all splits."""
        return sum(shard.samples for shard in self.shards)

    @property
    def splits(self) -> dict[str, dict[str, int]]:
        """Count samples and shards of each split that exists."""
        splits: dict[str, dict[str, int]] = {}
        for name in SPLITS:
            if shards := self.shards_of(name):
                splits[name] = {"samples": sum(shard.samples for shard in shards), "shards": len(shards)}
        return splits

    def shards_of(self, split: str) -> tuple[ShardEntry, ...]:
        """Return the shards of a split in their order."""
        return tuple(shard for shard in self.shards if shard.split == split)

    @property
    def hash(self) -> str:
        """Return 16 hex digits that stand for the content of the folder."""
        content = [self.schema, [asdict(shard) for shard in self.shards], self.files[TEXTS].sha256]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def save(self, root: Path) -> None:
        """Write the manifest into a folder."""
        values = asdict(self) | {"samples": self.samples, "splits": self.splits}
        (root / MANIFEST).write_text(json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, root: Path) -> Manifest:
        """Read the manifest of a shard folder, or say why the folder is none."""
        path = root / MANIFEST
        if not path.is_file():
            raise ShardError(
                f"{root} is not a shard folder: it has no {MANIFEST}; "
                "make one with 'python -m clipbio prepare source=table source.root=FOLDER out=SHARDS'"
            )
        try:
            values = json.loads(path.read_bytes())
            schema = values["schema"]
        except (ValueError, KeyError, TypeError) as error:
            raise ShardError(f"{path} is damaged ({error!r}); prepare the folder again") from error
        if schema != SCHEMA_VERSION:
            raise ShardError(
                f"{path} has schema version {schema}, this release reads {SCHEMA_VERSION}; prepare it again"
            )
        try:
            return cls._from_values(values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ShardError(f"{path} is damaged ({error!r}); prepare the folder again") from error

    @classmethod
    def _from_values(cls, values: dict[str, Any]) -> Manifest:
        del values["samples"], values["splits"]  # derived from the shards
        values["shards"] = tuple(ShardEntry(**entry) for entry in values["shards"])
        values["files"] = {name: FileEntry(**entry) for name, entry in values["files"].items()}
        values["columns"] = tuple(values["columns"])
        manifest = cls(**values)
        if missing := {INDEX, TEXTS} - set(manifest.files):
            raise ValueError(f"no entry for {', '.join(sorted(missing))}")
        return manifest
