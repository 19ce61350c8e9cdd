"""The page: server-rendered HTML; a script only adds comfort, and every state is a URL."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import UploadFile
from starlette.staticfiles import StaticFiles

from clipbio.errors import ClipbioError
from clipbio.search.facets import Facet
from clipbio.search.results import Hit, SpecimenHit
from clipbio.serving.browse import pictured
from clipbio.serving.errors import status_of
from clipbio.serving.limits import Limits
from clipbio.serving.links import Links, canonical, narrowed, toggled
from clipbio.serving.question import Question, read
from clipbio.serving.service import Service
from clipbio.serving.site import Site, texts_of
from clipbio.serving.views import FILTERS, LISTS, facet_views, facts_of, noun, page_numbers, weighed
from clipbio.taxonomy import RANKS
from clipbio.templates import template_environment

__all__ = ["add_page"]

_FOLDER = Path(__file__).parent
_ENGINES = {"fused": "words and meaning", "lexical": "words only", "vector": "meaning only"}
_SHOWS = {"specimens": "Specimens", "species": "Species", "descriptions": "Descriptions"}
_SIMILAR = 6
# Sets of filters whose counts are kept.
_KEPT = 8

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def add_page(app: FastAPI) -> None:
    """Add the page to an app that serves an index: its routes, its files, and what errors look like to people."""
    page = Page(app.state.service)
    app.state.page = page
    app.state.error_page = page.error
    app.mount(f"/static/{page.version}", StaticFiles(directory=_FOLDER / "static"), name="static")
    app.include_router(router)


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
        self.version = _version(_FOLDER / "static")
        self._templates = template_environment(_FOLDER / "templates")
        self._templates.filters |= dict(FILTERS)
        self._templates.globals |= {
            "limits": service.limits,
            "engines": _ENGINES,
            "shows": _SHOWS,
            "lists": LISTS,
            "none_asked": Question(),
            "noun": noun,
            "weighed": weighed,
            "toggled": toggled,
            "narrowed": narrowed,
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
        names = ("link", "specimen_link", "similar_link", "browse_link", "export_link", "kept")
        context: dict[str, Any] = {"root": links.root, "site": self.site, "question": Question(), "error": ""}
        context |= {name: getattr(links, name) for name in names}
        context["static"] = lambda name: f"{links.root}/static/{self.version}/{name}"
        return HTMLResponse(self._templates.get_template(template).render(context | values), status)

    def error(self, request: Request, status: int, message: str) -> Response:
        """Return the page of an error that no other page tells."""
        heading = {404: "Not found", 500: "That is our fault"}.get(status, "That did not work")
        return self.render(request, "message.html.j2", status, heading=heading, error=message)

    async def home(self, request: Request, error: str = "", status: int = 400) -> Response:
        """Return the first page: examples, a few sheets, families; `status` is that of an error."""
        facets = facet_views(await self._facets(Question()), Question())
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
        results, status, error = None, 200, ""
        try:
            if refusal:
                raise refusal
            facets = await self._facets(question)
            results = await self.service.search(question)
        except ClipbioError as caught:
            status, error = status_of(caught), str(caught)
            facets = await self._facets(Question())
        total = results.total if results else 0
        pages = page_numbers(question.page, total, question.size, self.service.limits.hits)
        views = facet_views(facets, question)
        return self.render(
            request,
            "results.html.j2",
            status,
            question=question,
            results=results,
            facets=views,
            pages=pages,
            error=error,
        )

    async def _facets(self, question: Question) -> Sequence[Facet]:
        return await self.service.run(partial(self._counted, tuple(sorted(question.where.items()))))

    def _count(self, where: tuple[tuple[str, tuple[str, ...]], ...]) -> Sequence[Facet]:
        return self._index.facets(Question(where=dict(where)).conditions)

    async def specimen(self, request: Request, id: str, question: Question) -> Response:
        """Return the page of one specimen."""
        hit = await self.service.specimen(id)
        texts = await self.service.run(partial(texts_of, self._index, hit.row, question.q))
        lineage = [(rank, name) for rank, name in zip(RANKS[:-1], hit.taxon.ranks) if name]
        if hit.taxon.scientific_name:
            lineage.append(("species", hit.taxon.scientific_name))
        values: dict[str, Any] = {"hit": hit, "texts": texts, "lineage": lineage, "facts": facts_of(hit.values)}
        similar = await self._similar(id)
        return self.render(request, "specimen.html.j2", question=question, similar=similar, **values)

    async def _similar(self, id: str) -> Sequence[Hit]:
        try:
            return (await self.service.search(Question(specimen=id, size=_SIMILAR))).hits
        except ClipbioError:
            # A specimen without any vector is like no other.
            return ()


@router.get("/")
async def ask(request: Request) -> Response:
    """Answer what the form, or a link, asks."""
    page = await _page(request)
    sent = request.query_params.multi_items()
    try:
        question = read(canonical(sent), page.service.limits)
    except ClipbioError as error:
        return await page.refused(request, sent, error)
    if question.is_empty and not question.where:
        return await page.home(request, "Nothing was asked: type some words, or choose an example." if sent else "")
    if sorted(question.pairs()) != sorted(sent):
        return RedirectResponse(_links(request).link(question, page=question.page), 303)
    return await page.found(request, question)


@router.post("/")
async def ask_by_picture(request: Request) -> Response:
    """Encode an uploaded picture and go to the link of its search."""
    page = await _page(request)
    async with request.form(max_files=1, max_fields=1000) as form:
        sent = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        upload = form.get("picture")
        try:
            if not (isinstance(upload, UploadFile) and upload.size):
                raise ClipbioError("No picture was chosen: take a file first.")
            vector = await page.service.picture_vector(upload.file)
            question = read([*canonical(sent), ("vector", vector)], page.service.limits)
        except ClipbioError as error:
            return await page.refused(request, sent, error)
    return RedirectResponse(_links(request).link(question, page=1), 303)


@router.get("/specimens/{id:path}")
async def specimen(request: Request, id: str) -> Response:
    """Show one specimen; the parameters are the question that led to it."""
    page = await _page(request)
    question = read(canonical(request.query_params.multi_items()), page.service.limits)
    return await page.specimen(request, id, question)


async def _page(request: Request) -> Page:
    page: Page = request.app.state.page
    return await page.ready()


def _kept(sent: Sequence[tuple[str, str]], limits: Limits) -> Question:
    """Return a question without what may have been refused: its page, or else all but its words."""
    pairs = canonical(sent)
    first_page = [pair for pair in pairs if pair[0] not in ("page", "size")]
    words = [pair for pair in pairs if pair[0] == "q"]
    for some in (first_page, words):
        with suppress(ClipbioError):
            return read(some, limits)
    return Question()


def _links(request: Request) -> Links:
    return Links(request.scope.get("root_path", "").rstrip("/"))


def _version(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]
