"""What each stream reads: of the data's own folder what `val` left over, of another one everything new."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from clipbio.data.shards import ShardFolder
from clipbio.data.sources import Source
from clipbio.data.splits import SplitRows, common_species, named_split, whole_split, without_pictures
from clipbio.data.streams import Stream
from clipbio.errors import ClipbioError

__all__ = ["StreamData"]

log = logging.getLogger(__name__)


class StreamData:
    """The specimens of each stream; folders are opened once, when they are asked for.

    Args:
        streams: Streams by name.
        prepared: Opens the folder of a root or a source; all processes call it alike.
    """

    def __init__(
        self, streams: Mapping[str, Stream], prepared: Callable[[str | None, Source | None], ShardFolder]
    ) -> None:
        self.streams, self._prepared = streams, prepared
        self._folders: dict[str, ShardFolder] = {}
        self._foreign: dict[str, SplitRows] = {}

    @property
    def manifests(self) -> dict[str, str]:
        """What stands for the content of each stream that brings its own, of those that are open."""
        return {name: folder.manifest.hash for name, folder in self._folders.items()}

    def open(self) -> None:
        """Open the folders of all streams that bring their own."""
        for name, stream in self.streams.items():
            if stream.own_data:
                self._opened(name)

    def split(self, name: str, own: ShardFolder, splits: Mapping[str, SplitRows]) -> SplitRows:
        """Return what a stream reads; streams of the same content share it.

        Args:
            name: The stream.
            own: The data's own folder.
            splits: Its splits.
        """
        stream = self.streams[name]
        folder = self._opened(name) if stream.own_data else own
        content = folder.manifest.hash
        if content == own.manifest.hash:
            return named_split(splits, stream.split, own)
        if content not in self._foreign:
            self._foreign[content] = _foreign_split(name, stream.split, folder, splits)
        return self._foreign[content]

    def _opened(self, name: str) -> ShardFolder:
        if name not in self._folders:
            self._folders[name] = self._prepared(self.streams[name].root, self.streams[name].source)
        return self._folders[name]


def _foreign_split(name: str, wanted: str, folder: ShardFolder, splits: Mapping[str, SplitRows]) -> SplitRows:
    """Leave out what is evaluated: a picture of it is never trained on, in whichever folder it stands."""
    if not folder.splits.get(wanted):
        raise ClipbioError(f"data.streams.{name}: {folder.name} has no split '{wanted}'")
    whole = whole_split(folder, wanted)
    others = [split for other, split in splits.items() if other != "train"]
    split = without_pictures(whole, others)
    if len(split) < len(whole):
        log.warning(
            "%d of %d specimens of the stream %s are left out: their pictures stand in %s of the data",
            len(whole) - len(split), len(whole), name, ", ".join(other.name for other in others),
        )  # fmt: skip
    if common := common_species(split, [other for other in others if other.name.endswith("unseen")]):
        log.warning("the stream %s shows %d species of unseen: they are no longer unseen", name, common)
    return split
