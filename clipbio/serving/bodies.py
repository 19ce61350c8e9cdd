"""Bodies of requests: bounded in size and time, before anything reads them."""

from __future__ import annotations

import time

import anyio
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipbio.serving.errors import error_answer
from clipbio.serving.limits import Limits

__all__ = ["BodyLimit"]

# What is read and dropped of a body that is too large: a client that sends before it listens gets the answer, where
# closing at once would break its connection.
_DROPPED_BODIES = 3
_DROPPING_SECONDS = 5.0


class BodyLimit:
    """ASGI middleware: refuses a body by its Content-Length, and one without when it has grown too large.

    No more than a chunk of what is refused is ever held. An app that reads a refused body sees its client leave.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app = app
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length")
        body = _Body(self.limits, scope, receive, send)
        if length is not None and (not length.isdigit() or int(length[:18]) > self.limits.body_bytes):
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
        self._scope = scope
        self._limits = limits
        self._receive = receive
        self._send = send
        self._bytes = 0
        self._complete = False
        self._started = False
        self._deadline = time.monotonic() + limits.body_seconds

    async def receive(self) -> Message:
        """Hand on a part of the body; a client that left, once it was refused."""
        if self.refused:
            return {"type": "http.disconnect"}
        if self._complete:
            return await self._receive()
        message: Message | None = None
        with anyio.move_on_after(max(0.0, self._deadline - time.monotonic())):
            message = await self._receive()
        if message is None:
            await self._refuse(408, f"the body took longer than {self._limits.body_seconds:g} seconds")
            return {"type": "http.disconnect"}
        self._bytes += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._bytes > self._limits.body_bytes:
            await self.refuse_size()
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """Hand on a part of the app's answer, unless it was refused."""
        if not self.refused:
            self._started = True
            await self._send(message)

    async def refuse_size(self) -> None:
        """Answer that the body is too large."""
        await self._refuse(413, f"the body is larger than {self._limits.body_bytes / 1e6:g} MB, which is the limit")

    async def _refuse(self, status: int, message: str) -> None:
        self.refused = True
        if self._started:
            return
        answer = error_answer(Request(self._scope), status, message)
        answer.headers["connection"] = "close"
        await self._send({"type": "http.response.start", "status": status, "headers": answer.raw_headers})
        await self._send({"type": "http.response.body", "body": answer.body, "more_body": True})
        # Who asks whether to send, with `Expect: 100-continue`, has sent nothing before its body was read.
        if status == 413 and (self._bytes or "expect" not in Headers(scope=self._scope)):
            await self._drop()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _drop(self) -> None:
        """Read on a little without keeping it."""
        left = self._limits.body_bytes * _DROPPED_BODIES
        with anyio.move_on_after(_DROPPING_SECONDS):
            while not self._complete and left > 0:
                message = await self._receive()
                left -= len(message.get("body", b""))
                self._complete = not message.get("more_body", False)
