"""The page: server-rendered HTML; a script only adds comfort, and every state is a URL."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from clipbio.errors import ClipbioError
from clipbio.search.facets import Facet
from clipbio.search.results import SpecimenHit
from clipbio.search.traits import TraitFacet
from clipbio.serving.browse import pictured
from clipbio.serving.characters import Shown
from clipbio.serving.descriptions import pieces, stated
from clipbio.serving.errors import status_of
from clipbio.serving.limits import Limits
from clipbio.serving.links import Links, canonical, narrowed, toggled
from clipbio.serving.question import Question, read
from clipbio.serving.service import Service
from clipbio.serving.shown_views import prediction_views
from clipbio.serving.site import Site
from clipbio.serving.specimen_page import sought, specimen_values
from clipbio.serving.trait_views import organ_views
from clipbio.serving.views import FILTERS, LISTS, facet_views, noun, page_numbers, weighed
from clipbio.taxonomy import RANKS
from clipbio.templates import template_environment

__all__ = ["FOLDER", "Page"]

FOLDER = Path(__file__).parent
"""Where templates and files of the page lie."""
_ENGINES = {"fused": "words and meaning", "lexical": "words only", "vector": "meaning only"}
_SHOWS = {"specimens": "Specimens", "species": "Species", "descriptions": "Descriptions"}
# Sets of filters whose counts are kept.
_KEPT = 8
_Facets = tuple[Sequence[Facet], Sequence[TraitFacet]]


class Page:
    """Renders what is found.

    Args:
        service: The index and its limits.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self._index = service.index
        # An index of a million specimens is counted in some tenths of a second, and most searches have no filter.
        self._counted = lru_cache(_KEPT)(self._count)
        # Part of the address: browsers may keep a file for ever, and never mix those of two versions.
        self.version = _version(FOLDER / "static")
        self._templates = template_environment(FOLDER / "templates")
        self._templates.filters |= dict(FILTERS)
        self._templates.globals |= {
            "limits": service.limits,
            "engines": _ENGINES,
            "shows": _SHOWS,
            "lists": LISTS,
            "none_asked": Question(),
            "ranks": RANKS,
            "noun": noun,
            "weighed": weighed,
            "toggled": toggled,
            "narrowed": narrowed,
            "pieces": pieces,
            "stated": stated,
            "grounds": lambda: service.heat_maps.model is not None,
        }

    @cached_property
    def site(self) -> Site:
        """Return what is told of the index, read when the first page is."""
        return Site.of(self._index)

    @cached_property
    def _wall(self) -> list[SpecimenHit]:
        return pictured(self._index)

    async def ready(self) -> Page:
        """Return this when all that is told of the index is read; the first one that asks waits for it."""
        if "site" not in self.__dict__:
            await self.service.run(lambda: self.site)
        return self

    def render(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page; `question` and `error` may be left out."""
        links = Links(request.scope.get("root_path", "").rstrip("/"))
        names = ["link", "specimen_link", "heat_link", "similar_link", "browse_link", "export_link"]
        names += ["kept", "kept_states"]
        context: dict[str, Any] = {"root": links.root, "site": self.site, "question": Question()}
        context |= {"error": "", "sought": ""}
        context |= {name: getattr(links, name) for name in names}
        context["static"] = lambda name: f"{links.root}/static/{self.version}/{name}"
        return HTMLResponse(self._templates.get_template(template).render(context | values), status)

    def error(self, request: Request, status: int, message: str) -> Response:
        """Return the page of an error that no other page tells."""
        heading = {404: "Not found", 500: "That is our fault"}.get(status, "That did not work")
        return self.render(request, "message.html.j2", status, heading=heading, error=message)

    async def home(self, request: Request, error: str = "", status: int = 400) -> Response:
        """Return the first page: examples, a few sheets, families; `status` is that of an error."""
        facets = facet_views((await self._facets(Question()))[0], Question())
        browse = [facet for facet in facets if facet.column in ("family", "order") and facet.values][:1]
        wall = await self.service.run(lambda: self._wall)
        return self.render(request, "home.html.j2", status if error else 200, browse=browse, wall=wall, error=error)

    async def refused(self, request: Request, sent: Sequence[tuple[str, str]], error: ClipbioError) -> Response:
        """Return a page that tells why nothing was searched, with what can be kept of the question."""
        question = _kept(sent, self.service.limits)
        if question.is_empty and not question.where:
            return await self.home(request, str(error), status_of(error))
        return await self.found(request, question, error)

    async def found(self, request: Request, question: Question, refusal: ClipbioError | None = None) -> Response:
        """Return the results of a question, or all that passes its filters if it has nothing else.

        With a refusal nothing is searched, and that is told.
        """
        results, shown, status, error = None, None, 200, ""
        try:
            if refusal:
                raise refusal
            facets = await self._facets(question)
            results = await self.service.search(question)
            shown = await self._shown(question)
        except ClipbioError as caught:
            status, error = status_of(caught), str(caught)
            facets = await self._facets(Question())
        total = results.total if results else 0
        pages = page_numbers(question.page, total, question.size, self.service.limits.hits)
        told = {"facets": facet_views(facets[0], question), "organs": organ_views(facets[1], question)}
        told |= {"results": results, "pages": pages, "error": error, "sought": sought(self._index, question)}
        told |= {"shown": shown, "seen": prediction_views(shown.predictions, self._knows) if shown else ()}
        return self.render(request, "results.html.j2", status, question=question, **told)

    async def _shown(self, question: Question) -> Shown | None:
        """Return what an uploaded picture shows, beside the first hits."""
        if not question.vector or question.page > 1 or not self.service.characters.is_there:
            return None
        return await self.service.shown(question)

    def _knows(self, character: str, state: str) -> bool:
        return self._index.folder.texts.traits is not None and self._index.columns.traits.knows(character, state)

    async def _facets(self, question: Question) -> _Facets:
        return await self.service.run(partial(self._counted, tuple(sorted(question.where.items()))))

    def _count(self, where: tuple[tuple[str, tuple[str, ...]], ...]) -> _Facets:
        conditions = Question(where=dict(where)).conditions
        has_traits = self._index.folder.texts.traits is not None
        return self._index.facets(conditions), self._index.trait_facets(conditions) if has_traits else ()

    async def specimen(self, request: Request, id: str, question: Question, looked: str) -> Response:
        """Return the page of one specimen; `looked` are the words that are looked for in its picture."""
        values = await specimen_values(self.service, id, question, looked)
        return self.render(request, "specimen.html.j2", question=question, **values)


def _kept(sent: Sequence[tuple[str, str]], limits: Limits) -> Question:
    """Return a question without what may have been refused: its page, or else all but its words."""
    pairs = canonical(sent)
    first_page = [pair for pair in pairs if pair[0] not in ("page", "size")]
    words = [pair for pair in pairs if pair[0] == "q"]
    for some in (first_page, words):
        with suppress(ClipbioError):
            return read(some, limits)
    return Question()


def _version(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]
