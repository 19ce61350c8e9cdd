"""What is posted: a form, a form with a picture, or JSON, all with the parameters that URLs have."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from clipbio.errors import ClipbioError
from clipbio.serving.errors import RefusalError
from clipbio.serving.question import FILTER, Question, check_name, read
from clipbio.serving.service import Service

__all__ = ["Posted", "posted", "posted_question"]

_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_FIELDS = 1_000
_JSON_BYTES = 1_000_000


@dataclass(frozen=True)
class Posted:
    """Parameters in their order, and the file of a picture, if one came along; large ones lie on the disk."""

    pairs: tuple[tuple[str, str], ...]
    image: BinaryIO | None = None


@asynccontextmanager
async def posted(request: Request) -> AsyncIterator[Posted]:
    """Read the parameters of a request, those of its URL first, and its body; the file is open as long as the context.

    Raises:
        RefusalError: It is neither a form nor JSON, or broken.
        ClipbioError: A value is none that a parameter has.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _FORMS:
        async with request.form(max_files=1, max_fields=_FIELDS) as form:
            yield _form(form, request.query_params.multi_items())
    elif kind == "application/json":
        yield Posted((*request.query_params.multi_items(), *_json_pairs(await _json_body(request))))
    else:
        raise RefusalError(415, "post a form (multipart/form-data with a file 'image') or JSON (application/json)")


async def posted_question(request: Request, service: Service) -> Question:
    """Return the search that was posted; a picture becomes the vector of the question, so that a link can tell it."""
    async with posted(request) as found:
        question = read(found.pairs, service.limits)
        if found.image is None:
            return question
        if question.vector:
            raise ClipbioError("give image or vector, not both")
        vector = await service.picture_vector(found.image)
        # Read again: the weight of a vector counts only beside one.
        return read((*found.pairs, ("vector", vector)), service.limits)


def _form(form: FormData, pairs: list[tuple[str, str]]) -> Posted:
    image: BinaryIO | None = None
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            pairs.append((name, value))
        elif name != "image":
            raise ClipbioError(f"the file is called '{name[:40]}'; it must be 'image'")
        elif value.size:
            # A form whose field for a file was left empty sends a file of no bytes.
            image = value.file
    return Posted(tuple(pairs), image)


async def _json_body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _JSON_BYTES:
            raise RefusalError(413, f"the JSON is larger than {_JSON_BYTES / 1e6:g} MB: send a picture in a form")
    return body


def _json_pairs(body: bytes) -> Iterator[tuple[str, str]]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ClipbioError("the body is no valid JSON") from error
    if not isinstance(values, dict):
        raise ClipbioError('the JSON must be an object such as {"q": "leaves opposite"}')
    for name, value in values.items():
        if name == "where":
            yield from _filters(value)
        elif name == "weights":
            for part, weight in _object(value, name).items():
                yield f"weight_{part}", _plain(weight, f"weights.{part}")
        else:
            check_name(name)
            yield name, _plain(value, name)


def _filters(value: Any) -> Iterator[tuple[str, str]]:
    for column, wanted in _object(value, "where").items():
        for one in wanted if isinstance(wanted, list) else [wanted]:
            yield f"{FILTER}{column}", _plain(one, f"where.{column}")


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ClipbioError(f"{name} must be an object of names and values")
    return value


def _plain(value: Any, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ClipbioError(f"{name[:40]} must be text or a number")
    try:
        return str(value)
    except ValueError as error:  # more digits than Python writes
        raise ClipbioError(f"{name[:40]} is too large a number") from error
