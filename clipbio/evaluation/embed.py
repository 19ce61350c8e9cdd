"""The bridge from towers to embeddings: encode every image of a split exactly once, and texts when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from clipbio.data.batch import EvaluationBatch, Skipped
from clipbio.distributed import gather_objects
from clipbio.errors import ClipbioError

__all__ = ["Collector", "embed"]


@dataclass
class Collector:
    """Gather the embeddings of one split, over batches and then once over processes.

    Args:
        name: Name of the split, for messages.
        expected: Row numbers that must come together, each exactly once.
        max_skipped_share: Share of them that may be unreadable.
    """

    name: str
    expected: np.ndarray
    max_skipped_share: float = 1.0
    rows: list[np.ndarray] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    skipped: list[tuple[int, Skipped]] = field(default_factory=list)

    def add(self, batch: EvaluationBatch, vectors_BD: Tensor | None) -> None:
        """Take the embeddings of one batch; None where none of its images could be read."""
        self.skipped.extend(batch["skipped"])
        if vectors_BD is not None:
            self.rows.append(batch["rows_B"].cpu().numpy())
            self.vectors.append(vectors_BD.float().cpu().numpy())

    def gather(self) -> tuple[np.ndarray, Tensor, dict[str, str]]:
        """Return rows (sorted), their unit vectors (N, D) and the reason for each skipped id, on every process.

        Raises:
            ClipbioError: Not every expected row came exactly once.
        """
        pieces = gather_objects((self.rows, self.vectors, self.skipped))
        rows = [part for own_rows, _, _ in pieces for part in own_rows]
        vectors = [part for _, own_vectors, _ in pieces for part in own_vectors]
        skipped = [item for _, _, own_skipped in pieces for item in own_skipped]
        if not rows:
            raise ClipbioError(f"split '{self.name}': none of its {len(self.expected)} images could be read")
        rows_N = np.concatenate(rows)
        seen = np.sort(np.concatenate([rows_N, np.array([row for row, _ in skipped], dtype=np.int64)]))
        if not np.array_equal(seen, np.sort(self.expected)):
            raise ClipbioError(
                f"split '{self.name}': {len(seen)} rows were evaluated, {len(self.expected)} distinct ones were due"
            )
        if len(skipped) > self.max_skipped_share * len(self.expected):
            first = skipped[0][1]
            raise ClipbioError(
                f"split '{self.name}': {len(skipped)} of {len(self.expected)} images cannot be read, more than "
                f"data.max_skipped_share={self.max_skipped_share}; the first one {first.id}: {first.reason}"
            )
        order = np.argsort(rows_N)
        reasons = {item.id: item.reason for _, item in skipped}
        return rows_N[order], torch.from_numpy(np.concatenate(vectors)[order]), reasons


@torch.inference_mode()
def embed(
    encode: Callable[[Tensor], Tensor],
    batches: Iterable[EvaluationBatch],
    collector: Collector,
    *,
    device: torch.device,
) -> Collector:
    """Encode all batches of a split into its collector."""
    for batch in batches:
        vectors = encode(batch["image"].to(device)) if len(batch["rows_B"]) else None
        collector.add(batch, vectors)
    return collector
