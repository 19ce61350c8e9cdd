"""Bodies and clients that are too many, with a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_index import FakeEncoder, FakeIndex, picture_bytes
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient
from servers import running, stream

from clipbio.search.results import Results
from clipbio.serving.app import create_app
from clipbio.serving.limits import Limits

MB, GB = 1_000_000, 1_000_000_000
FORM = "Content-Type: multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'


class GatedIndex(FakeIndex):
    """Searches when it is let, and counts who searches at once."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.now = self.most = 0
        self.lock = threading.Lock()

    def search(self, *args: Any, **options: Any) -> Results:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        assert self.gate.wait(30)
        time.sleep(0.002)
        with self.lock:
            self.now -= 1
        return super().search(*args, **options)


def gigabyte(first: bytes = b"") -> Iterator[bytes]:
    yield first
    chunk = bytes(MB)
    for _ in range(GB // MB):
        yield chunk


def chunked(parts: Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield b"%x\r\n%s\r\n" % (len(part), part) if part else b""


@contextmanager
def growth() -> Iterator[list[int]]:
    """Give the bytes by which this process, clients included, grew at most."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs /proc")
    found, done = [0], threading.Event()

    def resident() -> int:
        return int(statm.read_text().split()[1]) * 4096

    def watch(before: int) -> None:
        while not done.wait(0.005):
            found[0] = max(found[0], resident() - before)

    thread = threading.Thread(target=watch, args=(resident(),))
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running(create_app(FakeIndex())) as port:
        yield port


@pytest.mark.parametrize("kind", [FORM, "Content-Type: application/json", "Content-Type: image/svg+xml"])
def test_a_gigabyte_that_is_announced_is_refused_unread(port: int, kind: str) -> None:
    with growth() as grown:
        sent = stream(port, [kind, f"Content-Length: {GB}"], gigabyte(PART))
    assert sent.status == 413
    assert sent.body == '{"error":"the body is larger than 20 MB, which is the limit"}'
    assert sent.count < 0.2 * GB
    assert grown[0] < 40 * MB


@pytest.mark.parametrize("more", [[], ["Expect: 100-continue"]])
@pytest.mark.parametrize("kind", [FORM, "Content-Type: application/json"])
def test_a_gigabyte_without_a_length_is_cut_off(port: int, kind: str, more: list[str]) -> None:
    with growth() as grown:
        sent = stream(port, [kind, "Transfer-Encoding: chunked", *more], chunked(gigabyte(PART)))
    assert sent.status == 413
    assert ("larger than 1 MB" if "json" in kind else "larger than 20 MB") in sent.body
    assert sent.count < 0.2 * GB
    assert grown[0] < 80 * MB


def test_who_asks_first_sends_nothing(port: int) -> None:
    started = time.monotonic()
    sent = stream(port, [FORM, f"Content-Length: {GB}", "Expect: 100-continue"], [])
    assert sent.status == 413
    assert time.monotonic() - started < 3


def test_an_upload_somewhat_too_large_gets_its_answer(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        answer = client.post("/api/search", files={"image": bytes(30 * MB)})
        assert (answer.status_code, "20 MB" in answer.json()["error"]) == (413, True)
        assert client.get("/health").status_code == 200


def test_people_are_told_by_a_page() -> None:
    app = create_app(FakeIndex())
    app.state.error_page = lambda _, status, message: HTMLResponse(f"<p>{message}</p>", status)
    with running(app) as port:
        sent = stream(port, [FORM, f"Content-Length: {GB}", "Accept: text/html"], gigabyte(PART), path="/")
    assert (sent.status, sent.body) == (413, "<p>the body is larger than 20 MB, which is the limit</p>")


@pytest.mark.parametrize(("path", "status"), [("/api/nothing", 404), ("/pictures/0", 405), ("/health", 405)])
def test_bodies_that_nobody_reads_end(port: int, path: str, status: int) -> None:
    sent = stream(port, [FORM, "Transfer-Encoding: chunked"], chunked(gigabyte(PART)), path=path)
    assert sent.status == status
    assert sent.count < 0.2 * GB


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 400, "1, 2"])
def test_lengths_that_are_none(port: int, length: str) -> None:
    assert stream(port, [FORM, f"Content-Length: {length}"], [PART]).status in (400, 413)


@pytest.mark.parametrize("path", ["/health", "/api/search?q=leaves", "/pictures/0", "/docs/start.js", "/nothing"])
def test_head_is_get_without_a_body(port: int, path: str) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        head, got = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        for name in ("content-type", "content-length", "content-security-policy"):
            assert head.headers[name] == got.headers[name]
        assert client.head("/api/vector").status_code == 405


def test_a_body_that_never_ends_is_given_up() -> None:
    with running(create_app(FakeIndex(), Limits(body_seconds=0.3))) as port:
        sent = stream(port, [FORM, "Content-Length: 5000"], [PART])
    assert sent.status == 408
    assert sent.body == '{"error":"the body took longer than 0.3 seconds"}'


def test_fifty_clients_get_their_own_answers() -> None:
    index = GatedIndex()
    index.gate.set()
    queries = ["serrate", "acorn", "ligule", "leaves", "nothing"] * 10

    def ask(query: str) -> tuple[str, int, list[str]]:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=False, trust_env=False) as client:
            if query == "nothing":
                return query, client.post("/api/search", files={"image": picture_bytes()}).json()["total"], []
            hits = client.get("/api/search", params={"q": query}).json()
            return query, hits["total"], [hit["taxon"]["family"] for hit in hits["hits"]]

    with running(create_app(index, Limits(at_once=3))) as port, ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(ask, queries))
    families = {"serrate": {"Rosaceae"}, "acorn": {"Fagaceae"}, "ligule": {"Poaceae"}, "nothing": set()}
    for query, total, found in answers:
        assert total == (45 if query in ("leaves", "nothing") else 15)
        assert query == "leaves" or set(found) == families[query]
    assert len(answers) == 50
    assert 1 <= index.most <= 3


def test_a_queue_that_is_full_sends_clients_away() -> None:
    index = GatedIndex()
    limits = Limits(at_once=1, waiting=2, wait_seconds=60)
    with running(create_app(index, limits)) as port, ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(status, port) for _ in range(8)]
        refused = [one.result() for _, one in zip(range(5), as_completed(asked, 30))]
        index.gate.set()
        assert refused == [503] * 5
        assert sorted(one.result() for one in asked) == [200] * 3 + [503] * 5


def test_a_turn_that_does_not_come_is_not_waited_for() -> None:
    index = GatedIndex()
    limits = Limits(at_once=1, wait_seconds=0.2)
    with running(create_app(index, limits)) as port, ThreadPoolExecutor(2) as clients:
        asked = [clients.submit(status, port) for _ in range(2)]
        assert next(as_completed(asked, 30)).result() == 503
        index.gate.set()
        assert sorted(one.result() for one in asked) == [200, 503]
        assert status(port) == 200


def test_who_needs_no_model_does_not_wait_for_those_who_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEncoder, "is_ready", False)
    with running(create_app(FakeIndex(), Limits(at_once=1))) as port, ThreadPoolExecutor(3) as clients:
        asked = [clients.submit(status, port), clients.submit(upload, port), clients.submit(upload, port)]
        for path in ("/api/search?q=leaves&engine=lexical", "/api/facets", "/api/specimens/herb:0/a"):
            assert httpx.get(f"http://127.0.0.1:{port}{path}", timeout=20, trust_env=False).status_code == 200
        assert not any(one.done() for one in asked)
        monkeypatch.setattr(FakeEncoder, "is_ready", True)
        assert [one.result() for one in asked] == [200, 200, 200]


def test_a_model_that_takes_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEncoder, "is_ready", False)
    with running(create_app(FakeIndex(), Limits(wait_seconds=0.1))) as port:
        assert (status(port), upload(port)) == (503, 503)


def test_why_a_model_cannot_be_loaded_is_for_the_log_alone(
    client: TestClient, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index.encoder, "has_failed", True)
    answer = client.get("/api/search?q=leaves")
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "the model cannot be loaded; the server's log tells why"},
    )
    assert client.get("/api/search?q=leaves&engine=lexical").status_code == 200


def upload(port: int) -> int:
    return httpx.post(
        f"http://127.0.0.1:{port}/api/vector", files={"image": picture_bytes()}, timeout=60, trust_env=False
    ).status_code


def status(port: int) -> int:
    return httpx.get(
        f"http://127.0.0.1:{port}/api/search", params={"q": "leaves"}, timeout=60, verify=False, trust_env=False
    ).status_code
