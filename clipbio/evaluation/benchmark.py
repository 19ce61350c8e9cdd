"""What every benchmark is: a call on one split, or on several, that returns numbers and details.

Most see embeddings alone. Those that ask where on a picture something is are given the pictures and the model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from clipbio.data.splits import SplitRows
from clipbio.errors import ClipbioError
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.embeddings import SplitData

__all__ = [
    "AnyBenchmark",
    "Benchmark",
    "CrossBenchmark",
    "EncodeText",
    "Looking",
    "PictureBenchmark",
    "Result",
    "further_splits",
    "run_benchmarks",
]

logger = logging.getLogger(__name__)

EncodeText = Callable[[Sequence[str]], Tensor]
"""Turn T texts into unit vectors_TD."""


@dataclass(frozen=True)
class Result:
    """Flat numbers for metrics.json, details (one object per split and variant) for the report, and single answers.

    `files` are texts to be kept beside them, by their path inside the run folder.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    details: tuple[Any, ...] = ()
    answers: tuple[Answers, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: Result) -> Result:
        return Result(
            self.metrics | other.metrics,
            self.details + other.details,
            self.answers + other.answers,
            {**self.files, **other.files},
        )


class Benchmark(Protocol):
    """A benchmark; its constructor is the schema of `conf/benchmark/NAME.yaml`."""

    @property
    def splits(self) -> tuple[str, ...] | None:
        """Name the splits it runs on; None is all that are evaluated."""
        ...

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Measure one split."""
        ...


@runtime_checkable
class CrossBenchmark(Protocol):
    """A benchmark that compares splits with each other, such as queries with keys."""

    @property
    def splits(self) -> tuple[str, ...] | None:
        """Name the splits whose specimens are judged; None is all that are evaluated."""
        ...

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Name further splits to embed, such as keys.

        Args:
            evaluated: Splits that will be judged.
            available: Every split that the data has.
        """
        ...

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Measure the splits `evaluated`; `data` holds them and those that were `needed`."""
        ...


@dataclass(frozen=True)
class Looking:
    """What it takes to look at pictures anew.

    Args:
        model: What encodes pictures and texts, in evaluation mode on its device. This room does not know what it is; a
            benchmark that looks does (a `clipbio.models.MultiTower`).
        splits: The specimens by split; their pictures and masks are read when they are wanted.
    """

    model: Any
    splits: Mapping[str, SplitRows]


@runtime_checkable
class PictureBenchmark(Protocol):
    """A benchmark that looks at pictures and their masks itself, for which one vector of a picture is too little."""

    @property
    def splits(self) -> tuple[str, ...] | None:
        """Name the splits it runs on; None is all that are evaluated."""
        ...

    def run_on_pictures(self, split: SplitRows, model: Any) -> Result:
        """Measure one split."""
        ...


AnyBenchmark = Benchmark | CrossBenchmark | PictureBenchmark


def further_splits(
    benchmarks: Mapping[str, AnyBenchmark], evaluated: Sequence[str], available: Collection[str]
) -> tuple[str, ...]:
    """Return the splits that benchmarks need beside those that are evaluated, each once."""
    wanted = (
        split
        for benchmark in benchmarks.values()
        if isinstance(benchmark, CrossBenchmark)
        for split in benchmark.needed(_asked(benchmark, evaluated), available)
    )
    return tuple(split for split in dict.fromkeys(wanted) if split not in evaluated)


def run_benchmarks(
    benchmarks: Mapping[str, AnyBenchmark],
    splits: Iterable[SplitData],
    encode_text: EncodeText,
    *,
    further: Iterable[SplitData] = (),
    looking: Looking | None = None,
) -> Result:
    """Run each benchmark on the splits it names and join the results.

    A benchmark that model or data do not allow is left out with a warning, so that it does not take the others along.

    Args:
        benchmarks: Benchmarks by name.
        splits: What is evaluated.
        encode_text: Texts to unit vectors.
        further: Splits with which the evaluated ones are compared (`further_splits`).
        looking: Model and pictures, for benchmarks that look themselves; None where there are embeddings alone.

    Raises:
        ClipbioError: A benchmark was left out and nothing else was measured.
    """
    result = Result()
    refused: list[ClipbioError] = []
    evaluated = {data.split: data for data in splits}
    everything = evaluated | {data.split: data for data in further}
    for name, benchmark in benchmarks.items():
        asked = _asked(benchmark, tuple(evaluated))
        missing = [split for split in benchmark.splits or () if split not in asked]
        if missing:
            logger.warning("benchmark %s: no split %s among %s", name, ", ".join(missing), ", ".join(evaluated))
        try:
            if isinstance(benchmark, CrossBenchmark):
                result += benchmark.run_across(everything, asked, encode_text) if asked else Result()
                continue
            for split in asked:
                result += _on_one(benchmark, evaluated[split], encode_text, looking)
        except ClipbioError as error:
            logger.warning("benchmark %s is left out: %s", name, error)
            refused.append(error)
    if refused and not result.metrics:
        raise refused[0]
    return result


def _on_one(
    benchmark: Benchmark | PictureBenchmark, data: SplitData, encode_text: EncodeText, looking: Looking | None
) -> Result:
    if not isinstance(benchmark, PictureBenchmark):
        return benchmark.run(data, encode_text)
    if looking is None:
        raise ClipbioError(
            "it looks at the pictures with the model, and here are embeddings alone: ask evaluate.py checkpoint=RUN "
            "without embeddings=, and leave it out of validation.benchmarks"
        )
    return benchmark.run_on_pictures(looking.splits[data.split], looking.model)


def _asked(benchmark: AnyBenchmark, evaluated: Sequence[str]) -> tuple[str, ...]:
    """Return the splits that a benchmark judges, in its own order if it names them."""
    if benchmark.splits is None:
        return tuple(evaluated)
    return tuple(split for split in benchmark.splits if split in evaluated)
