"""The commit point of an index: which files belong to it, with their sizes and hashes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.files import file_hash, read_json, write_json
from clipbio.search.languages import language

__all__ = ["MANIFEST", "SCHEMA", "About", "FileFacts", "Manifest", "Piece", "file_facts"]

MANIFEST, SCHEMA = "manifest.json", 1


@dataclass(frozen=True)
class About:
    """What a new index is told.

    Args:
        name: What it is called.
        model: `name`, `source` (the keys by which a command loads it again), `weights` (fingerprint of the tower of
            each modality) and `transform`.
        language: That of the descriptions, for word stems; `none` leaves words as they are.
        picture_size: Longest side of the small pictures in pixels, 0 without them.
        versions: Of the programs that made it.
        traits: Whether traits are extracted from descriptions.

    Raises:
        ClipbioError: The language is unknown.
    """

    name: str
    model: Mapping[str, Any] = field(default_factory=dict)
    language: str = "english"
    picture_size: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    traits: bool = True

    def __post_init__(self) -> None:
        language(self.language)


@dataclass(frozen=True)
class FileFacts:
    """What a file must be."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Piece:
    """A folder of the index, with its files by their path inside it; `facts` are counts and the like."""

    folder: str
    files: Mapping[str, FileFacts]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """One snapshot of an index.

    `rows` counts all, `alive` those that were not deleted; `number` counts the commits; `parts` hold specimens (facts
    `rows`, and `vectors`: their number by modality), `texts` groups and descriptions (facts `groups`, `descriptions`,
    `sentences`, `traits`), `deleted` the numbers of deleted rows, `ann` an approximate search. `data` tells what was
    indexed, one mapping for each different one. An index that was made without `traits` gets none later.
    """

    name: str
    created: str
    updated: str
    model: Mapping[str, Any] = field(default_factory=dict)
    language: str = "english"
    picture_size: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    number: int = 0
    metric: str = "cosine"
    dim: int = 0
    modalities: tuple[str, ...] = ()
    rows: int = 0
    alive: int = 0
    image_folders: tuple[str, ...] = ()
    data: tuple[Mapping[str, Any], ...] = ()
    parts: tuple[Piece, ...] = ()
    texts: Piece | None = None
    deleted: Piece | None = None
    ann: Piece | None = None
    traits: bool = False

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Return all folders that belong to it."""
        return (*self.parts, *(piece for piece in (self.texts, self.deleted, self.ann) if piece))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read that of an index.

        Raises:
            ClipbioError: There is none, it is damaged, or it comes from another version.
        """
        if not (folder / MANIFEST).is_file():
            raise ClipbioError(
                f"{folder} is no index (no {MANIFEST} in it); make one with "
                "'python -m clipbio index checkpoint=RUN data.root=FOLDER out=INDEX'"
            )
        facts = read_json(folder / MANIFEST)
        schema = facts.pop("schema", None) if isinstance(facts, dict) else None
        if schema != SCHEMA:
            raise ClipbioError(
                f"{folder / MANIFEST} has schema {schema}, this version reads {SCHEMA}: make the index again"
            )
        try:
            return _parsed(facts)
        except (TypeError, KeyError, AttributeError) as error:
            raise ClipbioError(f"{folder / MANIFEST} is damaged ({error}); make the index again") from error

    def write(self, folder: Path) -> None:
        """Put it in the place of the one before, in one step: from then on this snapshot is the index."""
        write_json(folder / MANIFEST, {"schema": SCHEMA, **asdict(self)})

    def check(self, folder: Path, *, content: bool) -> None:
        """Refuse files that are missing or of another size or, with `content`, of another hash.

        Raises:
            ClipbioError: One is not the one that was written.
        """
        due = [(folder / piece.folder / name, facts) for piece in self.pieces for name, facts in piece.files.items()]
        for path, facts in due:
            size = path.stat().st_size if path.is_file() else None
            if size != facts.bytes:
                told = "is missing" if size is None else f"has {size} bytes, {facts.bytes} were written"
                raise ClipbioError(f"{path} {told}: the index is damaged, make it again")
        if content:
            with ThreadPoolExecutor(4) as threads:
                for (path, facts), found in zip(due, threads.map(lambda one: file_hash(one[0]), due), strict=True):
                    if found != facts.sha256:
                        raise ClipbioError(f"{path} is not what was written (SHA-256 differs): make the index again")


def file_facts(folder: Path) -> dict[str, FileFacts]:
    """Return size and hash of all files of a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): FileFacts(path.stat().st_size, file_hash(path)) for path in paths}


def _parsed(facts: dict[str, Any]) -> Manifest:
    for name in ("texts", "deleted", "ann"):
        facts[name] = _piece(facts[name]) if facts[name] is not None else None
    for name in ("modalities", "image_folders", "data"):
        facts[name] = tuple(facts[name])
    return Manifest(**facts | {"parts": tuple(map(_piece, facts["parts"]))})


def _piece(facts: Mapping[str, Any]) -> Piece:
    files = {name: FileFacts(**file) for name, file in facts["files"].items()}
    return Piece(str(facts["folder"]), files, facts["facts"])
