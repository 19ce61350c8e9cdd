"""The bridge from towers to embeddings: encode every image and barcode of a split exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clipbio.data.batch import EvaluationBatch, Skipped
from clipbio.distributed import gather_objects
from clipbio.errors import ClipbioError

__all__ = ["Collector", "Encode", "Gathered", "Part", "SkippedRows", "embed", "encode_batch", "merged", "part_of"]

Encode = Callable[[Tensor], Tensor]
"""Turn the inputs of one modality into unit vectors_BD."""

Array = npt.NDArray[Any]


class Gathered(NamedTuple):
    """Rows of a split in their order: unit vectors (N, D) of each modality, zeros where its mask (N,) is false.

    `skipped` gives the reason for each id of which something could not be read.
    """

    rows_N: Array
    vectors: dict[str, Tensor]
    present: dict[str, Tensor]
    skipped: dict[str, str]


class Part(NamedTuple):
    """Some rows of a split, and per modality a mask of the rows that have it (n,) and their vectors (m, D)."""

    rows_B: Array
    vectors: dict[str, tuple[Array, Array]]


SkippedRows = list[tuple[int, Skipped]]


def part_of(batch: EvaluationBatch, vectors: Mapping[str, Tensor]) -> Part:
    """Return the embeddings of one batch: for each modality those of the rows that have it (`encode_batch`)."""
    found = {
        name: (batch["present"][name].cpu().numpy(), vectors_nD.float().cpu().numpy())
        for name, vectors_nD in vectors.items()
    }
    return Part(batch["rows_B"].cpu().numpy(), found)


@dataclass
class Collector:
    """Gather the embeddings of one split, over batches and then once over processes.

    Args:
        name: Name of the split, for messages.
        expected: Row numbers that must come together, each exactly once.
        max_skipped_share: Share of them that may be unreadable.
    """

    name: str
    expected: Array
    max_skipped_share: float = 1.0
    parts: list[Part] = field(default_factory=list)
    skipped: SkippedRows = field(default_factory=list)

    def add(self, batch: EvaluationBatch, vectors: Mapping[str, Tensor]) -> None:
        """Take the embeddings of one batch."""
        self.skipped.extend(batch["skipped"])
        self.parts.append(part_of(batch, vectors))

    def gather(self) -> Gathered:
        """Return everything on every process; errors are those of `join`."""
        pieces = gather_objects((self.parts, self.skipped))
        parts = [part for own_parts, _ in pieces for part in own_parts]
        return self.join(parts, [item for _, own_skipped in pieces for item in own_skipped])

    def join(self, parts: Sequence[Part], skipped: SkippedRows) -> Gathered:
        """Return the rows of all parts in their order.

        Raises:
            ClipbioError: Not every expected row came once, too many could not be read, or vectors are not finite.
        """
        if not len(self.expected):
            raise ClipbioError(f"split '{self.name}' has no specimen that the model can encode: do not evaluate it")
        parts = [part for part in parts if len(part.rows_B)]
        if not parts:
            why = f"; the first one {skipped[0][1].id}: {skipped[0][1].reason}" if skipped else ""
            raise ClipbioError(f"split '{self.name}': none of its {len(self.expected)} specimens could be read{why}")
        self.check(np.concatenate([part.rows_B for part in parts]), skipped)
        found = merged(parts, skipped)
        self.check_finite(found.vectors)
        return found

    def check(self, rows_N: Array, skipped: SkippedRows) -> None:
        """Refuse rows that are not those expected, or too many that cannot be read."""
        read = set(rows_N.tolist())
        # A row whose image alone is broken was evaluated all the same.
        lost = np.array([row for row, _ in skipped if row not in read], dtype=np.int64)
        seen = np.sort(np.concatenate([rows_N, lost]))
        if not np.array_equal(seen, np.sort(self.expected)):
            raise ClipbioError(
                f"split '{self.name}': {len(seen)} rows were evaluated, {len(self.expected)} distinct ones were due"
            )
        if len(skipped) > self.max_skipped_share * len(self.expected):
            first = skipped[0][1]
            raise ClipbioError(
                f"split '{self.name}': {len(skipped)} of {len(self.expected)} specimens cannot be read, more than "
                f"data.max_skipped_share={self.max_skipped_share}; the first one {first.id}: {first.reason}"
            )

    def check_finite(self, vectors: Mapping[str, Tensor]) -> None:
        """Refuse vectors (N, D) that are not finite numbers."""
        broken = {name: int((~one.isfinite().all(dim=1)).sum()) for name, one in vectors.items()}
        told = [f"{count} specimens ({name})" for name, count in broken.items() if count]
        if told:
            raise ClipbioError(
                f"split '{self.name}': the vectors of {' and '.join(told)} of {len(self.expected)} are not finite "
                "numbers: the model has diverged; take an earlier checkpoint, or train again with a lower learning rate"
            )


def merged(parts: Sequence[Part], skipped: SkippedRows) -> Gathered:
    """Return the rows of parts in their order, unchecked."""
    rows_N = np.concatenate([np.empty(0, np.int64), *(part.rows_B for part in parts)])
    place_N = np.empty(len(rows_N), np.int64)
    place_N[np.argsort(rows_N)] = np.arange(len(rows_N))
    vectors, present = {}, {}
    for name in dict.fromkeys(name for part in parts for name in part.vectors):
        mask_N, whole_ND = _joined(parts, name, place_N)
        vectors[name], present[name] = torch.from_numpy(whole_ND), torch.from_numpy(mask_N)
    return Gathered(np.sort(rows_N), vectors, present, {item.id: item.reason for _, item in skipped})


def _joined(parts: Sequence[Part], name: str, place_N: Array) -> tuple[Array, Array]:
    """Return which of all rows have a modality (N,), and its vectors (N, D) with zeros for the others.

    Row `i` of the parts, one after the other, goes to `place_N[i]`. Nothing but the result is held in memory.
    """
    width = next(part.vectors[name][1].shape[1] for part in parts if name in part.vectors)
    mask_N, whole_ND = np.zeros(len(place_N), dtype=bool), np.zeros((len(place_N), width), dtype=np.float32)
    start = 0
    for part in parts:
        place_n = place_N[start : start + len(part.rows_B)]
        start += len(place_n)
        if name in part.vectors:
            mask_n, vectors_mD = part.vectors[name]
            mask_N[place_n] = mask_n
            whole_ND[place_n[mask_n]] = vectors_mD
    return mask_N, whole_ND


def encode_batch(
    encoders: Mapping[str, Encode], batch: EvaluationBatch, device: torch.device | None = None
) -> dict[str, Tensor]:
    """Return unit vectors (n, D) of each modality that some row of a batch has, of the n rows that have it."""
    vectors = {}
    for name, inputs in batch["inputs"].items():
        present = batch["present"][name]
        if bool(present.any()):
            chosen = inputs if bool(present.all()) else inputs[present]
            vectors[name] = encoders[name](chosen if device is None else chosen.to(device))
    return vectors


@torch.inference_mode()
def embed(
    encoders: Mapping[str, Encode],
    batches: Iterable[EvaluationBatch],
    collector: Collector,
    *,
    device: torch.device,
) -> Collector:
    """Encode all batches of a split into its collector."""
    for batch in batches:
        collector.add(batch, encode_batch(encoders, batch, device))
    return collector
