"""Encoding specimens and sentences, and appending them to an index."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from clipbio.data.datamodule import SpecimenData
from clipbio.data.roots import shown
from clipbio.data.stream import own_cores
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.progress import progress_bar
from clipbio.provenance import provenance
from clipbio.search.folder import IndexFolder
from clipbio.search.metadata import text_of
from clipbio.search.new_rows import EncodeText, NewRows
from clipbio.search.numbering import living
from clipbio.search.writing import IndexWriter
from clipbio.tasks.building import device_of
from clipbio.tasks.embed_sources import Encoding, Wanted, modalities_of, open_data, splits_wanted
from clipbio.tasks.embeddings import EmbeddingCache, kept_or_not
from clipbio.tasks.index_ids import given_ids
from clipbio.tasks.index_rows import new_rows
from clipbio.tasks.loading import LoadedModel
from clipbio.training.encoder import TextEncoder
from clipbio.training.text_store import StoredTexts

__all__ = ["Adding", "add", "opened"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Adding:
    """What is to be indexed, joined to the model that encodes it."""

    encoding: Encoding
    data: SpecimenData
    encoder: TextEncoder

    @property
    def versions(self) -> dict[str, str]:
        """Give the versions of the programs that take part."""
        about = provenance()
        known = {"clipbio": about["clipbio"], "python": about["python"], **about["packages"]}
        return {name: str(version) for name, version in known.items() if version}


def opened(config: Config, loaded: LoadedModel) -> Adding:
    """Return the data that a config names, with a model that encodes them."""
    device = device_of(str(config["trainer"]["accelerator"]), World())
    loaded.model.to(device).eval()
    encoders = {name: loaded.model.tower(name) for name in modalities_of(loaded.model, config["modalities"])}
    encoding = Encoding(loaded, encoders, True, World(), device)
    return Adding(encoding, *open_data(config, encoding))


def add(writer: IndexWriter, new: Adding, config: Config, *, side: int, replaces: bool = False) -> int:
    """Encode and append what is wanted, and return the number of specimens.

    Args:
        writer: Of the index.
        new: The data.
        config: Has `splits`, `ids` and where vectors are kept.
        side: Longest side of small pictures in pixels.
        replaces: Whether a specimen takes the place of one with its id.

    Raises:
        ClipbioError: Some ids are not in the data or, unless they are replaced, are in the index already.
    """
    wanted = _wanted(new, config)
    if not replaces:
        _refuse_known(wanted, writer)
    temporary = writer.path.with_name(f".{writer.path.name}.vectors")
    with kept_or_not(config, temporary, World()) as cache, progress_bar() as bar:
        task = bar.add_task("index", total=sum(len(one.rows) for one in wanted), start=False)
        return writer.append(
            _batches(wanted, cache, side, bar, task),
            _encode_text(new.encoder, cache),
            replace=replaces,
            texts=new.data.folder.texts,
            data=_facts(new.data, [one.name for one in wanted]),
        )


def _wanted(new: Adding, config: Config) -> list[Wanted]:
    ids = given_ids(config["ids"])
    if ids is None:
        return splits_wanted(new.data, config["splits"], new.encoding)
    wanted = splits_wanted(new.data, config["splits"], new.encoding, set(ids).__contains__)
    found = {one.id_of(row) for one in wanted for row in one.rows.tolist()}
    if missing := [id for id in ids if id not in found]:
        named = ", ".join(f"'{id}'" for id in missing[:5]) + (" ..." if len(missing) > 5 else "")
        raise ClipbioError(f"{len(missing)} of {len(ids)} ids are not in the splits that are indexed: {named}")
    return [one for one in wanted if len(one.rows)]


def _refuse_known(wanted: list[Wanted], writer: IndexWriter) -> None:
    """Refuse ids that the index has, before anything is encoded."""
    if not writer.manifest.alive:
        return
    known = living(IndexFolder.open(writer.path, verify=False))
    for one in wanted:
        for row in one.rows.tolist():
            if text_of(one.id_of(row)) in known:
                raise ClipbioError(
                    f"the id '{one.id_of(row)}' is in the index {writer.path} already: set replace=true to replace "
                    "those that are, or choose others by splits= or ids="
                )


def _batches(wanted: list[Wanted], cache: EmbeddingCache, side: int, bar: Progress, task: TaskID) -> Iterator[NewRows]:
    """Encode what the cache lacks, all of it first: vectors are kept even if writing the index breaks off."""
    stores = [cache.store(one.identity) for one in wanted]
    for one, store in zip(wanted, stores, strict=True):
        one.fill(store)
        for skipped in one.skipped(store):
            log.warning("%s cannot be read: %s", skipped.id, skipped.reason)
    bar.start_task(task)
    with ThreadPoolExecutor(own_cores(World())) as threads:
        for one, store in zip(wanted, stores, strict=True):
            for batch in new_rows(one, store, side=side, threads=threads):
                yield batch
                bar.advance(task, len(batch.specimens))


def _encode_text(encoder: TextEncoder, cache: EmbeddingCache) -> EncodeText | None:
    if encoder.tower is None or cache.folder is None:
        return None
    texts = StoredTexts(encoder, cache.folder)
    return lambda sentences: texts(sentences).numpy()


def _facts(data: SpecimenData, splits: list[str]) -> dict[str, Any]:
    name = Path(shown(data.root)).name if data.root else "the virtual herbarium"
    return {"name": name, "manifest": data.folder.manifest.hash, "splits": splits}
