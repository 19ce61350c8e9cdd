"""Memory stays flat however many samples are read."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clipbio.data.prepare import prepare
from clipbio.data.records import RecordCache
from clipbio.data.sources.table import TableSource
from clipbio.data.specimen import Specimen
from clipbio.taxonomy import Taxon

ROOT = Path(__file__).resolve().parents[2]
MakeGarden = Callable[..., Path]
# Bytes per sample. What we see is none; a specimen of these gardens that were kept would be more than 700.
MOST_GROWTH = 300


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize(("scheme", "samples"), [("file://", 5_000), pytest.param("", 20_000, marks=pytest.mark.slow)])
def test_resident_memory_does_not_grow_with_the_samples_read(
    scheme: str, samples: int, make_garden: MakeGarden, tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    prepare(TableSource(make_garden(per_species=25, splits=("train",))), shards, progress=False, samples_per_shard=20)
    probe = Path(__file__).with_name("memory_probe.py")
    done = subprocess.run(
        [sys.executable, str(probe), f"{scheme}{shards}", str(tmp_path / "cache"), str(samples)],
        capture_output=True, text=True, timeout=500, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["samples"] == samples
    assert told["last"] - told["first"] < MOST_GROWTH * samples


def test_records_take_bounded_room_and_the_oldest_goes_first() -> None:
    records = RecordCache(10 * 3_000)
    for row in range(100):
        records.put(row, Specimen(str(row), Taxon()), 1_000)
        assert records.used <= records.limit
    assert len(records) == 10
    assert records.get(90) is not None
    records.put(100, Specimen("100", Taxon()), 1_000)
    assert records.get(90) is not None
    assert records.get(91) is None
    records.put(101, Specimen("101", Taxon()), 10**9)
    assert (len(records), records.used) == (0, 0)
    assert len(pickle.loads(pickle.dumps(records))) == 0
