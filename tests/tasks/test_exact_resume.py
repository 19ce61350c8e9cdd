"""A killed run goes on as if nothing had happened: same specimens, same order, same augmentation, same texts.

One uninterrupted run is the reference of all, because neither workers nor processes decide anything.
"""

import random
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from forks import Run
from runs import SMALL, lines

from clipbio.data.prepare import prepare
from clipbio.data.sources import VirtualSource

STEPS = 16
Step = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two virtual sets in several shards each."""
    base = tmp_path_factory.mktemp("resume")
    for name, seed in (("main", 0), ("more", 1)):
        source = VirtualSource(num_species=5, num_unseen=1, specimens_per_species=9, image_size=32, seed=seed)
        prepare(source, base / name, progress=False, samples_per_shard=6)
    return base


def overrides(base: Path, *more: str) -> list[str]:
    """Return a run of two weighted streams in many short steps, checkpointed at every fifth."""
    return [
        *(item for item in SMALL if not item.startswith("benchmark")), f"data.root={base / 'main'}", f"+data.streams.more.root={base / 'more'}", "data.streams.main.share=3",
        "+data.streams.more.share=1", "data.window=2", f"cache_dir={base / 'cache'}", f"duration={STEPS} steps",
        "checkpoint.every=5 steps", "validation.every=100 percent", "validation.benchmarks=[]", "benchmark=[]",
        "augmentation.scale=[0.5,1]", "augmentation.flip=0.5", "text=mixed", "monitors=null",
        # What runs in a server of forks would take another server for its workers, and seconds of imports.
        "data.worker_context=fork", *more,
    ]  # fmt: skip


def sequence(folder: Path) -> list[Step]:
    """Return id, seeds and text of every row by step and stream, the parts of the processes put together."""
    steps: dict[int, Step] = defaultdict(lambda: defaultdict(list))
    for path in sorted((folder / "samples").glob("rank-*.jsonl")):
        for line in lines(path):
            rows = zip(line["streams"], line["ids"], line["seeds"], line["text_seeds"], line["texts"], strict=True)
            for stream, *row in rows:
                steps[line["step"]][stream].append(tuple(row))
    assert sorted(steps) == list(range(len(steps)))
    return [steps[number] for number in range(len(steps))]


@pytest.fixture(scope="module")
def reference(base: Path) -> list[Step]:
    """What a run sees that nobody disturbs."""
    run = Run(base / "reference", overrides(base))
    run.finish()
    steps = sequence(base / "reference")
    assert len(steps) == STEPS
    assert all({name: len(rows) for name, rows in step.items()} == {"main": 6, "more": 2} for step in steps)
    return steps


def killed_and_resumed(base: Path, *, before: tuple[int, int], after: tuple[int, int]) -> list[Step]:
    """Kill a run on some processes and workers at a random step, continue it on others; return what it saw."""
    name = f"p{before[0]}w{before[1]}-p{after[0]}w{after[1]}"
    folder, at = base / name, random.Random(name).randrange(1, STEPS - 4)
    run = Run(folder, overrides(base, f"data.num_workers={before[1]}"), processes=before[0])
    run.kill_after(at)
    seen = len(lines(folder / "samples" / "rank-0.jsonl"))
    assert at <= seen < STEPS
    Run(folder, overrides(base, f"data.num_workers={after[1]}", "resume=auto"), processes=after[0]).finish()
    return sequence(folder)


def cases(*quick: tuple[Any, ...], slow: list[tuple[Any, ...]]) -> list[Any]:
    return [*quick, *(pytest.param(*case, marks=pytest.mark.slow) for case in slow)]


@pytest.mark.parametrize(("processes", "workers"), cases((1, 2), (2, 1), slow=[(1, 0), (1, 1), (2, 0), (2, 2)]))
def test_a_killed_run_sees_what_an_undisturbed_one_sees(
    processes: int, workers: int, base: Path, reference: list[Step]
) -> None:
    place = (processes, workers)
    assert killed_and_resumed(base, before=place, after=place) == reference


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [((1, 2), (2, 1)), ((2, 0), (1, 1))])
def test_processes_and_workers_may_change_at_a_resume(
    before: tuple[int, int], after: tuple[int, int], base: Path, reference: list[Step]
) -> None:
    assert killed_and_resumed(base, before=before, after=after) == reference


def test_other_data_at_a_resume_are_refused(base: Path, reference: list[Step]) -> None:
    folder, place = base / "other", base / "moved"
    shutil.copytree(base / "more", place)
    given = [item.replace(str(base / "more"), str(place)) for item in overrides(base, "checkpoint.asynchronous=false")]
    Run(folder, given).kill_after(6)
    shutil.rmtree(place)
    shutil.copytree(base / "main", place)
    again = Run(folder, [*given, "resume=auto"])
    again.processes[0].join()
    assert again.processes[0].exitcode == 2
    assert "the data changed since the checkpoint was written (data.streams.more: " in again.errors.read_text()
    assert len(lines(folder / "samples" / "rank-0.jsonl")) == 5
