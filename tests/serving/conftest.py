"""A client of a small index, inside this process."""

from __future__ import annotations

import pytest
from fake_index import FakeIndex
from fastapi import FastAPI
from fastapi.testclient import TestClient

from clipbio.serving.app import create_app
from clipbio.serving.limits import Limits

LIMITS = Limits(body_bytes=2_000_000, pixels=5_000_000, query_characters=200, barcode_characters=300, hits=1000)


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(FakeIndex(), LIMITS)


@pytest.fixture
def index(app: FastAPI) -> FakeIndex:
    """Give the index that is served, as new."""
    app.state.service.index.__init__()
    return app.state.service.index


@pytest.fixture
def client(app: FastAPI, index: FakeIndex) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
