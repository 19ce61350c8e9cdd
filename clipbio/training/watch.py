"""Warnings in plain words about training that is known to go wrong."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from clipbio.errors import ClipbioError

__all__ = ["Reading", "Watch"]


@dataclass(frozen=True)
class Reading:
    """What was measured at one logged step, over the global batch.

    Args:
        step: Optimiser steps done.
        loss: Loss of the step.
        rows: Number of rows that have each modality.
        chance: Loss of a model that cannot tell the rows apart; None where the loss has no such value.
        negatives: Whether rows with the same text are trained as each other's negatives.
        duplicate_texts: Share of the rows whose text comes again in the batch.
        distinct_texts: Number of texts in the batch.
        scale: Inverse temperature; None where there is none.
        max_scale: Its upper bound.
        ranks: Effective rank of the embeddings of each modality.
    """

    step: int
    loss: float
    rows: Mapping[str, int] = field(default_factory=dict)
    chance: float | None = None
    negatives: bool = False
    duplicate_texts: float = 0.0
    distinct_texts: int = 0
    scale: float | None = None
    max_scale: float = math.inf
    ranks: Mapping[str, float] = field(default_factory=dict)


class Watch:
    """Tell what is wrong, each thing once in a run.

    What needs time to show (a loss that does not fall, collapsed embeddings) is judged from `grace` steps after the
    warm-up on, and only when the last `window` logged steps all show it.

    Args:
        grace: Steps after the warm-up.
        window: Number of logged steps.
        stuck: Share of chance level, log(batch), above which the loss counts as stuck.
        flat: Least share of its first value that the loss must have lost.
        collapsed: Effective rank below which embeddings count as collapsed; 1 is all the same.
        duplicates: Share of rows with a repeated text above which targets that make them negatives are a mistake.
    """

    def __init__(
        self,
        *,
        grace: int = 200,
        window: int = 5,
        stuck: float = 0.98,
        flat: float = 0.02,
        collapsed: float = 1.5,
        duplicates: float = 0.5,
    ) -> None:
        if grace < 0 or window < 1:
            raise ClipbioError(f"monitors.watch: grace={grace} must be 0 or more, window={window} 1 or more")
        for name, share in (("stuck", stuck), ("flat", flat), ("duplicates", duplicates)):
            if not 0.0 <= share <= 1.0:
                raise ClipbioError(f"monitors.watch.{name}={share} must be a share between 0 and 1")
        if collapsed < 1.0:
            raise ClipbioError(f"monitors.watch.collapsed={collapsed} must be at least 1, the rank of equal vectors")
        self.grace, self.window = grace, window
        self.stuck, self.flat, self.collapsed, self.duplicates = stuck, flat, collapsed, duplicates
        self._judged_from = grace
        self._first: list[Reading] | None = []
        self._recent: deque[Reading] = deque(maxlen=window)
        self._told: set[str] = set()

    def begin(self, *, warmup: int, fresh: bool) -> Watch:
        """Return a watch with the same thresholds for a run that starts, or (not `fresh`) is continued."""
        watch = copy.copy(self)
        watch._judged_from = warmup + self.grace
        watch._first = [] if fresh else None
        watch._recent = deque(maxlen=self.window)
        watch._told = set()
        return watch

    def state(self) -> dict[str, Any]:
        """Return what was seen and told, as plain containers."""
        first = None if self._first is None else [asdict(one) for one in self._first]
        return {"first": first, "recent": [asdict(one) for one in self._recent], "told": sorted(self._told)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what a watch with the same thresholds saw and told."""
        self._first = None if state["first"] is None else [Reading(**one) for one in state["first"]]
        self._recent = deque((Reading(**one) for one in state["recent"]), maxlen=self.window)
        self._told = set(state["told"])

    def read(self, reading: Reading) -> list[str]:
        """Take note of a reading and return what has to be said now."""
        self._recent.append(reading)
        if self._first is not None and len(self._first) < self.window:
            self._first.append(reading)
        new = [(kind, text) for kind, text in self._symptoms() if kind not in self._told]
        self._told |= {kind for kind, _ in new}
        return [text for _, text in new]

    def _symptoms(self) -> Iterator[tuple[str, str]]:
        now = self._recent[-1]
        if not math.isfinite(now.loss):
            yield (
                "finite",
                (
                    f"the loss is {now.loss} at step {now.step}: nothing is learned from here on. Lower optim.lr, set "
                    "trainer.gradient_clip_val=1, and take bf16 or 32 bit instead of fp16"
                ),
            )
            return
        if len(self._recent) < self.window:
            return
        yield from self._duplicates(now)
        yield from self._temperature(now)
        if now.step >= self._judged_from:
            yield from self._ranks(now)
            yield from self._loss(now)

    def _duplicates(self, now: Reading) -> Iterator[tuple[str, str]]:
        if now.negatives and all(one.duplicate_texts > self.duplicates for one in self._recent):
            message = (
                f"{now.duplicate_texts:.0%} of the rows of a batch share their text with another row, and the loss "
                "trains them as each other's negatives: take loss=infonce loss.targets=taxon"
            )
            yield "duplicates", message

    def _temperature(self, now: Reading) -> Iterator[tuple[str, str]]:
        first = self._first[0] if self._first else None
        # Pretrained models often start at the bound, where CLIP's own training ends.
        if first is not None and not _at_bound(first) and all(_at_bound(one) for one in self._recent):
            message = (
                f"the inverse temperature has risen to its bound loss.max_scale={now.max_scale:g} and stays there: the "
                "batch is too easy or is being memorised. Look at the validation; a larger data.batch_size gives "
                "harder negatives, loss.max_scale a higher bound"
            )
            yield "temperature", message

    def _ranks(self, now: Reading) -> Iterator[tuple[str, str]]:
        # Few texts cannot fill many dimensions, and that is no collapse.
        if any(one.distinct_texts < 2 * self.collapsed for one in self._recent):
            return
        for modality, rank in now.ranks.items():
            if all(one.ranks.get(modality, math.nan) < self.collapsed for one in self._recent):
                message = (
                    f"the {modality} embeddings of a batch are nearly all the same (effective rank {rank:.2f}): they "
                    "have collapsed. Lower optim.lr or lengthen optim.warmup, and check that the inputs differ"
                )
                yield f"rank/{modality}", message

    def _loss(self, now: Reading) -> Iterator[tuple[str, str]]:
        if now.chance is not None and all(self._is_stuck(one) for one in self._recent):
            message = (
                f"after {now.step} steps the loss is {now.loss:.3f}, and {now.chance:.3f} = log(batch) is what "
                "guessing gives: the model does not tell the rows of a batch apart. Check optim.lr (too high or low), "
                "that images and texts belong together, and that something is trained"
            )
            yield "loss", message
        elif self._first and _mean(self._recent) > (1 - self.flat) * _mean(self._first):
            message = (
                f"after {now.step} steps the loss is {_mean(self._recent):.4g}, and it began at "
                f"{_mean(self._first):.4g}: nothing is being learned. Check optim.lr and that something is trained"
            )
            yield "loss", message

    def _is_stuck(self, reading: Reading) -> bool:
        return reading.chance is not None and reading.loss >= self.stuck * reading.chance


def _at_bound(reading: Reading) -> bool:
    return reading.scale is not None and reading.scale >= 0.999 * reading.max_scale


def _mean(readings: deque[Reading] | list[Reading]) -> float:
    return sum(one.loss for one in readings) / len(readings)
