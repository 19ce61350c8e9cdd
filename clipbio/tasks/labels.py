"""`python -m clipbio labels`: a list of taxa becomes a label set of one model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clipbio.data.inputs import TextInput
from clipbio.data.roots import shown
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.evaluation.embeddings import Candidates
from clipbio.files import file_hash
from clipbio.labels import LabelStyle, read_taxa, write_label_set
from clipbio.labels.label_set import LABELS
from clipbio.models import TextTrunk, Tower
from clipbio.tasks.asked import flag, new_folder
from clipbio.tasks.building import device_of
from clipbio.tasks.loading import LoadedModel, load_model
from clipbio.tasks.parts import build_data
from clipbio.text import Named
from clipbio.training.encoder import TextEncoder

__all__ = ["taxa_of", "text_encoder", "write_labels"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]


def write_labels(config: Config) -> None:
    """Write a label set.

    Args:
        config: Plain resolved config of `conf/labels.yaml`.
    """
    out = new_folder(config["out"], overwrite=flag(config["overwrite"], "overwrite"), mark=LABELS)
    style = LabelStyle(config["text_type"], config["template"], config["missing_ranks"])
    loaded = load_model(config)
    projection = str(config["projection"])
    tower = _text_tower(loaded, projection)
    things, source = taxa_of(config, loaded)
    tower.to(device_of(str(config["trainer"]["accelerator"]), World()))
    labels = write_label_set(
        out,
        things,
        text_encoder(tower, projection),
        style=style,
        made={
            "model": loaded.name,
            "text_tower": tower.vector_fingerprint(projection),
            "projection": projection,
            "source": source,
        },
        dtype=str(config["dtype"]),
        pybioclip=flag(config["pybioclip"], "pybioclip"),
    )
    left_out = "".join(f"; {count:,} {why}" for why, count in labels.facts["left_out"].items())
    log.info("%s written: %s taxa in %s dimensions%s", out, f"{len(labels):,}", labels.dim, left_out)


def _text_tower(loaded: LoadedModel, projection: str) -> Tower:
    if "text" not in loaded.model.modalities:
        raise ClipbioError(f"{loaded.name} has no text tower, which a label set needs")
    towers = [loaded.model.tower(name) for name in loaded.model.modalities]
    known = {name for tower in towers for name in tower.projections}
    if projection not in known:
        raise ClipbioError(f"projection={projection}: the model has {', '.join(sorted(known))}")
    return loaded.model.tower("text")


def text_encoder(tower: Tower, projection: str) -> TextEncoder:
    """Return what encodes texts with a text tower."""
    assert isinstance(tower.trunk, TextTrunk)
    return TextEncoder(tower, TextInput(tower.trunk.tokenizer), None, World(), projection=projection)


def taxa_of(config: Config, loaded: LoadedModel) -> tuple[Iterable[Named], dict[str, Any]]:
    """Return the taxa, and where they come from."""
    if config["taxa"] is not None:
        if config.get("data") is not None or config["splits"] is not None:
            raise ClipbioError("give taxa=TABLE, or data= and splits=, not both")
        path = Path(str(config["taxa"])).expanduser()
        things = read_taxa(path)
        first = next(things, None)
        if first is None:
            raise ClipbioError(f"{path} names no taxon: give a table with at least one row")
        return _again(first, things), {"table": path.name, "sha256": file_hash(path)}
    settings = {"data": config.get("data") or loaded.config.get("data")}
    if settings["data"] is None:
        raise ClipbioError("no taxa: give taxa=TABLE, or data=table data.root=FOLDER")
    data = build_data(settings, World())
    names = list(config["splits"] or data.splits)
    splits = [data.split(name) for name in names]
    specimens = (split.index.read(int(row), image=False) for split in splits for row in split.rows)
    source = {"data": Path(shown(data.root or "the virtual herbarium")).name, "splits": names}
    return Candidates.from_named(specimens), source | {"manifest": data.folder.manifest.hash}


def _again(first: Named, others: Iterable[Named]) -> Iterable[Named]:
    yield first
    yield from others
