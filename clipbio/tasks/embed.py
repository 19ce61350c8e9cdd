"""`python -m clipbio embed`: vectors of splits or of plain pictures, as files that other programs read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipbio.distributed import World, barrier, join_world, leave_world, on_main
from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.embed import Encode, Gathered
from clipbio.evaluation.embedding_files import FORMATS, About, clear, vector_writer
from clipbio.evaluation.store import EmbeddingStore
from clipbio.models import MultiTower
from clipbio.tasks.asked import flag
from clipbio.tasks.building import device_of
from clipbio.tasks.embed_sources import Encoding, Wanted, modalities_of, open_data, pictures_wanted, splits_wanted
from clipbio.tasks.embeddings import kept_or_not
from clipbio.tasks.exchange import embedding_folder
from clipbio.tasks.loading import load_model
from clipbio.tasks.picture_files import find_pictures

__all__ = ["embed_data"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]
_ROWS_AT_ONCE = 8192


def embed_data(config: Config) -> None:
    """Write vectors and `embeddings.json` into a folder.

    Args:
        config: Plain resolved config of `conf/embed.yaml`.
    """
    world = join_world(str(config["trainer"]["accelerator"]))
    try:
        _embed(config, world)
    finally:
        leave_world()


def _embed(config: Config, world: World) -> None:
    out = _folder(config, world)
    normalise = flag(config["normalise"], "normalise")
    paths = _pictures(config)
    loaded = load_model(config)
    model, device = loaded.model, device_of(str(config["trainer"]["accelerator"]), world)
    names = modalities_of(model, config["modalities"], pictures=paths is not None)
    encoders = {name: _encoder(model, name, normalise) for name in names}
    model.to(device).eval()
    encoding = Encoding(loaded, encoders, normalise, world, device)
    if paths is None:
        wanted = splits_wanted(open_data(config, encoding)[0], config["splits"], encoding)
    else:
        wanted = [pictures_wanted(config, paths, encoding)]
    about = About(dims={name: model.tower(name).dim() for name in names}, normalised=normalise, model=loaded.name)
    if world.is_main:
        clear(out)
        about.write(out)
    with kept_or_not(config, out / ".parts", world) as cache:
        for one in wanted:
            store = cache.store(one.identity)
            one.fill(store)
            if world.is_main:
                _write(one, store, out, str(config["format"]), about)
            barrier()
    if world.is_main:
        about.finished = True
        about.write(out)


def _folder(config: Config, world: World) -> Path:
    """Return the folder to write, refused by all processes alike."""
    if config["format"] not in FORMATS:
        raise ClipbioError(f"format={config['format']} is unknown{nearest(str(config['format']), FORMATS)}")
    overwrite = flag(config["overwrite"], "overwrite")
    return on_main(world, lambda: embedding_folder(config["out"], overwrite=overwrite))


def _pictures(config: Config) -> list[str] | None:
    given = config["images"]
    if given is None:
        return None
    if config.get("data") is not None or config["splits"] is not None:
        raise ClipbioError("give images= or data=, not both: images are read as they are, without a table")
    return find_pictures([given] if isinstance(given, str) else given)


def _encoder(model: MultiTower, name: str, normalise: bool) -> Encode:
    tower = model.tower(name)
    return tower if normalise else tower.unnormalised


def _write(wanted: Wanted, store: EmbeddingStore, out: Path, format: str, about: About) -> None:
    """Write the vectors of a store in the order of their rows, some thousands at a time."""
    skipped = wanted.skipped(store)
    with vector_writer(out, wanted.name, widths=about.dims, format=format) as writer:
        for found in wanted.chunks(store, _ROWS_AT_ONCE):
            writer.add([wanted.id_of(int(row)) for row in found.rows_N], _arrays(found))
    about.add(wanted.name, writer, identity=wanted.identity, skipped={item.id: item.reason for item in skipped})
    named = "".join(f"; {item.id}: {item.reason}" for item in skipped[:3])
    lost = f", {len(skipped)} could not be read{named}" if skipped else ""
    log.info("%s: %d vectors in %s%s", wanted.name, writer.rows, writer.path, lost)


def _arrays(found: Gathered) -> dict[str, tuple[Any, Any]]:
    return {name: (found.present[name].numpy(), one.numpy()) for name, one in found.vectors.items()}
