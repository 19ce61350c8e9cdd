"""What the HTTP interface and the page share: the index, its limits, and the one way to search."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import anyio
from fastapi import Request

from clipbio.data.images import BadImageError, inspect
from clipbio.errors import ClipbioError
from clipbio.search.facets import Facet
from clipbio.search.index import Index
from clipbio.search.query import Array, QueryEncoder
from clipbio.search.results import Results, SpecimenHit
from clipbio.search.traits import TraitFacet
from clipbio.serving.browse import listed
from clipbio.serving.characters import Characters, Shown
from clipbio.serving.errors import RefusalError
from clipbio.serving.heat_maps import HeatMaps
from clipbio.serving.limits import Limits
from clipbio.serving.question import Question
from clipbio.serving.turns import Turns
from clipbio.serving.vectors import packed, unpacked

if TYPE_CHECKING:
    from clipbio.characters.describer import Describer

__all__ = ["Service", "service_of"]

T = TypeVar("T")

_LOOK_SECONDS = 0.05


class Service:
    """An index that is searched by several clients at once.

    Args:
        index: What is searched; safe to be used by several threads.
        limits: What is allowed.
        exact: Whether every vector is compared; False takes an approximate search where the index has one.
        describer: Reads characters off pictures; None if there is none.
    """

    def __init__(self, index: Index, limits: Limits, *, exact: bool = True, describer: Describer | None = None) -> None:
        self.index, self.limits, self.exact = index, limits, exact
        self.heat_maps = HeatMaps(index, limits.pixels)
        self.characters = Characters(index, describer)
        self._turns = Turns(limits)
        # Pictures have turns of their own: a gallery must not wait for searches, nor they for it.
        self._picture_turns = Turns(limits)

    @property
    def dim(self) -> int:
        """Return the dimensions of the index's vectors."""
        return self.index.folder.manifest.dim

    async def run(self, work: Callable[[], T]) -> T:
        """Run what takes time in a thread, when it is its turn; all work on the index goes this way."""
        return await self._turns.run(work)

    async def run_on_pictures(self, work: Callable[[], T]) -> T:
        """Run what reads or makes a picture in a thread, when it is its turn."""
        return await self._picture_turns.run(work)

    async def search(self, question: Question) -> Results:
        """Return a page of hits; filters alone list the specimens that pass them.

        Raises:
            ClipbioError: Nothing is asked, or a filter, id or vector is not valid.
        """
        if question.is_empty and question.where:
            return await self._listed(question)
        query = question.query(self.dim)
        if question.dna or (question.q and question.engine != "lexical"):
            await self._model_is_there()
        return await self.run(partial(self.index.search, query, exact=self.exact, **question.options()))

    async def _listed(self, question: Question) -> Results:
        if question.show != "specimens":
            raise ClipbioError(f"show={question.show} needs a question: filters alone list specimens")
        return await self.run(partial(listed, self.index, question))

    async def facets(self, question: Question) -> list[Facet]:
        """Return the values that filters may have, with counts under the filters of a question."""
        return await self.run(partial(self.index.facets, question.conditions))

    async def trait_facets(self, question: Question) -> list[TraitFacet]:
        """Return the characters that descriptions tell, with counts of their states under the filters of a question.

        Raises:
            ClipbioError: The index was made without traits.
        """
        return await self.run(partial(self.index.trait_facets, question.conditions))

    async def heat(self, row: int, words: str) -> bytes:
        """Return the overlay of words on the picture of a row, a PNG.

        Raises:
            ClipbioError: The model tells no places, is still loaded, or there is no picture.
        """
        kept = self.heat_maps.kept(row, words)
        if kept is not None:
            return kept
        if self.heat_maps.model is not None:
            await self._model_is_there()
        return await self.run(partial(self.heat_maps.make, row, words))

    async def specimen(self, id: str) -> SpecimenHit:
        """Return one specimen; `RefusalError` with status 404 if there is none."""
        try:
            return await self.run(partial(self.index.specimen, id))
        except ClipbioError as error:
            raise RefusalError(404, str(error)) from error

    async def shown(self, question: Question) -> Shown:
        """Return what the picture of a question, or of the specimen that it names, shows.

        Raises:
            ClipbioError: There is no such picture, or no describer.
        """
        if question.vector:
            vector_D = unpacked(question.vector, self.dim)
        else:
            hit = await self.specimen(question.specimen)
            vector_D = await self.run(partial(self.characters.vector_of, hit.row))
        return await self.run(partial(self.characters.shown, vector_D))

    async def picture_vector(self, file: BinaryIO) -> str:
        """Return the vector of an uploaded picture as text for `Question.vector`.

        The file is read when it is its turn: of pictures that wait none is in memory.

        Raises:
            ClipbioError: It is no picture, too large, broken, or the index has no model for pictures.
        """
        encoder = self._encoder("image", "a picture")
        await self._model_is_there()
        return packed(await self.run(partial(self._encoded, encoder, file)))

    async def barcode_vector(self, barcode: str) -> str:
        """Return the vector of a barcode as text for `Question.vector`; errors as for pictures."""
        encoder = self._encoder("dna", "a barcode")
        if len(barcode) > self.limits.barcode_characters:
            most = self.limits.barcode_characters
            raise ClipbioError(f"dna has {len(barcode):,} characters, {most:,} are allowed")
        await self._model_is_there()
        return packed(await self.run(partial(encoder.dna, barcode)))

    async def _model_is_there(self) -> None:
        """Wait for a model that is still loaded, before it is one's turn: who needs no model must not wait too."""
        # Asked for now and then: waiting in threads would leave none to those who need no model.
        with anyio.move_on_after(self.limits.wait_seconds):
            while not getattr(self.index.encoder, "is_ready", True):
                await anyio.sleep(_LOOK_SECONDS)
            if getattr(self.index.encoder, "has_failed", False):
                # What went wrong names files of this machine.
                raise RefusalError(503, "the model cannot be loaded; the server's log tells why")
            return
        raise RefusalError(503, "the model is still being loaded: try again in a moment, or with engine=lexical")

    def _encoder(self, modality: str, what: str) -> QueryEncoder:
        encoder = self.index.encoder
        if encoder is None or modality not in encoder.modalities:
            raise ClipbioError(f"this server cannot search by {what}: its model has no tower '{modality}'")
        return encoder

    def _encoded(self, encoder: QueryEncoder, file: BinaryIO) -> Array:
        data = file.read()
        try:
            inspect(data, max_pixels=self.limits.pixels)
        except BadImageError as error:
            if error.kind == "too_many_pixels":
                most = f"{self.limits.pixels / 1e6:g} million"
                raise RefusalError(
                    413, f"the picture has too many pixels, {most} are allowed: make it smaller"
                ) from error
            if error.kind == "not_an_image":
                message = "the upload is no picture that is read here: give a JPEG, PNG, WebP, TIFF, BMP or GIF"
                raise RefusalError(415, message) from error
            raise
        return encoder.image(data)


def service_of(request: Request) -> Service:
    """Return the service of the app that answers a request: what routes depend on."""
    service: Service = request.app.state.service
    return service
