"""Opening an index with its model, whose libraries take seconds to import: they wait until it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.search import Index
from clipbio.search.manifest import Manifest
from clipbio.search.query import Grounds
from clipbio.tasks.index_model import model_source
from clipbio.tasks.late_encoder import LateEncoder

__all__ = ["open_index"]

Config = Mapping[str, Any]


def open_index(
    path: str | Path,
    config: Config | None = None,
    *,
    checkpoint: str | Path | None = None,
    model: Mapping[str, Any] | None = None,
    wait: bool = True,
) -> Index:
    """Open an index with the model that made it, so that it answers queries of every kind.

    Without `checkpoint` and `model` the model is looked for where it was. An index of words alone names none.

    Args:
        path: Folder of the index.
        config: Settings of a command: `checkpoint`, `weights`, `model` and `trainer`, where they are given.
        checkpoint: A run folder or a checkpoint.
        model: Settings of a pretrained model, as in `conf/model/`.
        wait: False returns while a thread still loads the model (see `LateEncoder`): queries that need it wait.

    Raises:
        ClipbioError: The index is damaged, its model is not there, or the model is another one.
    """
    settings = {key: config[key] for key in ("checkpoint", "weights", "model") if config and key in config}
    settings |= {key: value for key, value in (("checkpoint", checkpoint), ("model", model)) if value is not None}
    folder = Path(path).expanduser()
    facts = Manifest.read(folder).model
    if not facts.get("weights"):
        return Index.open(folder)
    source = model_source(facts, folder, settings)

    def load() -> Grounds:
        from clipbio.tasks.query_encoder import index_encoder

        accelerator = (config or {}).get("trainer", {}).get("accelerator", "cpu")
        return index_encoder(facts, folder, source, str(accelerator))

    if wait:
        # The index last: what a writer removes while a model is loaded could not be read any more.
        return _same(Index.open(folder, load()), facts)
    late = LateEncoder(load, frozenset(facts["weights"]))
    index = _same(Index.open(folder, late), facts)
    # Not sooner: two that import at the same time take twice as long.
    late.start()
    return index


def _same(index: Index, facts: Mapping[str, Any]) -> Index:
    if index.folder.manifest.model != facts:
        raise ClipbioError(f"{index.folder.path} was replaced while it was opened: open it again")
    return index
