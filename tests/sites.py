"""A web server of this machine that serves a folder, and can be told to fail."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Site:
    """A served folder: what was asked for, and what goes wrong.

    `faults` holds, per path, what happens to the next requests, one after the other: `503`, `cut`, `flip`, `long`.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: Counter[str] = Counter()
        self.faults: dict[str, list[str]] = {}

    def next_fault(self, path: str) -> str | None:
        self.asked[path] += 1
        return self.faults[path].pop(0) if self.faults.get(path) else None


class Handler(SimpleHTTPRequestHandler):
    """Serves whole files."""

    def __init__(self, *arguments: Any, site: Site, **more: Any) -> None:
        self.site = site
        super().__init__(*arguments, **more)

    def do_GET(self) -> None:
        fault = self.site.next_fault(self.path.lstrip("/"))
        path = Path(self.translate_path(self.path))
        if fault == "503" or not path.is_file():
            self.send_error(503 if fault else 404)
            return
        body = path.read_bytes()
        length = len(body)
        if fault == "flip":
            body = body[:700] + bytes([body[700] ^ 1]) + body[701:]
        if fault == "long":
            body, length = body + b"x", length + 1
        if fault == "cut":
            body = body[: length // 2]
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


@contextmanager
def serve(folder: Path) -> Iterator[Site]:
    """Serve a folder on a free port."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, site=site, directory=str(folder)))
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
