"""The app that serves an index: routes, middleware and errors put together."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from fastapi import FastAPI

from clipbio import __version__
from clipbio.search.index import Index
from clipbio.serving import api, describing, docs, exporting, heat, pictures
from clipbio.serving.bodies import BodyLimit
from clipbio.serving.errors import add_error_answers
from clipbio.serving.headers import SafeHeaders
from clipbio.serving.heads import Heads
from clipbio.serving.hosts import LOOPBACK_NAMES, AllowedNames
from clipbio.serving.limits import Limits
from clipbio.serving.page_routes import add_page
from clipbio.serving.service import Service

if TYPE_CHECKING:
    from clipbio.characters.describer import Describer

__all__ = ["create_app"]

_ABOUT = (
    "Search specimens and descriptions by words, a picture, a barcode, a specimen, or several of them with weights. "
    "A score is higher for what fits better; it orders the hits of one search and says nothing across searches. "
    'Errors are `{"error": "one sentence"}`.'
)


def create_app(
    index: Index,
    limits: Limits | None = None,
    *,
    names: Collection[str] | None = LOOPBACK_NAMES,
    exact: bool = True,
    describer: Describer | None = None,
) -> FastAPI:
    """Return the app of an index.

    Args:
        index: What is searched.
        limits: What is allowed.
        names: Host names that it answers to; None is any.
        exact: Whether every vector is compared; False takes an approximate search where the index has one.
        describer: Reads characters off pictures, of the model that made the index; None does without.
    """
    limits = limits or Limits()
    app = FastAPI(title="clipbio", version=__version__, description=_ABOUT, docs_url=None, redoc_url=None)
    # The bundled Swagger UI reads this version, not the 3.1 that FastAPI says.
    app.openapi_version = "3.0.3"
    app.state.service = Service(index, limits, exact=exact, describer=describer)
    add_error_answers(app)
    # What is added last sees a request first.
    app.add_middleware(Heads)
    app.add_middleware(BodyLimit, limits=limits)
    if names is not None:
        app.add_middleware(AllowedNames, names=names)
    app.add_middleware(SafeHeaders)
    for part in (api, describing, exporting, pictures, heat, docs):
        app.include_router(part.router)
    add_page(app)
    return app
