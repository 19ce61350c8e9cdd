"""A real server on this machine for the length of a test, and clients that misbehave."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator

import uvicorn
from fastapi import FastAPI

__all__ = ["Sent", "get", "running", "stream"]


@contextlib.contextmanager
def running(app: FastAPI) -> Iterator[int]:
    """Serve an app and give the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


class Sent:
    """What a client sent before it was cut off, and what it got."""

    def __init__(self, count: int, answer: bytes) -> None:
        self.count = count
        self.answer = answer.decode("latin-1").removeprefix("HTTP/1.1 100 Continue\r\n\r\n")

    @property
    def status(self) -> int:
        return int(self.answer.split(" ", 2)[1])

    @property
    def body(self) -> str:
        return self.answer.partition("\r\n\r\n")[2]


def stream(port: int, headers: Iterable[str], chunks: Iterable[bytes], path: str = "/api/search") -> Sent:
    """Send a body without listening meanwhile, as simple clients do, then read the answer to its end."""
    head = "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        try:
            client.sendall(head)
            for chunk in chunks:
                client.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        return Sent(sent, _all(client))


def get(port: int, path: str) -> Sent:
    """Ask for a path as it is: other clients take dots out of it."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        return Sent(0, _all(client))


def _all(client: socket.socket) -> bytes:
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except OSError:
        pass
    return b"".join(parts)
