"""The names under which the server lets itself be called."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["LOOPBACK_NAMES", "AllowedNames"]

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class AllowedNames:
    """ASGI middleware: refuses requests to other host names than some.

    A page elsewhere may point its own name at 127.0.0.1 (DNS rebinding) and so read through a visitor's browser what
    only this machine should see; the Host header gives it away.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self.app = app
        self.names = frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "http" and _host(scope) not in self.names:
            # Never as a page: its head and foot tell of the index.
            refusal = JSONResponse({"error": "this server does not answer to that host name"}, 421)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _host(scope: Scope) -> str:
    """Return the host that is asked, without its port."""
    host = Headers(scope=scope).get("host", "").lower()
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
