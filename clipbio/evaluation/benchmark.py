"""What every benchmark is: a call on the embeddings of a split that returns flat numbers and details for the report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from clipbio.evaluation.embeddings import SplitData

__all__ = ["Benchmark", "EncodeText", "Result", "run_benchmarks"]

logger = logging.getLogger(__name__)

EncodeText = Callable[[Sequence[str]], Tensor]
"""Turn T texts into unit vectors_TD."""


@dataclass(frozen=True)
class Result:
    """Flat numbers for metrics.json, and details (one object per split and variant) from which the report is drawn."""

    metrics: dict[str, float] = field(default_factory=dict)
    details: tuple[Any, ...] = ()

    def __add__(self, other: Result) -> Result:
        return Result(self.metrics | other.metrics, self.details + other.details)


class Benchmark(Protocol):
    """A benchmark; its constructor is the schema of `conf/benchmark/NAME.yaml`."""

    @property
    def splits(self) -> tuple[str, ...] | None:
        """Name the splits it runs on; None is all that are evaluated."""
        ...

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Measure one split."""
        ...


def run_benchmarks(benchmarks: Mapping[str, Benchmark], splits: Iterable[SplitData], encode_text: EncodeText) -> Result:
    """Run each benchmark on the splits it names and join the results."""
    result = Result()
    available = {data.split: data for data in splits}
    for name, benchmark in benchmarks.items():
        wanted = tuple(available) if benchmark.splits is None else benchmark.splits
        missing = [split for split in wanted if split not in available]
        if missing:
            logger.warning("benchmark %s: no split %s among %s", name, ", ".join(missing), ", ".join(available))
        for split in wanted:
            if split in available:
                result += benchmark.run(available[split], encode_text)
    return result
