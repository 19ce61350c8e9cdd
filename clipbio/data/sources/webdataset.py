"""WebDataset shards of BioCLIP (TreeOfLife-10M, iNat21) and of CLIP_benchmark as specimens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from clipbio.data.defects import Defects
from clipbio.data.foreign.catalogue import VERSION, ForeignSamples
from clipbio.data.foreign.folders import find_foreign
from clipbio.data.roots import local_folder
from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError

__all__ = ["WebdatasetSource"]


class WebdatasetSource:
    """Yield the samples of a folder of tars without a manifest; their images stay in the tars until they are read.

    Training needs no `prepare` of such a folder (`data.root=FOLDER`); merging it with others, or finding duplicates by
    the bytes of the images, does.

    Args:
        root: A folder with tars, with `SPLIT/*.tar`, or with `WIDTHxHEIGHT/SPLIT/*.tar`.
    """

    def __init__(self, root: str) -> None:
        path = local_folder(root, "source.root")
        folder = find_foreign(path) if path.is_dir() else None
        if folder is None:
            raise ClipbioError(f"{root} holds no shards: looked for *.tar, SPLIT/*.tar and WIDTHxHEIGHT/SPLIT/*.tar")
        self.root, self.folder = path, folder
        self.defects = Defects()

    def __iter__(self) -> Iterator[Specimen]:
        self.defects.clear()
        samples = ForeignSamples(self.folder, self.defects)
        for split, shard in self.folder.shards:
            for _, specimen in samples.of(split, shard):
                yield specimen

    def species_texts(self) -> Iterator[SpeciesText]:
        """Give nothing: such shards hold the texts of their samples alone."""
        yield from ()

    def fingerprint(self) -> str:
        """Hash path, size and time of each tar."""
        return hashlib.blake2b(repr((VERSION, self.folder.states())).encode(), digest_size=16).hexdigest()
