"""What goes wrong, as one sentence: JSON for programs, and a page where there is one for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from clipbio.errors import ClipbioError
from clipbio.search.metadata import text_of
from clipbio.serving.headers import SAFE_HEADERS

__all__ = ["ErrorPage", "RefusalError", "add_error_answers", "error_answer", "status_of"]

ErrorPage = Callable[[Request, int, str], Response]
"""What makes a page for people out of a status and a sentence: `app.state.error_page`."""

_MACHINES = ("/api", "/pictures", "/health", "/openapi.json")


class RefusalError(ClipbioError):
    """Bad input with the HTTP status that tells its kind; a plain `ClipbioError` is 400."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def status_of(error: ClipbioError) -> int:
    """Return the HTTP status of an error."""
    return error.status if isinstance(error, RefusalError) else 400


def error_answer(request: Request, status: int, message: str) -> Response:
    """Return an error as `{"error": "one sentence"}` or, to a browser outside of paths for programs, as a page."""
    # What was asked may stand in it, and no answer can hold half a character.
    message = text_of(message)
    page: ErrorPage | None = getattr(request.app.state, "error_page", None)
    wanted = "text/html" in request.headers.get("accept", "")
    if page is not None and wanted and not request.url.path.startswith(_MACHINES):
        return page(request, status, message)
    return JSONResponse({"error": " ".join(message.split())}, status)


def add_error_answers(app: FastAPI) -> None:
    """Make an app answer every error in one sentence, never with a traceback."""
    app.add_exception_handler(ClipbioError, _clipbio_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _bug)


def _clipbio_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ClipbioError)
    return error_answer(request, status_of(error), str(error))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"there is nothing at {request.url.path[:100]}" if error.status_code == 404 else str(error.detail)
    answer = error_answer(request, error.status_code, message)
    answer.headers.update(error.headers or {})
    return answer


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = dict(error.errors()[0])
    name = ".".join(str(part) for part in first["loc"][1:])
    return error_answer(request, 400, f"{name or 'the request'}: {first['msg']}")


def _bug(request: Request, error: Exception) -> Response:
    """Tell a client that the fault is ours; the server raises the error again, so that its log has the traceback."""
    answer = error_answer(request, 500, "the server failed at this request; its log tells why")
    # Starlette answers this outside of all middleware.
    answer.headers.update(SAFE_HEADERS)
    return answer
