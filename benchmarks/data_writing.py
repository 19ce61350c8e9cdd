"""Writing shards against plain tars: `python benchmarks/data_writing.py SIDE TABLE OUT LIMIT`, seconds as JSON."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

from data_sets import FirstSpecimens

from clipbio.data.members import json_of
from clipbio.data.prepare import prepare
from clipbio.data.sources.table import TableSource

__all__ = ["write"]


def write(side: str, table: Path, out: Path, limit: int | None) -> tuple[float, float]:
    """Write a specimen table in a fresh process; return seconds and CPU seconds, start-up excluded."""
    command = [sys.executable, str(Path(__file__).resolve()), side, str(table), str(out), str(limit or sys.maxsize)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr[-3000:]}")
    seconds, cpu_seconds = json.loads(done.stdout.splitlines()[-1])
    return seconds, cpu_seconds


def _plain_tar(members: Sequence[tuple[str, Path, bytes]], out: Path) -> None:
    """Write pictures as they are, and the records that stand in our shards too."""
    with tarfile.open(out, "w") as tar:
        for name, picture, record in members:
            for suffix, content in ((picture.suffix, picture.read_bytes()), (".json", record)):
                info = tarfile.TarInfo(name + suffix)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def main() -> None:
    side, table, out, limit = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    source = FirstSpecimens(TableSource(table), limit)
    members = []
    for number, specimen in enumerate(source if side == "peer" else ()):
        assert isinstance(specimen.image, Path)
        members.append((f"{number:09d}", specimen.image, json_of(specimen.id, specimen.record())))
    if side == "ours":
        # Start-up is excluded on both sides: what is imported late is imported here.
        prepare(FirstSpecimens(TableSource(table), 4), out.with_name(f"{out.name}-first"), progress=False)
    began, cpu = time.perf_counter(), time.process_time()
    if side == "ours":
        prepare(source, out, progress=False)
    else:
        _plain_tar(members, out)
    print(json.dumps([time.perf_counter() - began, time.process_time() - cpu]))


if __name__ == "__main__":
    main()
