"""`python -m clipbio index`: specimens and what is written about them become a search index, or change one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clipbio.data.roots import local_folder
from clipbio.errors import ClipbioError, nearest
from clipbio.search.folder import IndexFolder
from clipbio.search.manifest import Manifest
from clipbio.search.writing import IndexWriter
from clipbio.tasks.index_ann import add_ann, asked_kind
from clipbio.tasks.index_ids import given_ids
from clipbio.tasks.index_show import show_index, tell

__all__ = ["index"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]


def index(config: Config) -> None:
    """Do one thing with an index.

    Args:
        config: Plain resolved config of `conf/index.yaml`.
    """
    action = str(config["action"])
    if action not in _ACTIONS:
        raise ClipbioError(f"action={action} is unknown{nearest(action, _ACTIONS)}")
    for key, actions in _ACTIONS_OF.items():
        if config[key] not in (None, False, "none") and action not in actions:
            raise ClipbioError(f"{key}= goes with action={' or '.join(actions)}, not with {action}: leave it out")
    _ACTIONS[action](config, local_folder(str(config["out"]), "out"))


def _build(config: Config, out: Path) -> None:
    from clipbio.tasks.index_making import build

    build(config, out)


def _append(config: Config, out: Path) -> None:
    from clipbio.tasks.index_making import append

    append(config, out)


def _delete(config: Config, out: Path) -> None:
    ids = given_ids(config["ids"])
    if ids is None:
        raise ClipbioError("action=delete: which ones? give ids=[A,B], or a text file with one id on each line")
    with IndexWriter.open(out) as writer:
        tell("deleted from", out, writer.delete(ids), writer.manifest)


def _compact(config: Config, out: Path) -> None:
    kind = asked_kind(config["ann"])
    with IndexWriter.open(out) as writer:
        before = writer.manifest.rows
        writer.compact()
        tell("compacted:", out, before - writer.manifest.rows, writer.manifest)
        add_ann(writer, kind)


def _ann(config: Config, out: Path) -> None:
    kind = asked_kind(config["ann"])
    if kind is None:
        raise ClipbioError("action=ann: of which kind? give ann=ivf, hnsw or ivfpq")
    with IndexWriter.open(out) as writer:
        add_ann(writer, kind)


def _verify(config: Config, out: Path) -> None:
    del config
    manifest = IndexFolder.open(out, verify=True).manifest
    files = [file for piece in manifest.pieces for file in piece.files.values()]
    size = sum(file.bytes for file in files)
    log.info("%s: %d files, %s bytes, are those that were written", out, len(files), f"{size:,}")


def _show(config: Config, out: Path) -> None:
    del config
    show_index(out, Manifest.read(out))


_ACTIONS: dict[str, Callable[[Config, Path], None]] = {
    "build": _build,
    "append": _append,
    "delete": _delete,
    "compact": _compact,
    "ann": _ann,
    "verify": _verify,
    "show": _show,
}
# What would be passed over without a word elsewhere.
_ACTIONS_OF = {
    "replace": ("append",),
    "overwrite": ("build",),
    "ids": ("build", "append", "delete"),
    "ann": ("build", "append", "compact", "ann"),
}
