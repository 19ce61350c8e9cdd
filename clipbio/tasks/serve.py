"""`python -m clipbio serve`: the search page and its HTTP interface."""

from __future__ import annotations

import importlib.util
import ipaddress
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipbio.config import instantiate
from clipbio.data.roots import local_folder
from clipbio.errors import ClipbioError
from clipbio.tasks.asked import flag, whole_number

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from clipbio.characters.describer import Describer
    from clipbio.search import Index
    from clipbio.serving.limits import Limits

__all__ = ["serve"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]

_PACKAGES = ("fastapi", "uvicorn", "python_multipart", "swagger_ui_bundle")
_SHUTDOWN_SECONDS = 5


def serve(config: Config) -> None:
    """Serve an index until Ctrl+C.

    Args:
        config: Plain resolved config of `conf/serve.yaml`.

    Raises:
        ClipbioError: The port is taken, the index is damaged, or the model is not the one that made it.
    """
    _check_packages()
    from clipbio.serving.app import create_app

    folder = local_folder(str(config["index"]), "index")
    limits: Limits = instantiate(config["limits"], "limits")
    host, port = str(config["host"]), whole_number(config["port"], "port")
    names = _names(config["names"], host)
    exact = flag(config["exact"], "exact")
    # Before the index is opened: a port that is taken is told at once.
    with _listener(host, port) as listener:
        index = _opened(folder, config)
        describer = _describer(config["characters"], index)
        server = _server(create_app(index, limits, names=names, exact=exact, describer=describer), limits)
        failures = _stopped_without_model(server, index)
        _tell(host, listener.getsockname()[1])
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            log.info("stopped")
    if failures:
        raise failures[0]


def _check_packages() -> None:
    for name in _PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise ClipbioError(f"serve needs the package {name}, which is not installed: pip install 'clipbio[serve]'")


def _opened(folder: Path, config: Config) -> Index:
    """Return the index at once; its model is loaded meanwhile."""
    from clipbio.tasks.index_opening import open_index

    return open_index(folder, config, wait=False)


def _describer(folder: Any, index: Index) -> Describer | None:
    """Return the describer of the model of an index, None if none is asked for."""
    if folder is None:
        return None
    from clipbio.characters.folder import check_towers, load_describer

    model = index.folder.manifest.model
    describer = load_describer(local_folder(str(folder), "characters"))
    check_towers(describer, dict(model.get("weights", {})), str(model.get("name", "")))
    return describer


def _stopped_without_model(server: uvicorn.Server, index: Index) -> list[BaseException]:
    """End the server if the model cannot be loaded or is another one; return what went wrong, once it has."""
    from clipbio.tasks.late_encoder import LateEncoder

    failures: list[BaseException] = []

    def stop(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    if isinstance(index.encoder, LateEncoder):
        index.encoder.when_failed(stop)
    return failures


def _server(app: FastAPI, limits: Limits) -> uvicorn.Server:
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            http="h11",
            lifespan="off",
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
    )


def _listener(host: str, port: int) -> socket.socket:
    if not 0 <= port < 2**16:
        raise ClipbioError(f"port={port} must be a number from 0 to 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        # Python's own words repeat the address.
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise ClipbioError(f"host={host} port={port} cannot be listened at ({reason}): give another port=") from error


def _names(given: Any, host: str) -> Sequence[str] | None:
    """Return the host names that are answered to; None is any."""
    from clipbio.serving.hosts import LOOPBACK_NAMES

    if given is None:
        return LOOPBACK_NAMES if _is_loopback(host) else None
    return [*LOOPBACK_NAMES, *(str(name).lower() for name in ([given] if isinstance(given, str) else given))]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tell(host: str, port: int) -> None:
    if not _is_loopback(host):
        log.warning("host=%s: everybody who reaches this machine can search the index; there is no password", host)
    shown = f"[{host}]" if ":" in host else host
    log.info("http://%s:%d is the search page, /docs its HTTP interface; Ctrl+C stops it", shown, port)
