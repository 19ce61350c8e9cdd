"""Routes of the page: what the form, a link, a picture and a specimen ask."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import UploadFile
from starlette.staticfiles import StaticFiles

from clipbio.errors import ClipbioError
from clipbio.serving.links import HEAT, Links, canonical
from clipbio.serving.page import FOLDER, Page
from clipbio.serving.question import read

__all__ = ["add_page"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def add_page(app: FastAPI) -> None:
    """Add the page to an app that serves an index: its routes, its files, and what errors look like to people."""
    page = Page(app.state.service)
    app.state.page = page
    app.state.error_page = page.error
    app.mount(f"/static/{page.version}", StaticFiles(directory=FOLDER / "static"), name="static")
    app.include_router(router)


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
    """Show one specimen; the parameters are the question that led to it, and what is looked for in its picture."""
    page = await _page(request)
    sent = request.query_params.multi_items()
    looked = " ".join(next((value for name, value in sent if name == HEAT), "").split())
    question = read(canonical(pair for pair in sent if pair[0] != HEAT), page.service.limits)
    return await page.specimen(request, id, question, looked[: page.service.limits.query_characters])


async def _page(request: Request) -> Page:
    page: Page = request.app.state.page
    return await page.ready()


def _links(request: Request) -> Links:
    return Links(request.scope.get("root_path", "").rstrip("/"))
