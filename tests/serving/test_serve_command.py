"""`python -m clipbio serve`: what it refuses before it starts, and that it answers when it has."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from fake_index import FakeIndex
from search_worlds import write_world

from clipbio.characters.calibration import Calibration
from clipbio.characters.describer import Describer, Scored, Thresholds
from clipbio.characters.folder import save_describer
from clipbio.characters.table import Character
from clipbio.cli import main
from clipbio.config import compose, plain
from clipbio.errors import ClipbioError
from clipbio.serving.limits import Limits
from clipbio.tasks import index_opening, query_encoder
from clipbio.tasks.positional import with_keys
from clipbio.tasks.serve import serve


def config(*overrides: str) -> dict[str, Any]:
    return plain(compose("serve", ["index=INDEX", *overrides]))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[uvicorn.Server]:
    """Serve a small index, with a server that only remembers that it was run."""
    servers: list[uvicorn.Server] = []
    monkeypatch.setattr(index_opening, "open_index", lambda *_, **__: FakeIndex())
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: servers.append(server))
    return servers


def test_a_describer_of_another_model_is_refused(served: list[Any], tmp_path: Path) -> None:
    colours = Character("flower colour", ("red", "white"), (5, 5))
    calibration = Calibration(1.0, np.zeros(2), np.zeros(2))
    scored = Scored(
        colours, (("red",), ("white",)), np.eye(2, 8, dtype=np.float32), calibration, np.full(2, 0.5), 0.1, True
    )
    facts = {"towers": {"image": "another", "text": "another"}, "model": "mine"}
    describer = Describer((scored,), Thresholds(0.5, 1, -1), (), np.zeros((0, 8), np.float32), facts)
    save_describer(describer, tmp_path / "describer")
    with pytest.raises(ClipbioError, match="the describer was made with the image tower another of mine"):
        serve(config("port=0", f"characters={tmp_path / 'describer'}"))
    with pytest.raises(ClipbioError, match="is no describer"):
        serve(config("port=0", f"characters={tmp_path}"))
    assert not served


def test_the_limits_of_the_config_are_those_of_the_code() -> None:
    given = config()["limits"]
    assert Limits(**{key: value for key, value in given.items() if key != "_target_"}) == Limits()


def test_only_this_machine_reaches_it_by_default(served: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "clipbio")
    logging.getLogger("clipbio").propagate = True
    serve(config("port=0"))
    assert re.search(r"http://127\.0\.0\.1:\d+ is the search page", caplog.text)
    assert "no password" not in caplog.text
    serve(config("port=0", "host=0.0.0.0"))
    assert "host=0.0.0.0: everybody who reaches this machine can search the index; there is no password" in caplog.text
    assert len(served) == 2


@pytest.mark.parametrize(
    ("overrides", "host", "status"),
    [
        ([], "localhost", 200),
        ([], "herbarium.example", 421),
        (["names=[Herbarium.example]"], "herbarium.example", 200),
        (["names=herbarium.example"], "127.0.0.1:80", 200),
        (["names=[herbarium.example]"], "other.example", 421),
        (["host=0.0.0.0"], "other.example", 200),
    ],
)
def test_names_that_are_answered_to(served: list[uvicorn.Server], overrides: list[str], host: str, status: int) -> None:
    from fastapi.testclient import TestClient

    serve(config("port=0", *overrides))
    client = TestClient(served[0].config.app, base_url=f"http://{host}")  # type: ignore[arg-type]
    assert client.get("/health").status_code == status


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["port=70000"], "port=70000 must be a number from 0 to 65535"),
        (["port=many"], "port=many must be a whole number"),
        (["host=nowhere.invalid"], "host=nowhere.invalid port=8765 cannot be listened at"),
        (["limits.at_once=0"], "limits.at_once=0 must be at least 1"),
        (["limits.pixels=many"], "limits.pixels=many must be a whole number"),
    ],
)
def test_settings_that_cannot_be(served: list[Any], overrides: list[str], message: str) -> None:
    with pytest.raises(ClipbioError, match=re.escape(message)):
        serve(config(*overrides))
    assert not served


def test_a_port_that_is_taken_is_told(served: list[Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ClipbioError, match=rf"port={port} cannot be listened at \([^()]+\): give another port="):
            serve(config(f"port={port}"))


def test_a_package_that_is_absent_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipbio.tasks.serve._PACKAGES", ("no_such_package",))
    with pytest.raises(ClipbioError, match=r"no_such_package.*pip install 'clipbio\[serve\]'"):
        serve(config())


def test_the_index_is_what_has_no_key() -> None:
    assert with_keys("serve", ["some/index", "port=1"]) == ["port=1", "index='some/index'"]
    with pytest.raises(ClipbioError, match="serve takes one index, here are 2: a, b"):
        with_keys("serve", ["a", "b"])


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("absent", "is no index"),
        ("damaged", "make the index again"),
        ("another model", "was made with ours (image aaaaaaaaaaaa), theirs is another model (image bbbbbbbbbbbb)"),
    ],
)
def test_an_index_that_cannot_be_served_is_one_line(
    what: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "index"
    if what != "absent":
        write_world(folder)
    if what == "damaged":
        vectors = next(folder.rglob("image.safetensors"))
        vectors.write_bytes(vectors.read_bytes()[:-1] + b"x")
    if what == "another model":
        name_model(folder)
        monkeypatch.setattr(query_encoder, "load_model", lambda _: OTHER)
    assert main(["serve", str(folder), "port=0", "model=tiny"]) == 2
    errors = capfd.readouterr().err
    assert errors.count("clipbio: ") == 1
    assert "Traceback" not in errors
    error = errors.splitlines()[-1]
    assert error.startswith("clipbio: ")
    assert told in error


TOWER = SimpleNamespace(vector_fingerprint=lambda: "b" * 64)
OTHER = SimpleNamespace(name="theirs", model=SimpleNamespace(modalities=("image",), tower=lambda _: TOWER))


def name_model(folder: Path) -> None:
    """Write into a manifest which model made the index."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["model"] = {"name": "ours", "source": {}, "weights": {"image": "a" * 64}, "transform": {}}
    path.write_text(json.dumps(manifest))


def test_it_answers_until_it_is_stopped(tmp_path: Path) -> None:
    write_world(tmp_path / "index")
    command = [sys.executable, "-m", "clipbio", "serve", str(tmp_path / "index"), "port=0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        watchdog = threading.Timer(240, process.kill)
        watchdog.start()
        try:
            assert process.stderr is not None
            found = next(match for line in process.stderr if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))
            url = found[0]
            assert httpx.get(f"{url}/api/index", timeout=30).json()["alive"] == 37
            assert httpx.get(f"{url}/api/search?q=acorns", timeout=30).json()["hits"]
            process.terminate()
            assert "Traceback" not in process.stderr.read()
        finally:
            watchdog.cancel()
