"""Published data sets on the way through an evaluation: opened, measured, and their results told under their names."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import AnyBenchmark, Result
from clipbio.evaluation.embeddings import SplitData
from clipbio.tasks.embeddings import Measured
from clipbio.tasks.parts import build_benchmarks, check_splits
from clipbio.tasks.suite_data import EVALUATION_SETTINGS, SuiteData
from clipbio.tasks.suites import Count, Suite, build_suites

__all__ = ["OpenSuite", "joined", "measured_sets", "open_suites", "shown_as"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]


@dataclass(frozen=True)
class OpenSuite:
    """A published data set that is here, what it was found to hold, and what is asked of it."""

    name: str
    suite: Suite
    data: SuiteData
    counts: tuple[Count, ...]
    benchmarks: Mapping[str, AnyBenchmark]

    @property
    def splits(self) -> tuple[str, ...]:
        """Name the splits that are judged, as the source calls them."""
        return self.suite.judged

    def shown(self, split: str) -> str:
        """Return what a split is called in results: the set, with the split where there are several."""
        alone = next(iter(self.data.splits)) if len(self.data.splits) == 1 else ""
        # Benchmarks make further names of that of a split, as test@all and test+unseen.
        return f"{self.name}{split.removeprefix(alone)}" if alone else f"{self.name}_{split}"

    @property
    def about(self) -> dict[str, Any]:
        """Tell in plain values what set it is, and found beside published numbers."""
        return {
            "title": self.suite.title,
            "licence": self.suite.licence,
            "folder": None if self.suite.place is None else self.suite.place.name,
            "manifest": self.data.folder.manifest.hash,
            "counts": [dataclasses.asdict(one) for one in self.counts],
        }

    @property
    def summary(self) -> dict[str, str]:
        """Tell the same to a reader."""
        told = {"set": self.suite.title, "licence": self.suite.licence or "not told", "about": self.suite.url or ""}
        return told | {f"{one.what} in {self.shown(one.split)}": str(one) for one in self.counts}


def open_suites(config: Config, world: World) -> list[OpenSuite]:
    """Return the data sets that a config asks for, prepared and counted.

    Raises:
        ClipbioError: One is not here, or holds no split that is to be judged.
    """
    data = config.get("data") or {}
    settings = {key: data[key] for key in EVALUATION_SETTINGS if key in data}
    suites = build_suites(config)
    for name, suite in suites.items():
        suite.where(name)
    return [_opened(name, suite, config, settings, world) for name, suite in suites.items()]


def _opened(name: str, suite: Suite, config: Config, settings: Config, world: World) -> OpenSuite:
    tasks = {"benchmark": suite.tasks, "protocol": config["protocol"]}
    benchmarks = build_benchmarks(tasks, place=f"benchmark.{name}.tasks")
    if not benchmarks:
        raise ClipbioError(f"benchmark.{name}.tasks is empty: add one, +benchmark@benchmark.{name}.tasks.TASK=TASK")
    data = suite.data(name, cache_dir=str(config["cache_dir"]), world=world, settings=settings)
    for split in suite.judged:
        data.split(split)
    check_splits(benchmarks, suite.judged)
    return OpenSuite(name, suite, data, tuple(suite.check(data)), benchmarks)


def measured_sets(
    suites: Sequence[OpenSuite], measure: Callable[[OpenSuite], Measured], *, alone: bool
) -> list[Measured]:
    """Return what was measured on each data set, under its name.

    One that a model does not allow is left out with a warning, so that it does not take the others along.

    Args:
        suites: The data sets.
        measure: Embeds one and runs its tasks.
        alone: Whether nothing else is evaluated: then not all may be left out.
    """
    found: list[Measured] = []
    refused: list[ClipbioError] = []
    for one in suites:
        log.info("%s: %s", one.name, one.suite.title)
        try:
            found.append(shown_as(measure(one), one.shown))
        except ClipbioError as error:
            log.warning("data set %s is left out: %s", one.name, error)
            refused.append(error)
    if refused and alone and not found:
        raise refused[0]
    return found


def shown_as(measured: Measured, name: Callable[[str], str]) -> Measured:
    """Return what was measured with every split called otherwise."""

    def renamed(splits: Mapping[str, SplitData]) -> dict[str, SplitData]:
        return {name(split): dataclasses.replace(data, split=name(split)) for split, data in splits.items()}

    result = measured.result
    return Measured(
        renamed(measured.splits),
        renamed(measured.further),
        Result(
            {_key(key, name): value for key, value in result.metrics.items()},
            tuple(_called(one, name) for one in result.details),
            tuple(dataclasses.replace(one, split=name(one.split)) for one in result.answers),
            {_file(path, name): text for path, text in result.files.items()},
        ),
    )


def _key(key: str, name: Callable[[str], str]) -> str:
    """Return a key of metrics.json, `TASK/SPLIT/...`, with its split called otherwise."""
    task, split, *rest = key.split("/")
    return "/".join((task, name(split), *rest))


def _file(path: str, name: Callable[[str], str]) -> str:
    """Return the path of a file of a benchmark, `TASK/SPLIT.json`, likewise."""
    task, _, file = path.rpartition("/")
    stem, _, suffix = file.rpartition(".")
    return f"{task}/{name(stem)}.{suffix}"


def _called(detail: Any, name: Callable[[str], str]) -> Any:
    return dataclasses.replace(detail, split=name(detail.split)) if hasattr(detail, "split") else detail


def joined(parts: Sequence[Measured]) -> Measured:
    """Return several measurements as one."""
    splits: dict[str, SplitData] = {}
    further: dict[str, SplitData] = {}
    result = Result()
    for part in parts:
        splits |= part.splits
        further |= part.further
        result += part.result
    return Measured(splits, further, result)
