"""A run of two streams through the commands: it continues, is evaluated, and is the same on two processes."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from gardens import write_garden
from runs import SMALL, here, lines, losses, run


def overrides_of(base: Path) -> list[str]:
    garden = write_garden(base / "garden", species=4, per_species=8)
    other = write_garden(base / "other", species=3, per_species=4, first=6)
    return [
        *SMALL, f"data.root={garden}", f"cache_dir={base / 'cache'}", "duration=6 steps", "validation.every=3 steps",
        f"+data.streams.replay.root={other}", "+data.streams.replay.projection=replay", "model.image.projections=[replay]",
        "+text@data.streams.replay.text=description",
    ]  # fmt: skip


def test_a_run_of_two_streams_continues_and_is_evaluated_without_its_second_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides, folder = overrides_of(tmp_path), tmp_path / "run"
    status, _, err = here(capsys, "train", *overrides, f"run_dir={folder}")
    assert status == 0, err
    steps = lines(folder / "samples" / "rank-0.jsonl")
    assert [Counter(step["streams"]) for step in steps] == [{"main": 4, "replay": 4}] * 6
    assert list(json.loads((folder / "run.json").read_text())["stream_manifests"]) == ["replay"]
    status, _, err = here(
        capsys, "train", *overrides, f"run_dir={tmp_path / 'next'}", f"init={folder}", "duration=1 steps",
    )  # fmt: skip
    assert status == 0, err
    shutil.rmtree(tmp_path / "other")
    status, _, err = here(
        capsys, "evaluate", f"checkpoint={folder}", f"run_dir={tmp_path / 'out'}", f"cache_dir={tmp_path / 'cache'}",
        "benchmark=[zero_shot]", "benchmark.zero_shot.bootstrap=20", "benchmark.zero_shot.permutations=0",
    )  # fmt: skip
    assert status == 0, err
    first, second = (json.loads((path / "metrics.json").read_text()) for path in (folder, tmp_path / "out"))
    assert first == pytest.approx(second, abs=1e-6)


@pytest.mark.slow
def test_two_processes_learn_the_same_from_two_streams(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides, one, two = overrides_of(tmp_path), tmp_path / "one", tmp_path / "two"
    status, _, err = here(capsys, "train", *overrides, f"run_dir={one}")
    assert status == 0, err
    done = run(
        "train.py", *overrides, f"run_dir={two}", "trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true",
        processes=2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert by_stream(two) == by_stream(one)
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)


def by_stream(folder: Path) -> list[dict[str, list[str]]]:
    """Return the ids of each stream in each step, the processes in their order."""
    ranks = [lines(path) for path in sorted((folder / "samples").glob("rank-*.jsonl"))]
    steps = []
    for parts in zip(*ranks, strict=True):
        rows = [row for part in parts for row in zip(part["streams"], part["ids"], strict=True)]
        steps.append({name: [id_ for stream, id_ in rows if stream == name] for name in ("main", "replay")})
    return steps
