"""A real browser on a real server, both on this machine; what the browser complains about fails a test."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from described_herbarium import describer_for
from served_herbarium import open_herbarium, write_herbarium

from clipbio.search.index import Index

Open = Callable[..., object]
# Debian's name first.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return open_herbarium(write_herbarium(tmp_path_factory.mktemp("served") / "index"))


@pytest.fixture(scope="session")
def address(index: Index) -> Iterator[str]:
    """Give the address of a server of the index, which runs as long as the tests."""
    uvicorn = pytest.importorskip("uvicorn")
    from clipbio.serving.app import create_app

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(index, describer=describer_for(index)), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [free]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{free.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def browser():
    """Give the Chromium of this machine, or skip."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no Chromium on this machine (none of {', '.join(BROWSERS)})")
    with playwright.sync_playwright() as driver:
        # Chromium has no sandbox of its own where tests run as root in a container.
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, address: str):
    """Give a function that opens a path in a new window; what it may complain about is told in `expected`."""
    windows, complaints, allowed = [], [], []

    def open_path(path: str = "/", *, expected: str = "", width: int = 1280, **settings):
        window = browser.new_context(viewport={"width": width, "height": 800}, base_url=address, **settings)
        windows.append(window)
        allowed.append(expected)
        page = window.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        return page

    yield open_path
    for window in windows:
        window.close()
    unexpected = [text for text in complaints if not any(part and part in text for part in allowed)]
    assert not unexpected
