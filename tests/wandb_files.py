"""What stands in wandb's files of an offline run: a log of LevelDB with wandb's own messages in it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

BLOCK, FULL, FIRST, LAST = 32768, 1, 2, 4


class OfflineRun:
    """A read `offline-run-*` folder: its run, its rows by step, its summary and how it ended."""

    def __init__(self, folder: Path) -> None:
        (self.path,) = folder.glob("*.wandb")
        self.run: Any = None
        self.rows: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.exit_code: int | None = None
        for record in _records(self.path.read_bytes()):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                self.run = record.run
            elif kind == "history":
                self.rows.append(_values(record.history.item))
            elif kind == "summary":
                self.summary |= _values(record.summary.update)
            elif kind == "exit":
                self.exit_code = record.exit.exit_code

    @property
    def config(self) -> dict[str, Any]:
        """The config that was sent."""
        return _values(self.run.config.update)

    @property
    def steps(self) -> list[int]:
        """The steps of the rows, in their order."""
        return [row["_step"] for row in self.rows]


def offline_folders(run_folder: Path) -> list[Path]:
    """Return wandb's offline folders of a run."""
    return sorted((run_folder / "wandb").glob("offline-run-*"))


def offline_run(run_folder: Path) -> OfflineRun:
    """Read the one offline folder of a run."""
    (folder,) = offline_folders(run_folder)
    return OfflineRun(folder)


def _values(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(data: bytes) -> Iterator[Any]:
    assert data[:4] == b":W&B", "not a file of wandb"
    position, parts = 7, b""
    while position + 7 <= len(data):
        left = BLOCK - position % BLOCK
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (FULL, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""
