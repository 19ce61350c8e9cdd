"""`python -m clipbio search`: what fits a query, as a table, CSV, JSON or JSON lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from clipbio.data.roots import local_folder
from clipbio.errors import ClipbioError, closest, nearest
from clipbio.files import write_text
from clipbio.search.export import csv_text, plain, records
from clipbio.search.filters import Columns, mask_N
from clipbio.search.folder import IndexFolder
from clipbio.search.query import Engine, Part, PartKind, Query, Show
from clipbio.search.results import Results
from clipbio.tasks.asked import flag, new_file, whole_number
from clipbio.tasks.search_table import hit_table

__all__ = ["search"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]

_SUFFIXES = (".csv", ".json", ".jsonl")
_KINDS: dict[str, PartKind] = {"query": "text", "image": "image", "dna": "dna", "specimen": "specimen"}
_LARGEST_PICTURE = 64 * 2**20


def search(config: Config) -> None:
    """Ask an index and write or print the hits.

    Args:
        config: Plain resolved config of `conf/search.yaml`.
    """
    if config["index"] in (None, ""):
        raise ClipbioError("index is missing: python -m clipbio search INDEX 'leaves opposite'")
    out = new_file(config, _checked_suffix)
    query = _query(config)
    size, page = (_positive(config[key], key) for key in ("k", "page"))
    results = _opened(config, query).search(
        query,
        k=size,
        offset=(page - 1) * size,
        where=_where(config) or None,
        engine=config["engine"],
        show=config["show"],
        key=config["key"],
        exact=flag(config["exact"], "exact"),
    )
    for note in results.notes:
        log.warning("%s", note)
    if out is None:
        Console().print(hit_table(results))
    else:
        _write(out, results)


def _query(config: Config) -> Query:
    parts = tuple(_parts(config))
    if not parts and not local_folder(str(config["index"]), "index").is_dir():
        raise ClipbioError(f"{config['index']} is no folder: the first argument is the index, the words come after it")
    return Query(parts)


def _parts(config: Config) -> Iterator[Part]:
    for key, kind in _KINDS.items():
        if config[key] is None:
            continue
        weight = config["weight"][key]
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise ClipbioError(f"weight.{key}={weight} must be a number")
        text = str(config[key])
        yield Part(kind, _picture(text) if kind == "image" else text, float(weight))


def _picture(name: str) -> bytes:
    path = local_folder(name, "image")
    try:
        if path.stat().st_size > _LARGEST_PICTURE:
            raise ClipbioError(f"image={name} has more than {_LARGEST_PICTURE // 2**20} MiB: make it smaller")
        data = path.read_bytes()
    except OSError as error:
        raise ClipbioError(f"image={name} cannot be read: {error.strerror or error}") from error
    if not data:
        raise ClipbioError(f"image={name} is empty")
    return data


def _opened(config: Config, query: Query) -> Any:
    """Return the index, with its model where the query or what is ranked needs one."""
    folder = local_folder(str(config["index"]), "index")
    words_alone = query.is_text and config["engine"] == "lexical"
    if words_alone or all(part.kind == "specimen" for part in query.parts):
        from clipbio.search.index import Index

        return Index.open(folder)
    # A slip of the pen is told before a model is loaded, which takes long.
    for key, known in (("engine", Engine), ("show", Show)):
        if config[key] not in get_args(known):
            raise ClipbioError(f"{key}={config[key]} is unknown{nearest(str(config[key]), get_args(known))}")
    mask_N(Columns(IndexFolder.open(folder, verify=False)), _where(config))
    from clipbio.tasks.index_opening import open_index

    return open_index(folder, config)


def _where(config: Config) -> dict[str, Any]:
    """Return the conditions of `where` and `filters` by column."""
    if not isinstance(config["where"], Mapping) or not isinstance(config["filters"], list):
        raise ClipbioError("filters are given as where.COLUMN=VALUE")
    found: dict[str, Any] = dict(_flat(config["where"]))
    listed: dict[str, list[str]] = {}
    for one in config["filters"]:
        column, sign, value = str(one).partition("=")
        if not sign:
            raise ClipbioError(f"filters=[{one}]: give COLUMN=VALUE")
        listed.setdefault(column, []).append(value)
    return found | {column: values[0] if len(values) == 1 else values for column, values in listed.items()}


def _flat(given: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield conditions; a column with a dot in its name comes as a mapping in a mapping."""
    for key, value in given.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _positive(value: Any, key: str) -> int:
    if (number := whole_number(value, key)) < 1:
        raise ClipbioError(f"{key}={value} must be 1 or more")
    return number


def _checked_suffix(out: Path) -> Path:
    if out.suffix not in _SUFFIXES:
        raise ClipbioError(f"out={out}: hits are written as {', '.join(_SUFFIXES)}{closest(out.suffix, _SUFFIXES)}")
    return out


def _write(out: Path, results: Results) -> None:
    try:
        write_text(out, _text(out.suffix, results))
    except OSError as error:
        raise ClipbioError(f"out={out} cannot be written: {error.strerror or error}") from error
    log.info("%s written: %s of %s hits", out, f"{len(results.hits):,}", f"{results.total:,}")


def _text(suffix: str, results: Results) -> str:
    if suffix == ".csv":
        return csv_text(records(results))
    if suffix == ".json":
        return json.dumps(plain(results), ensure_ascii=False, indent=2) + "\n"
    return "".join(json.dumps(plain(hit), ensure_ascii=False) + "\n" for hit in results.hits)
