"""The named streams of a run: what each reads, and how the global batch is dealt among them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from clipbio.data.order import BatchPlan
from clipbio.data.sampling import SAMPLING
from clipbio.data.sources import Source
from clipbio.data.splits import IntArray, SplitRows
from clipbio.errors import ClipbioError, nearest
from clipbio.seeding import derive_seed
from clipbio.text import TextRegime

__all__ = [
    "MAIN",
    "PlannedStream",
    "Stream",
    "by_projection",
    "check_divisible",
    "check_streams",
    "deal",
    "read_streams",
    "stream_seed",
]

MAIN = "main"


@dataclass(frozen=True)
class Stream:
    """One stream of training data.

    Args:
        text: What its specimens are called; None takes the regime of the first stream.
        root: Shard folder or specimen table, if not that of the data.
        source: Source of generated specimens, if not that of the data.
        split: Split that it reads: `train`.
        share: Its share of the global batch, in the scale of the other streams' shares.
        projection: Projection of the towers that its embeddings go through.
        loss_weight: Factor of the loss of its projection in the sum of all.
        own_temperature: Whether the loss of its projection learns a temperature of its own.
        sampling: `uniform`, or `sqrt` and `balanced` over species.
    """

    text: TextRegime | None = None
    root: str | None = None
    source: Source | None = None
    split: str = "train"
    share: float = 1.0
    projection: str = "default"
    loss_weight: float = 1.0
    own_temperature: bool = False
    sampling: str = "uniform"

    @property
    def regime(self) -> TextRegime:
        """What its specimens are called, once `read_streams` has settled it."""
        assert self.text is not None
        return self.text

    @property
    def own_data(self) -> bool:
        """Whether it names data of its own."""
        return self.root is not None or self.source is not None


def read_streams(streams: Mapping[str, Stream | Mapping[str, Any]]) -> dict[str, Stream]:
    """Return streams in their order, each with a text regime.

    Args:
        streams: Streams, or their settings, of which any may be left out.

    Raises:
        ClipbioError: A setting is unknown or impossible, or two streams of one projection disagree.
    """
    read = {str(name): one if isinstance(one, Stream) else _from_settings(name, one) for name, one in streams.items()}
    check_streams(read)
    first = next(iter(read.values()))
    if first.text is None:
        raise ClipbioError(f"data.streams.{next(iter(read))}.text is missing: the first stream needs a text regime")
    return {name: dataclasses.replace(one, text=one.text or first.text) for name, one in read.items()}


def check_streams(streams: Mapping[str, Stream | Mapping[str, Any]]) -> None:
    """Check the settings of streams, built or not; see `read_streams`."""
    if not streams:
        raise ClipbioError("data.streams is empty: training needs a stream, such as data.streams.main")
    read = {name: one if isinstance(one, Stream) else _from_settings(name, one) for name, one in streams.items()}
    for name, one in read.items():
        _check(name, one)
    _check_agreement(read)


def _from_settings(name: str, settings: Mapping[str, Any] | None) -> Stream:
    known = [field.name for field in dataclasses.fields(Stream)]
    given = {str(key): value for key, value in (settings or {}).items() if key != "_target_"}
    for key in given:
        if key not in known:
            raise ClipbioError(f"data.streams.{name}.{key} is no setting of a stream{nearest(key, known)}")
    return Stream(**given)


def _check(name: str, stream: Stream) -> None:
    place = f"data.streams.{name}"
    if stream.split != "train":
        raise ClipbioError(f"{place}.split={stream.split}: training reads the split train alone")
    for key in ("share", "loss_weight"):
        value = getattr(stream, key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise ClipbioError(f"{place}.{key}={value} must be a number above 0")
    if stream.sampling not in SAMPLING:
        raise ClipbioError(f"{place}.sampling='{stream.sampling}' is unknown{nearest(stream.sampling, SAMPLING)}")
    if not isinstance(stream.projection, str) or not stream.projection or "." in stream.projection:
        raise ClipbioError(f"{place}.projection='{stream.projection}' must be a name without dots")


def _check_agreement(streams: Mapping[str, Stream]) -> None:
    """Refuse two answers to one question: a projection has one loss."""
    for projection, names in by_projection(streams).items():
        for key in ("loss_weight", "own_temperature"):
            values = {name: getattr(streams[name], key) for name in names}
            if len(set(values.values())) > 1:
                told = " and ".join(f"data.streams.{name}.{key}={value}" for name, value in values.items())
                raise ClipbioError(
                    f"{told}: streams of one projection ('{projection}') share one loss; give them one value, or "
                    "another projection"
                )


def by_projection(streams: Mapping[str, Stream]) -> dict[str, list[str]]:
    """Return the names of the streams of each projection, in the order of the config."""
    groups: dict[str, list[str]] = {}
    for name, stream in streams.items():
        groups.setdefault(stream.projection, []).append(name)
    return groups


def deal(batch_size: int, streams: Mapping[str, Stream], *, unit: int = 1) -> dict[str, int]:
    """Return the rows of each stream in a global batch: whole multiples of `unit`, by largest remainder.

    The answer does not depend on the number of processes, so that neither does the run.
    """
    total = sum(Fraction(str(stream.share)) for stream in streams.values())
    exact = {name: batch_size // unit * Fraction(str(stream.share)) / total for name, stream in streams.items()}
    units = {name: int(value) for name, value in exact.items()}
    left = batch_size // unit - sum(units.values())
    for name in sorted(exact, key=lambda name: units[name] - exact[name])[:left]:
        units[name] += 1
    for name, count in units.items():
        if count < 1:
            raise ClipbioError(
                f"data.streams.{name}.share={streams[name].share} of {float(total):g} gives it no row of "
                f"data.batch_size={batch_size}: raise one of them"
            )
    return {name: count * unit for name, count in units.items()}


def check_divisible(batch_size: int, streams: Mapping[str, Stream], processes: int) -> None:
    """Refuse a batch that the processes cannot share equally, stream by stream."""
    if batch_size % processes:
        raise ClipbioError(
            f"data.batch_size={batch_size} is the global batch and cannot be divided by {processes} processes: "
            f"take {batch_size - batch_size % processes or processes}"
        )
    sizes = deal(batch_size, streams)
    odd = next((name for name, size in sizes.items() if size % processes), None)
    if odd is not None:
        fitting = deal(batch_size, streams, unit=processes)
        remedy = " ".join(f"data.streams.{name}.share={size}" for name, size in fitting.items())
        raise ClipbioError(
            f"data.streams.{odd} has {sizes[odd]} of the {batch_size} rows of a batch, which cannot be divided by "
            f"{processes} processes: set {remedy}"
        )


def stream_seed(seed: int, name: str) -> int:
    """Return the seed of a stream: `main` has that of the run, any other one its own."""
    return seed if name == MAIN else derive_seed(seed, "stream", name)


@dataclass(frozen=True)
class PlannedStream:
    """A stream with its data.

    Args:
        name: Its name.
        stream: Its settings.
        split: The specimens that it may show.
        rows: Those of them that take part, as rows of the split's index.
        plan: Their order.
    """

    name: str
    stream: Stream
    split: SplitRows
    rows: IntArray
    plan: BatchPlan
