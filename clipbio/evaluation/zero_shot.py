"""Zero-shot classification: the image goes to the class whose text it is nearest to."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import Candidates, SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import (
    SCORE_TOLERANCE,
    Interval,
    bootstrap_interval,
    macro_mean,
    percentiles,
    permuted_accuracy,
    stratified_interval,
)
from clipbio.evaluation.prompts import PromptStyle, class_prototypes, class_texts
from clipbio.evaluation.top_k import top_k
from clipbio.seeding import derive_seed
from clipbio.text import MissingRanks

__all__ = ["ZeroShot", "ZeroShotDetail"]

logger = logging.getLogger(__name__)

TOP = 5
_CANDIDATES = ("split", "all", "both")


@dataclass(frozen=True)
class ZeroShotDetail:
    """Every answer of one split and text type; class numbers index `candidates`.

    `predicted_N` is -1 where the best answer is not unique: that counts as wrong, as `rank_N` (0 is right) does.
    """

    split: str
    text_type: str
    candidates: Candidates
    ids: tuple[str, ...]
    class_N: Tensor
    rank_N: Tensor
    predicted_N: Tensor
    target_score_N: Tensor
    top_NK: Tensor
    top_score_NK: Tensor
    fallbacks: int

    @property
    def correct_N(self) -> Tensor:
        """Tell which images were placed in their class."""
        return self.rank_N == 0


def _answers(images_ND: Tensor, target_N: Tensor, prototypes_CD: Tensor) -> dict[str, Tensor]:
    """Return rank of the target, prediction and best scores of each image, as `ZeroShotDetail` names them."""
    found = top_k(images_ND, prototypes_CD, TOP, target_N=target_N)
    top_NK, score_NK = found.top_NK, found.top_score_NK
    is_unique_N = top_NK[:, 0] == 0 if top_NK.shape[1] == 1 else score_NK[:, 1] < score_NK[:, 0] - SCORE_TOLERANCE
    assert found.rank_N is not None
    assert found.target_score_N is not None
    return {
        "rank_N": found.rank_N,
        "predicted_N": torch.where(is_unique_N, top_NK[:, 0], -1),
        "target_score_N": found.target_score_N,
        "top_NK": top_NK,
        "top_score_NK": score_NK,
    }


def _single(detail: ZeroShotDetail, k: int) -> Answers:
    """Return which images have their class among the first k."""
    names = detail.candidates.names
    species = tuple(names[number] for number in detail.class_N.tolist())
    value_N = (detail.rank_N < k).double().numpy()
    return Answers("zero_shot", detail.split, detail.text_type, f"top{k}", detail.ids, value_N, species)


def _share(details: Sequence[ZeroShotDetail]) -> NDArray[np.float64]:
    """Return per image the share of text types with which it was placed right."""
    return torch.stack([detail.correct_N for detail in details]).double().mean(dim=0).numpy()


class ZeroShot:
    """Zero-shot classification with each text type.

    Figures under `zero_shot/SPLIT/TYPE`: `top1`, `top5`, `macro_top1` with 95 % bootstrap intervals over images (macro:
    redrawn within each class; its `n` is the number of classes), and the count of classes that lack the text type as
    `fallbacks`. With fewer than five classes `top5` is 1, as is its `chance`. `zero_shot/SPLIT/mean/top1` is the mean
    over the text types. `zero_shot/SPLIT/TYPE_permuted/top1` is the control: the mean and the 95 % range over random
    assignments of the texts to the classes.

    Args:
        text_types: the text types to name the classes with.
        template: name of a template set (`photo`, `openai_80`, `bioclip_81` ...), one template, or a list.
        splits: the splits to run on; None is all that are evaluated.
        candidates: `split` = classes of the split, `all` = classes of the whole table (`SPLIT@all`), or `both`.
        permutations: random assignments in the control, 0 for none.
        bootstrap: resamples of the intervals, 0 for none.
        missing_ranks: what taxonomic text does with a missing rank.
        sentences: average over the sentences of a description instead of over whole descriptions.
        seed: seed of intervals and control.
    """

    def __init__(
        self,
        text_types: Sequence[str] = ("common", "taxonomic_common", "description"),
        template: str | Sequence[str] = "photo",
        *,
        splits: Sequence[str] | None = None,
        candidates: Literal["split", "all", "both"] = "split",
        permutations: int = 0,
        bootstrap: int = 1000,
        missing_ranks: MissingRanks = "skip",
        sentences: bool = False,
        seed: int = 0,
    ) -> None:
        if not text_types:
            raise ClipbioError("benchmark zero_shot: text_types is empty; name at least one text type")
        check_choices("zero_shot", "candidates", [candidates], _CANDIDATES)
        self.styles = [
            PromptStyle(text_type, template, missing_ranks, sentences) for text_type in dict.fromkeys(text_types)
        ]
        self.splits = None if splits is None else tuple(splits)
        self.candidates = candidates
        self.permutations = permutations
        self.bootstrap = bootstrap
        self.seed = seed

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Classify the images of one split with every text type."""
        details = [detail for style in self.styles for detail in self._details(data, style, encode_text)]
        figures = [figure for detail in details for figure in self._figures(detail)]
        answers = [_single(detail, k) for detail in details for k in (1, TOP)]
        for split in dict.fromkeys(detail.split for detail in details):
            found = [detail for detail in details if detail.split == split]
            figures.append(self._mean(found))
            answers.append(replace(_single(found[0], 1), variant="mean", value_N=_share(found)))
        return Result(flatten(figures), tuple(details), tuple(answers))

    def _lists(self, data: SplitData) -> dict[str, Candidates]:
        lists = {} if self.candidates == "all" else {data.split: data.classes}
        if self.candidates != "split" and data.wider is not None:
            lists[f"{data.split}@all"] = data.wider
        if self.candidates != "split" and data.wider is None:
            logger.warning("zero_shot: the classes of the whole table are not known, no %s@all", data.split)
        return lists

    def _details(self, data: SplitData, style: PromptStyle, encode_text: EncodeText) -> Iterator[ZeroShotDetail]:
        lists = self._lists(data)
        if not lists or not len(data.images):
            if not len(data.images):
                logger.warning("zero_shot: split %s has no images", data.split)
            return
        # The wider list holds the classes of the split with the same texts: each text is encoded once.
        widest = max(lists.values(), key=len)
        texts = class_texts(widest, style)
        prototypes = class_prototypes(texts, encode_text)
        for split, candidates in lists.items():
            rows = widest.positions(candidates)
            target_N = candidates.positions(data.classes)[data.images.class_N]
            yield ZeroShotDetail(
                split=split,
                text_type=style.text_type,
                candidates=candidates,
                ids=data.images.ids,
                class_N=target_N,
                fallbacks=int(texts.fallback_C[rows].sum()),
                **_answers(data.images.vectors_ND, target_N, prototypes[rows]),
            )

    def _figures(self, detail: ZeroShotDetail) -> Iterator[Figure]:
        """Yield the figures of one split and text type."""
        path = ("zero_shot", detail.split, detail.text_type)
        classes = len(detail.candidates)
        class_N, rank_N = detail.class_N.numpy(), detail.rank_N.numpy()
        for k in (1, TOP):
            correct, metric = rank_N < k, f"top{k}"
            value, chance = float(correct.mean()), min(k, classes) / classes
            interval = self._interval(correct, *path, metric)
            yield Figure.measured(path, metric, value=value, interval=interval, n=len(correct), chance=chance)
        macro, num_present = macro_mean(rank_N == 0, class_N), len(np.unique(class_N))
        interval = self._interval(rank_N == 0, *path, "macro_top1", class_N=class_N)
        yield Figure.measured(path, "macro_top1", value=macro, interval=interval, n=num_present, chance=1 / classes)
        yield Figure(*path, "fallbacks", detail.fallbacks)
        if self.permutations:
            yield from self._control(detail)

    def _control(self, detail: ZeroShotDetail) -> Iterator[Figure]:
        """Yield the accuracy with the texts permuted among the classes."""
        path = ("zero_shot", detail.split, f"{detail.text_type}_permuted")
        accuracies = permuted_accuracy(
            detail.predicted_N.numpy(),
            detail.class_N.numpy(),
            num_classes=len(detail.candidates),
            permutations=self.permutations,
            seed=derive_seed("permutations", *path, self.seed),
        )
        value, interval = float(accuracies.mean()), percentiles(accuracies)
        chance = 1 / len(detail.candidates)
        yield Figure.measured(path, "top1", value=value, interval=interval, n=len(detail.ids), chance=chance)
        yield Figure(*path, "permutations", self.permutations)

    def _mean(self, details: list[ZeroShotDetail]) -> Figure:
        """Return the mean over text types."""
        path = ("zero_shot", details[0].split, "mean")
        share_N = _share(details)
        interval = self._interval(share_N, *path, "top1")
        chance = 1 / len(details[0].candidates)
        return Figure.measured(
            path, "top1", value=float(share_N.mean()), interval=interval, n=len(share_N), chance=chance
        )

    def _interval(
        self, values_N: NDArray[Any], *path: str, class_N: NDArray[np.int64] | None = None
    ) -> Interval | None:
        """Return the interval of a mean, or of a macro mean where classes are given; None if intervals are off."""
        if not self.bootstrap:
            return None
        seed = derive_seed("bootstrap", *path, self.seed)
        if class_N is None:
            return bootstrap_interval(values_N, seed=seed, resamples=self.bootstrap)
        return stratified_interval(values_N, class_N, seed=seed, resamples=self.bootstrap)
