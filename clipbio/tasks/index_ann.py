"""The approximate search of an index, built where one is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipbio.search.folder import IndexFolder
from clipbio.search.writing import IndexWriter

__all__ = ["add_ann", "asked_kind"]


def asked_kind(given: Any) -> str | None:
    """Return the kind of approximate search that `ann` gives, None for `none`.

    Raises:
        ClipbioError: It is unknown, or FAISS is not installed: told before anything is encoded.
    """
    if given in (None, "none"):
        return None
    from clipbio.search.ann_kinds import ann_kind, load_faiss

    ann_kind(str(given))
    load_faiss()
    return str(given)


def add_ann(writer: IndexWriter, kind: str | None) -> None:
    """Build it, over all that the index holds now; errors are those of `write_ann`."""
    if kind is None:
        return
    from clipbio.search.ann_building import write_ann

    folder = IndexFolder.open(writer.path, verify=False)

    def write(out: Path) -> dict[str, Any]:
        return write_ann(folder, kind, out)

    writer.add_ann(write)
