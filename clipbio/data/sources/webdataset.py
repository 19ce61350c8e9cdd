"""WebDataset shards of BioCLIP (TreeOfLife-10M, iNat21), of CLIP_benchmark and of `prepare` as specimens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from clipbio.data.defects import Defects
from clipbio.data.foreign.catalogue import VERSION, ForeignSamples
from clipbio.data.foreign.folders import find_foreign
from clipbio.data.manifest import MANIFEST
from clipbio.data.roots import local_folder
from clipbio.data.sources.shard_records import shard_records
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError

__all__ = ["WebdatasetSource"]


class WebdatasetSource:
    """Yield the samples of a folder of tars; their images stay in the tars until they are read.

    Training needs no `prepare` of such a folder (`data.root=FOLDER`); merging it with others, or finding duplicates by
    the bytes of the images, does.

    Args:
        root: A folder with tars, with `SPLIT/*.tar`, or with `WIDTHxHEIGHT/SPLIT/*.tar`; or one that `prepare` wrote,
            whose specimens keep all that they have, to be merged or split anew.
    """

    def __init__(self, root: str) -> None:
        from clipbio.data.shards import ShardFolder  # it makes shards of sources itself

        path = local_folder(root, "source.root")
        self.root, self.defects = path, Defects()
        self.own = ShardFolder.open(path) if (path / MANIFEST).is_file() else None
        self.total = self.own and self.own.manifest.samples
        if self.own:
            return
        folder = find_foreign(path) if path.is_dir() else None
        if folder is None:
            raise ClipbioError(f"{root} holds no shards: looked for *.tar, SPLIT/*.tar and WIDTHxHEIGHT/SPLIT/*.tar")
        self.folder = folder

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        if self.own:
            yield from shard_records(self.own, self.defects)
            return
        samples = ForeignSamples(self.folder, self.defects)
        for split, shard in self.folder.shards:
            for _, specimen in samples.of(split, shard):
                yield specimen

    def species_texts(self) -> Iterator[SpeciesText]:
        """Give those of a folder that `prepare` wrote; other shards hold the texts of their samples alone."""
        yield from self.own.texts if self.own else ()

    def fingerprint(self) -> str:
        """Hash path, size and time of each tar; a manifest says what its tars hold."""
        if self.own:
            return self.own.manifest.hash
        return hashlib.blake2b(repr((VERSION, self.folder.states())).encode(), digest_size=16).hexdigest()
