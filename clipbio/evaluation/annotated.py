"""Images with what their records say beside names: tasks, traits, queries, kept in `Specimen.metadata`.

Shape suffixes: N images, D dimensions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from clipbio.errors import ClipbioError, closest
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.protocols import OWN, task_name
from clipbio.text import Named

__all__ = ["Annotated", "LearntTask", "annotated_images", "learnt_from", "note", "text_of", "yes_or_no"]

_TRUE, _FALSE = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")


def note(named: Named, key: str) -> Any:
    """Return what the metadata of a record says under a key, None if nothing."""
    return getattr(named, "metadata", {}).get(key)


def text_of(named: Named, key: str) -> str:
    """Return what the metadata says as text, empty if nothing."""
    value = note(named, key)
    return "" if value is None else str(value).strip()


def yes_or_no(value: object) -> bool | None:
    """Read yes or no in any of the forms of tables (1, "1", 1.0, true, yes); None if it is neither."""
    text = str(value).strip().lower()
    return True if text in _TRUE else False if text in _FALSE else None


@dataclass(frozen=True)
class Annotated:
    """The images of a split that have some metadata; `left_out` counts those that have not."""

    split: str
    ids: tuple[str, ...]
    named: tuple[Named, ...]
    vectors_ND: Tensor
    left_out: int

    def __len__(self) -> int:
        return len(self.ids)


def annotated_images(data: SplitData, key: str, benchmark: str) -> Annotated:
    """Return the images of a split whose metadata have a key, as unit vectors on the CPU.

    Raises:
        ClipbioError: There are none.
    """
    found = data.specimens
    pictured = [] if found is None or "image" not in found.vectors else found.present["image"].nonzero()[:, 0].tolist()
    rows = [row for row in pictured if found is not None and note(found.named[row], key) is not None]
    if found is None or not rows:
        raise ClipbioError(
            f"benchmark {benchmark}: none of the {len(pictured)} images of split '{data.split}' has '{key}' in its "
            "metadata: evaluate a data set that has it (docs/traits.md)"
        )
    vectors_ND = found.vectors["image"][torch.tensor(rows)].float().cpu()
    return Annotated(
        data.split,
        tuple(found.ids[row] for row in rows),
        tuple(found.named[row] for row in rows),
        functional.normalize(vectors_ND, dim=1),
        len(pictured) - len(rows),
    )


class LearntTask:
    """A benchmark that is learnt from one split and judged on others, in its own form or as published.

    Args:
        name: Name of the task.
        train: The split that is learnt from.
        protocol: `clipbio`, or one of `PROTOCOLS`.
        splits: The splits to judge; None is all that are evaluated but `train`.
        bootstrap: Resamples of the intervals, 0 for none.
        seed: Seed of all that is drawn.
    """

    PROTOCOLS: ClassVar[tuple[str, ...]] = ("bioclip_v2",)

    def __init__(
        self, name: str, *, train: str, protocol: str, splits: Sequence[str] | None, bootstrap: int, seed: int
    ) -> None:
        check_choices(name, "protocol", [protocol], (OWN, *self.PROTOCOLS))
        self.train = train
        self.task = task_name(name, protocol)
        self.published = protocol != OWN
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Name the split that is learnt from."""
        return (self.train,) if evaluated and self.train in available else ()


def learnt_from(data: Mapping[str, SplitData], train: str, benchmark: str) -> SplitData:
    """Return the split that is learnt from.

    Raises:
        ClipbioError: The data have no such split.
    """
    if train not in data:
        known = ", ".join(data)
        raise ClipbioError(
            f"benchmark {benchmark}: train='{train}' is none of the splits {known}{closest(train, data)}"
        )
    return data[train]
