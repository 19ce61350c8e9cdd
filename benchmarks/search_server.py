"""A server on a million specimens, and appending to them: `search/start_1m` and `search/append_10k`.

Both are measured against the limit that was set beforehand.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from clipbio.search.writing import IndexWriter

from search_world import World, batches, encode
from sides import alone, line

__all__ = ["append", "start"]

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT, APPEND_LIMIT, PATIENCE = 10.0, 30.0, 120.0
APPENDED = 10_000
TEXT = "leaves of form 12, flowers of form 3"
_RUNS = 3


def start(world: World, count: int) -> str:
    """Return the line of the start of a server: from its command to its first answer, the fastest of three."""
    del count
    runs = [_started(world) for _ in range(_RUNS)]
    best = min(runs, key=lambda run: run["seconds"])
    return line(
        "search/start_1m",
        ours=best["seconds"],
        peer=START_LIMIT,
        peer_name="the limit",
        unit="s",
        less_is_better=True,
        runs=[run["seconds"] for run in runs],
        model=world.model,
        first_text_query_ms=best["first"],
        text_query_ms=best["text"],
        similar_ms=best["similar"],
        memory_gib=best["memory_gib"],
    )


def append(world: World, count: int) -> str:
    """Return the line of an append: 10,000 specimens of known species, whose vectors are there, and a new text."""
    del count
    with tempfile.TemporaryDirectory(dir=world.folder) as folder:
        # The writer replaces files and never changes one: links are as good as copies.
        copy = shutil.copytree(world.index, Path(folder) / "index", copy_function=os.link)
        seconds = alone(_append, world, copy)
    return line(
        "search/append_10k",
        ours=seconds,
        peer=APPEND_LIMIT,
        peer_name="the limit",
        unit="s",
        less_is_better=True,
    )


def _append(world: World, index: Path) -> float:
    news = list(batches(world, world.rows, APPENDED))
    begin = time.perf_counter()
    with IndexWriter.open(index) as writer:
        assert writer.append(news, encode) == APPENDED
    return time.perf_counter() - begin


def _started(world: World) -> dict[str, Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begin = time.perf_counter()
    with _server(world, port) as process:
        _wait(process, port, begin)
        seconds = time.perf_counter() - begin
        text = [_timed(port, "/api/search", q=TEXT) for _ in range(5)]
        similar = [_timed(port, "/api/similar", specimen="s17") for _ in range(5)]
        status = Path(f"/proc/{process.pid}/status").read_text()
    kib = {key: int(status.split(f"{key}:")[1].split()[0]) for key in ("VmHWM", "RssAnon")}
    return {
        "seconds": seconds,
        "first": text[0],
        "text": statistics.median(text[1:]),
        "similar": statistics.median(similar[1:]),
        "memory_gib": [value / 2**20 for value in kib.values()],
    }


@contextmanager
def _server(world: World, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "clipbio", "serve", str(world.index), f"port={port}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait(process: subprocess.Popen[bytes], port: int, begin: float) -> None:
    while time.perf_counter() - begin < PATIENCE:
        try:
            return _get(port, "/api/index")
        except OSError:
            if process.poll() is not None:
                sys.exit(f"the server ended: {process.stderr.read().decode() if process.stderr else ''}")
            time.sleep(0.02)
    sys.exit(f"the server gave no answer within {PATIENCE} s")


def _timed(port: int, path: str, **values: str) -> float:
    begin = time.perf_counter()
    _get(port, path, **values)
    return 1000 * (time.perf_counter() - begin)


def _get(port: int, path: str, **values: str) -> None:
    url = f"http://127.0.0.1:{port}{path}?{urlencode(values)}"
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        json.load(answer)
