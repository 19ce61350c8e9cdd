"""Where in a picture of the index words are: overlays made by the model, the last ones kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from clipbio.data.images import BadImageError, inspect
from clipbio.data.thumbnails import thumbnail
from clipbio.errors import ClipbioError
from clipbio.search.index import Index
from clipbio.search.query import Grounds
from clipbio.serving.errors import RefusalError
from clipbio.serving.heat_layers import layer

__all__ = ["HeatMaps"]

SIDE = 1024
"""Longest side in pixels of the picture that the model looks at."""
_KEPT, _KEPT_BYTES = 256, 32 * 2**20


class HeatMaps:
    """Overlays of pictures of an index; used by several threads at once.

    Args:
        index: Whose pictures and whose model.
        max_pixels: Larger pictures are not decoded.
    """

    def __init__(self, index: Index, max_pixels: int) -> None:
        self._index, self._max_pixels = index, max_pixels
        self._kept: OrderedDict[tuple[int, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def model(self) -> Grounds | None:
        """Return what makes them, None if the model tells no places; while it is loaded one takes that it will."""
        encoder: Any = self._index.encoder
        return encoder if getattr(encoder, "grounds", False) else None

    def kept(self, row: int, words: str) -> bytes | None:
        """Return an overlay that was made before."""
        with self._lock:
            found = self._kept.get((row, words))
            if found is not None:
                self._kept.move_to_end((row, words))
            return found

    def make(self, row: int, words: str) -> bytes:
        """Return the overlay of words on the picture of a row: a PNG of its shape, transparent where they are not.

        Raises:
            RefusalError: The row has no picture that can be read.
            ClipbioError: The model tells no places.
        """
        model = self.model
        if model is None:
            raise ClipbioError("this server cannot show where words are: its model does not join words and pictures")
        data = self._picture(row)
        header = inspect(data)
        overlay = layer(model.heat(data, [words])[0], (header.width, header.height))
        with self._lock:
            self._kept[row, words] = overlay
            while len(self._kept) > _KEPT or sum(map(len, self._kept.values())) > _KEPT_BYTES:
                self._kept.popitem(last=False)
        return overlay

    def _picture(self, row: int) -> bytes:
        """Return the picture of a row upright, as browsers show it."""
        folder = self._index.folder
        is_there = 0 <= row < len(folder.alive_N) and folder.alive_N[row]
        data = (folder.original(row) or self._index.picture(row)) if is_there else None
        if data is None:
            raise RefusalError(404, f"row {row} has no picture")
        try:
            return thumbnail(data, SIDE, max_pixels=self._max_pixels)
        except BadImageError as error:
            raise RefusalError(404, f"the picture of row {row} cannot be read") from error
