"""A query encoder whose model is still being loaded: a server answers meanwhile, and who needs the model waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread

from clipbio.search.query import Array, Grounds

__all__ = ["LateEncoder"]


class LateEncoder:
    """Stands for the encoder that a thread makes.

    Args:
        load: Makes it.
        modalities: What it will encode, of `text`, `image` and `dna`.
    """

    def __init__(self, load: Callable[[], Grounds], modalities: frozenset[str]) -> None:
        self._modalities = modalities
        self._made: Future[Grounds] = Future()
        # A daemon is not waited for when the program ends.
        self._thread = Thread(target=self._make, args=(load,), name="model", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    @property
    def modalities(self) -> frozenset[str]:
        """Name what it encodes; without waiting."""
        return self._modalities

    @property
    def is_ready(self) -> bool:
        """Tell whether nobody has to wait any more, for the model or for what went wrong."""
        return self._made.done()

    @property
    def has_failed(self) -> bool:
        """Tell whether the model could not be loaded."""
        return self.is_ready and self._made.exception() is not None

    def text(self, texts: Sequence[str]) -> Array:
        """Return unit vectors (T, D); like all others it raises what went wrong when the model was loaded."""
        return self._made.result().text(texts)

    def image(self, data: bytes) -> Array:
        """Return the unit vector (D,) of a picture."""
        return self._made.result().image(data)

    def dna(self, barcode: str) -> Array:
        """Return the unit vector (D,) of a barcode."""
        return self._made.result().dna(barcode)

    @property
    def grounds(self) -> bool:
        """Tell whether it says where words are in pictures, without waiting: who has towers for both does."""
        return {"text", "image"} <= self._modalities

    def heat(self, data: bytes, texts: Sequence[str]) -> Array:
        """Return maps (T, Y, X) of where texts are in a picture."""
        return self._made.result().heat(data, texts)

    def when_failed(self, tell: Callable[[BaseException], None]) -> None:
        """Call `tell` with what went wrong when the model was loaded, from another thread; at once if it has."""

        def check(made: Future[Grounds]) -> None:
            if (error := made.exception()) is not None:
                tell(error)

        self._made.add_done_callback(check)

    def _make(self, load: Callable[[], Grounds]) -> None:
        try:
            self._made.set_result(load())
        except BaseException as error:
            self._made.set_exception(error)
