"""The page of the HTTP interface, Swagger UI, out of a package: nothing comes from another server."""

from __future__ import annotations

from pathlib import Path

import swagger_ui_bundle
from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>clipbio: HTTP interface</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>
"""
# A file of its own: scripts inside of pages are forbidden by the headers of this server.
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", validatorUrl: null});\n'
_FILES = ("swagger-ui.css", "swagger-ui-bundle.js")


@router.get("/docs")
def page() -> HTMLResponse:
    """Return the page."""
    return HTMLResponse(_HTML)


@router.get("/docs/start.js")
def start() -> Response:
    """Return what starts the page."""
    return Response(_START, media_type="text/javascript")


@router.get("/docs/{name}")
def file(name: str) -> FileResponse:
    """Return a file of the page."""
    if name not in _FILES:
        raise HTTPException(404)
    return FileResponse(_folder() / name)


def _folder() -> Path:
    return Path(str(swagger_ui_bundle.swagger_ui_path))
