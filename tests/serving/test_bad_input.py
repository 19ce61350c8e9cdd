"""Bad input: a clear answer each, never a traceback, never a file that is none of ours."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from fake_index import FakeIndex, picture_bytes
from fastapi.testclient import TestClient
from servers import get, running

from clipbio.serving.app import create_app

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def error(answer: Any) -> tuple[int, str]:
    """Return status and sentence of an answer that must be an error of the house."""
    assert list(answer.json()) == ["error"]
    assert "Traceback" not in answer.text
    assert "\n" not in answer.json()["error"]
    return answer.status_code, answer.json()["error"]


def huge_png(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes that says it has many pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = b"IDAT" + zlib.compress(bytes(1000))
    chunks = b"".join(
        struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in (head, body, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("name", ["photo.jpg", "drawing.svg"])
@pytest.mark.parametrize("data", [SVG, b"<svg/>", b"%PDF-1.7", b"GIF", b"\xff\xd8\xff", b"%!PS-Adobe", b"PK\x03\x04"])
def test_what_is_no_picture_is_refused_by_its_content(client: TestClient, name: str, data: bytes) -> None:
    status, message = error(client.post("/api/search", files={"image": (name, data, "image/jpeg")}))
    assert status == 415
    assert message == "the upload is no picture that is read here: give a JPEG, PNG, WebP, TIFF, BMP or GIF"


def test_a_picture_of_too_many_pixels_is_never_decoded(client: TestClient) -> None:
    status, message = error(client.post("/api/vector", files={"image": huge_png(60_000, 60_000)}))
    assert status == 413
    assert message == "the picture has too many pixels, 5 million are allowed: make it smaller"


def test_a_picture_that_ends_too_early_is_told(client: TestClient) -> None:
    status, message = error(client.post("/api/search", files={"image": picture_bytes(kind="PNG")[:60]}))
    assert status in (400, 415)
    assert "picture" in message or "image" in message


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 415, "post a form"),
        ({"content": b"abc", "headers": {"content-type": "text/plain"}}, 415, "post a form"),
        ({"content": b"", "headers": {"content-type": "application/json"}}, 400, "no valid JSON"),
        ({"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, 400, "no valid JSON"),
        (
            {"content": b'{"page": 1' + b"0" * 6000 + b"}", "headers": {"content-type": "application/json"}},
            400,
            "no valid JSON",
        ),
        ({"content": b'{"q": "\xff"}', "headers": {"content-type": "application/json"}}, 400, "no valid JSON"),
        ({"content": b'{"q": "\\ud800"}', "headers": {"content-type": "application/json"}}, 400, "half a character"),
        ({"content": b'{"\\ud800": 1}', "headers": {"content-type": "application/json"}}, 400, "no parameter '?'"),
        ({"json": {"q": "a" * 1_100_000}}, 413, "the JSON is larger than 1 MB"),
        ({"json": []}, 400, "must be an object"),
        ({"json": {}}, 400, "the query is empty"),
        ({"json": {"q": ["a"]}}, 400, "q must be text or a number"),
        ({"json": {"q": "a", "where": ["b"]}}, 400, "where must be an object"),
        ({"json": {"q": "a", "where": {"family": {"a": 1}}}}, 400, "where.family must be text"),
        ({"json": {"q": "a", "wher": {}}}, 400, "there is no parameter 'wher'"),
        ({"json": {"q": "a", "weights": {"text": -1}}}, 400, "weight_text=-1"),
        ({"json": {"vector": [1, 2]}}, 400, "vector must be text"),
        ({"files": {"photo": b"abc"}}, 400, "it must be 'image'"),
        ({"files": {"image": picture_bytes()}, "data": {"vector": "AAAA"}}, 400, "image or vector, not both"),
        ({"files": {"image": b""}}, 400, "the query is empty"),
        ({"files": [("image", picture_bytes()), ("image", picture_bytes())]}, 400, "Too many files"),
        ({"content": b"--b", "headers": {"content-type": "multipart/form-data"}}, 400, "boundary"),
        ({"content": b"nothing", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, ""),
        ({"data": {"q": "a" * 201}}, 400, "q has 201 characters"),
        ({"data": {"dna": "ACGT<b>"}}, 200, ""),
    ],
)
def test_bodies_that_cannot_be_used(client: TestClient, body: dict[str, Any], status: int, message: str) -> None:
    answer = client.post("/api/search", **body)
    if status == 200:
        assert answer.status_code == 200
        return
    found = error(answer)
    assert found[0] == status
    assert message in found[1]


@pytest.mark.parametrize(
    "body", [{"json": {}}, {"json": {"q": "a"}}, {"files": {"image": picture_bytes()}, "data": {"dna": "ACGT"}}]
)
def test_a_vector_is_of_one_thing(client: TestClient, body: dict[str, Any]) -> None:
    assert error(client.post("/api/vector", **body)) == (
        400,
        "give one of a file 'image' and a barcode 'dna', and nothing else",
    )


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/search", 400, "the query is empty"),
        ("/api/search?q=+%20", 400, "the query is empty"),
        ("/api/search?q=leaves&f.family=Rosacea", 400, "did you mean 'Rosaceae'"),
        ("/api/search?q=leaves&f.famly=Rosaceae", 400, "did you mean 'family'"),
        ("/api/facets?f.family=%3Cscript%3E", 400, "no specimen has it"),
        ("/api/search?q=a&size=1000000", 400, "size=1000000 must be a whole number from 1 to 100"),
        ("/api/search?q=a&page=99999999999999999999", 400, "must be a whole number"),
        ("/api/search?vector=AAAA", 400, "vector has 3 bytes"),
        ("/api/search?specimen=none", 400, "there is no specimen 'none'"),
        ("/api/similar?q=a", 400, "give the id of a specimen"),
        ("/api/specimens/none", 404, "there is no specimen 'none'"),
        ("/api/specimens/" + "x" * 300, 404, "so long an id"),
        ("/api/nothing", 404, "there is nothing at /api/nothing"),
        ("/pictures/0/large", 404, "there is nothing at"),
        ("/pictures/1", 404, "has no picture"),
        ("/pictures/45", 404, "has no picture"),
        ("/pictures/-1", 404, "has no picture"),
        ("/pictures/" + "9" * 5000 + "/full", 404, "has no picture"),
        ("/pictures/%00", 404, "has no picture"),
    ],
)
def test_requests_that_cannot_be_answered(client: TestClient, path: str, status: int, message: str) -> None:
    found = error(client.get(path))
    assert found[0] == status
    assert message in found[1]


def test_other_methods_are_refused(client: TestClient) -> None:
    assert error(client.delete("/api/search")) == (405, "Method Not Allowed")


def test_pages_behind_the_last_are_empty(client: TestClient) -> None:
    answer = client.get("/api/search?q=serrate&page=9").json()
    assert (answer["hits"], answer["total"], answer["next"]) == ([], 15, "")


@pytest.mark.parametrize(
    "path",
    [
        "/pictures/../../../../etc/passwd",
        "/pictures/..%2f..%2f..%2fetc%2fpasswd",
        "/pictures/%2e%2e/%2e%2e/etc/passwd",
        "/pictures/....//....//etc/passwd",
        "/pictures/..%5c..%5cetc%5cpasswd",
        "/pictures/%252e%252e%252fetc%252fpasswd",
        "/pictures//etc/passwd",
        "/pictures/0/../../etc/passwd",
        "/api/specimens/../../../etc/passwd",
        "/api/specimens/..%2f..%2fetc%2fpasswd",
        "/docs/../../../../etc/passwd",
        "/docs/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/static/../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/%00",
    ],
)
def test_paths_lead_to_no_file(path: str, port: int) -> None:
    answer = get(port, path)
    assert answer.status == 404
    assert "root:" not in answer.answer


@pytest.fixture(scope="module")
def port() -> Any:
    with running(create_app(FakeIndex())) as port:
        yield port


def test_text_of_users_stays_text(client: TestClient) -> None:
    answer = client.get("/api/search", params={"q": "<script>alert(1)</script>"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in answer.json()["link"]


@pytest.mark.parametrize(
    "path", ["/docs", "/api/search?q=leaves", "/api/search", "/nothing", "/pictures/0", "/openapi.json"]
)
def test_every_answer_has_the_headers_that_protect_browsers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


def test_a_fault_of_ours_is_told_without_its_reason(client: TestClient, index: FakeIndex, monkeypatch: Any) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(index, "search", broken)
    answer = client.get("/api/search?q=a")
    assert error(answer) == (500, "the server failed at this request; its log tells why")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]", "localhost.evil:80"])
def test_other_names_for_this_machine_are_not_answered_to(client: TestClient, host: str) -> None:
    for path in ("/health", "/"):
        # As a page it would tell of the index.
        answer = client.get(path, headers={"host": host, "accept": "text/html"})
        assert error(answer) == (421, "this server does not answer to that host name")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
def test_its_own_names_are(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200


def test_formats_that_browsers_do_not_show_are_made_jpegs(client: TestClient, index: FakeIndex) -> None:
    for kind in ("TIFF", "BMP"):
        index.folder.originals = {0: picture_bytes(kind=kind)}
        answer = client.get("/pictures/0/full")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.content[:3] == b"\xff\xd8\xff"


def test_large_originals_are_scaled_down(client: TestClient) -> None:
    from PIL import Image

    answer = client.get("/pictures/0/full")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (2048, 1024)


def test_small_originals_stay_as_they_are(client: TestClient, index: FakeIndex) -> None:
    index.folder.originals = {0: picture_bytes(kind="PNG")}
    answer = client.get("/pictures/0/full")
    assert (answer.content, answer.headers["content-type"]) == (picture_bytes(kind="PNG"), "image/png")


def test_pictures_of_deleted_rows_are_gone(client: TestClient, index: FakeIndex) -> None:
    index.folder.alive_N[0] = False
    assert error(client.get("/pictures/0")) == (404, "row 0 has no picture")


@pytest.mark.parametrize("data", [SVG, b"", huge_png(60_000, 60_000), picture_bytes()[:300]])
def test_originals_that_are_no_pictures_are_not_served(client: TestClient, index: FakeIndex, data: bytes) -> None:
    index.folder.originals = {0: data}
    assert error(client.get("/pictures/0/full")) == (404, "row 0 has no picture")
