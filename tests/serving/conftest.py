"""A client of a small index, inside this process."""

from __future__ import annotations

import pytest
from fake_index import FakeIndex
from fastapi.testclient import TestClient

from clipbio.serving.app import create_app
from clipbio.serving.limits import Limits

LIMITS = Limits(body_bytes=2_000_000, pixels=5_000_000, query_characters=200, barcode_characters=300, hits=1000)


@pytest.fixture
def index() -> FakeIndex:
    return FakeIndex()


@pytest.fixture
def client(index: FakeIndex) -> TestClient:
    return TestClient(create_app(index, LIMITS), base_url="http://127.0.0.1", raise_server_exceptions=False)
