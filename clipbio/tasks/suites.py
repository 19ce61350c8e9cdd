"""Published data sets as benchmarks: where each lies, how it is read, how much it should hold, what is asked of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbio.config import instantiate
from clipbio.data.manifest import SPLITS
from clipbio.data.sources import Source
from clipbio.distributed import World
from clipbio.errors import ClipbioError, nearest
from clipbio.tasks.sources import named_source
from clipbio.tasks.suite_data import SuiteData

__all__ = ["Count", "Suite", "build_suites", "is_suite", "without_suites"]

log = logging.getLogger(__name__)

Config = Mapping[str, Any]
_TARGET = "clipbio.tasks.suites.Suite"
_COUNTED = ("images", "classes")


@dataclass(frozen=True)
class Count:
    """How many images or classes a split was found to hold, and how many were published."""

    split: str
    what: str
    found: int
    expected: int | None

    @property
    def differs(self) -> bool:
        """Tell whether another number was published."""
        return self.expected is not None and self.found != self.expected

    def __str__(self) -> str:
        told = "no number is published" if self.expected is None else f"{self.expected:,} are published"
        return f"{self.found:,} found, {told}"


class Suite:
    """A published data set: nothing of it is downloaded, extracted or unpickled here.

    Its figures stand under the name of its entry, `zero_shot/nabirds/label/top1`, or under `NAME_SPLIT` where it has
    several splits, as `few_shot/plantdoc_test/1_shot/mean`. Its own settings call splits as the source does: `test`.

    Args:
        title: What it is called.
        folder: Its folder below `base`.
        source: `format`, a choice of `source=`, and those of its settings that differ; `root` is filled in.
        get: How to get it and where to put it.
        tasks: Settings of benchmarks by name.
        expected: Per split of the source the published number of `images` and `classes`, null where none is known.
        splits: The splits that are judged, as the source calls them.
        licence: Its licence, None where none was found.
        url: Where it is described.
        base: The folder of all such sets.
        root: Its folder, where it is not `base`/`folder`.
        strict: Whether other numbers than the expected ones are an error instead of a warning.
    """

    def __init__(
        self,
        title: str,
        folder: str,
        source: Mapping[str, Any],
        get: str,
        tasks: Mapping[str, Any],
        *,
        expected: Mapping[str, Mapping[str, int | None]] | None = None,
        splits: Sequence[str] = ("test",),
        licence: str | None = None,
        url: str | None = None,
        base: str | None = None,
        root: str | None = None,
        strict: bool = False,
    ) -> None:
        self.title, self.folder, self.get, self.licence, self.url = title, folder, get, licence, url
        self.source, self.tasks, self.strict = source, tasks, strict
        self.expected = {name: dict(counts) for name, counts in (expected or {}).items()}
        self.judged = tuple(splits)
        for name in (*self.judged, *self.expected):
            if name not in SPLITS:
                raise ClipbioError(f"{title}: unknown split '{name}'{nearest(name, SPLITS)}")
        for name, counts in self.expected.items():
            for key in counts:
                if key not in _COUNTED:
                    raise ClipbioError(f"{title}: expected.{name}.{key} is unknown{nearest(key, _COUNTED)}")
        place = root or (f"{base}/{folder}" if base else None)
        self.place = Path(place).expanduser() if place else None

    def where(self, name: str) -> Path:
        """Return its folder.

        Raises:
            ClipbioError: None is given, or it is not there; the message says how to get it.
        """
        if self.place is None:
            raise ClipbioError(
                f"benchmark={name}: give benchmark_root=FOLDER (with {self.folder} in it) or "
                f"benchmark.{name}.root=FOLDER. {self.title}: {_line(self.get)}"
            )
        if not self.place.is_dir():
            raise ClipbioError(
                f"benchmark={name}: the folder {self.place} is not there. {self.title}: {_line(self.get)}"
            )
        return self.place

    def read(self, name: str) -> Source:
        """Return what reads it.

        Raises:
            ClipbioError: It is not here, or a part of it is missing; the message says how it must be laid out.
        """
        source = {**self.source, "root": str(self.where(name))}
        try:
            return named_source(source, f"benchmark.{name}.source")
        except ClipbioError as error:
            raise ClipbioError(f"benchmark={name}: {error}. The layout: {_line(self.get)}") from error

    def data(self, name: str, *, cache_dir: str, world: World, settings: Mapping[str, Any]) -> SuiteData:
        """Return its data, prepared into the cache when they are first read.

        Args:
            name: Its entry.
            cache_dir: Where it is prepared.
            world: This process.
            settings: Settings of `SpecimenData` that matter in evaluation.
        """
        data = SuiteData(self.read(name), cache_dir=cache_dir, **settings)
        data.world = world
        return data

    def check(self, data: SuiteData) -> list[Count]:
        """Return what is found and expected per split; a difference is a warning, or an error if `strict`."""
        counts = list(self._counts(data))
        for one in counts:
            if one.differs:
                told = f"{self.title}, {one.split}: {one.found:,} {one.what} found, {one.expected:,} are published"
                if self.strict:
                    raise ClipbioError(f"{told}; get what is missing, or set strict=false")
                log.warning("%s", told)
        return counts

    def _counts(self, data: SuiteData) -> Iterator[Count]:
        for split in dict.fromkeys((*self.judged, *self.expected)):
            expected, found = self.expected.get(split, {}), data.counts(split)
            for what in _COUNTED:
                yield Count(split, what, found[what], expected.get(what))


def is_suite(config: Any) -> bool:
    """Tell whether an entry of `benchmark` is a data set."""
    return isinstance(config, Mapping) and config.get("_target_") == _TARGET


def build_suites(config: Config) -> dict[str, Suite]:
    """Return the data sets among the benchmarks of a config by name."""
    entries = config.get("benchmark") or {}
    return {name: instantiate(one, f"benchmark.{name}") for name, one in entries.items() if is_suite(one)}


def without_suites(config: Config) -> dict[str, Any]:
    """Return a config whose benchmarks are those of the data."""
    entries = config.get("benchmark") or {}
    return {**config, "benchmark": {name: one for name, one in entries.items() if not is_suite(one)}}


def _line(text: str) -> str:
    return " ".join(text.split())
