"""Bodies of requests: bounded in size and time, before anything reads them."""

from __future__ import annotations

import time

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipbio.serving.errors import error_answer
from clipbio.serving.limits import Limits

__all__ = ["BodyLimit"]

# What is read and dropped of a body that is too large: a client that sends before it listens gets the answer, where
# closing at once would break its connection.
_DROPPED_BODIES = 3
_DROPPING_SECONDS = 5.0
# More are a larger number than Python reads quickly, and than any body has bytes.
_DIGITS = 18


class BodyLimit:
    """ASGI middleware: refuses a body by its Content-Length, and one without when it has grown too large.

    No more than a chunk of what is refused is ever held. An app that reads a refused body sees its client leave. What
    an app leaves unread is dropped, up to a bound, before the connection is closed.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app = app
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(self.limits, scope, receive, send)
        if body.is_announced_too_large:
            await body.refuse_size()
            return
        try:
            await self.app(scope, body.receive, body.send)
        except Exception:
            # An app whose body ended early may fail in any way; the client has its answer.
            if not body.refused:
                raise


class _Body:
    """One body: what came of it, and whether it was refused."""

    def __init__(self, limits: Limits, scope: Scope, receive: Receive, send: Send) -> None:
        self.refused = False
        self._limits, self._scope, self._receive, self._send = limits, scope, receive, send
        self._headers = Headers(scope=scope)
        self._bytes = 0
        length = self._headers.get("content-length", "0")
        self._complete = length == "0" and "transfer-encoding" not in self._headers
        self._handed_on = False
        self._started = False
        self._deadline = time.monotonic() + limits.body_seconds

    @property
    def is_announced_too_large(self) -> bool:
        """Tell whether the request says that its body is too large, or no number."""
        length = self._headers.get("content-length", "0")
        return not length.isdecimal() or int(length[:_DIGITS]) > self._limits.body_bytes

    async def receive(self) -> Message:
        """Hand on a part of the body; a client that left, once it was refused."""
        if self.refused:
            return {"type": "http.disconnect"}
        if self._handed_on:
            return await self._receive()
        message: Message | None = None
        with anyio.move_on_after(max(0.0, self._deadline - time.monotonic())):
            message = await self._read()
        if message is None:
            # There is nothing more to wait for.
            self._complete = True
            await self._refuse(408, f"the body took longer than {self._limits.body_seconds:g} seconds")
            return {"type": "http.disconnect"}
        if self._bytes > self._limits.body_bytes:
            await self.refuse_size()
            return {"type": "http.disconnect"}
        self._handed_on = self._complete
        return message

    async def send(self, message: Message) -> None:
        """Hand on a part of the app's answer, unless it was refused."""
        if not self.refused:
            await self._answer(message)

    async def refuse_size(self) -> None:
        """Answer that the body is too large."""
        await self._refuse(413, f"the body is larger than {self._limits.body_bytes / 1e6:g} MB, which is the limit")

    async def _refuse(self, status: int, message: str) -> None:
        self.refused = True
        if not self._started:
            await error_answer(Request(self._scope), status, message)(self._scope, self._receive, self._answer)

    async def _answer(self, message: Message) -> None:
        """Send a part of an answer; a connection whose body was not read to its end is closed after the last one."""
        if message["type"] == "http.response.start":
            self._started = True
            if self.refused or not self._complete:
                MutableHeaders(scope=message)["connection"] = "close"
        elif not message.get("more_body", False) and not self._complete:
            await self._send({**message, "more_body": True})
            await self._drop()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _drop(self) -> None:
        """Read on a little without keeping it."""
        # Who asks whether to send, with `Expect: 100-continue`, has sent nothing before its body was read.
        if "expect" in self._headers and not self._bytes:
            return
        most = self._bytes + self._limits.body_bytes * _DROPPED_BODIES
        with anyio.move_on_after(_DROPPING_SECONDS):
            while not self._complete and self._bytes < most:
                await self._read()

    async def _read(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        return message
