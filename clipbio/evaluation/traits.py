"""Traits: which of many properties an image shows, read off its vector.

Shape suffixes: M train images, N test images, D dimensions, L traits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from clipbio.errors import ClipbioError, closest
from clipbio.evaluation.annotated import Annotated, LearntTask, annotated_images, learnt_from, note, yes_or_no
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.metrics import FloatArray, bootstrap_interval, chance_average_precision, percentiles
from clipbio.evaluation.traits_figures import f1_scores, precisions, resampled_f1, resampled_precision
from clipbio.evaluation.traits_heads import held_out, one_vs_rest, published_head
from clipbio.seeding import derive_seed
from clipbio.taxonomy import class_name
from clipbio.text import Named

__all__ = ["Traits", "TraitsDetail"]

logger = logging.getLogger(__name__)

BoolArray = NDArray[np.bool_]

RUNS = 3
_THRESHOLD = 0.5


@dataclass(frozen=True)
class TraitsDetail:
    """F1, average precision and share of images of each trait, for the report."""

    task: str
    split: str
    names: tuple[str, ...]
    f1_L: FloatArray
    precision_L: FloatArray
    share_L: FloatArray


@dataclass(frozen=True)
class TraitImages:
    """Images whose traits are all known."""

    images: Annotated
    row_N: NDArray[np.int64]
    trait_NL: BoolArray

    @property
    def vectors_ND(self) -> torch.Tensor:
        """Return their unit vectors."""
        return self.images.vectors_ND[torch.from_numpy(self.row_N)]

    @property
    def species(self) -> list[str]:
        """Name their classes."""
        chosen = (self.images.named[row] for row in self.row_N)
        return [class_name(one.taxon, one.label) for one in chosen]

    @property
    def ids(self) -> tuple[str, ...]:
        """Return their ids."""
        return tuple(self.images.ids[row] for row in self.row_N)

    @property
    def left_out(self) -> int:
        """Count the images without traits, or with some that are not known."""
        return self.images.left_out + len(self.images) - len(self.row_N)


class Traits(LearntTask):
    """Several traits of each image at once, such as those of FishNet (9) and AwA2 (85).

    The metadata of a record hold `traits`, a mapping of each name to 1 or 0. They are learnt from the split `train`.

    The own form fits one logistic regression per trait. C is chosen on a fifth of the train images; on a fifth of the
    train species where none of the judged species is in train, as in AwA2. A trait is said to be there from a
    probability of 0.5 on.

    With `protocol=bioclip_v2` the head is the published one (`traits_heads.published_head`), trained three times, and
    both of its quirks are kept. A trait is said to be there where the *logit* is above 0.5, which is a probability of
    0.62. And `macro_f1` is the mean over the first two traits of the table alone: the code passes `labels=[0, 1]`, by
    which scikit-learn selects columns. `f1_columns` names these two. One thing cannot be kept: the published code
    reads vectors as the encoder gives them, and here they have unit length.

    Figures under `traits/SPLIT/all`: `all_right`, the share of images with every trait right (FishNet's published
    figure), `macro_f1` over traits (that of AwA2), `micro_f1`, `mAP`; intervals are over images, and the n of a mean
    over traits counts these. Traits that no judged image has are left out of means over traits. Under the protocol:
    `all_right`, `macro_f1`, and their standard deviations over the three runs. `unlabelled` counts images left out.

    Args:
        train: the split that is learnt from.
        lr: learning rate of the published head; AwA2 is published with 1e-5.
        f1_columns: the two traits of the published `macro_f1`; None is the first two by name.
        protocol: `clipbio`, or `bioclip_v2` as published.
        splits: the splits to judge; None is all that are evaluated but `train`.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of the fifth, of the head and of intervals.
    """

    def __init__(
        self,
        *,
        train: str = "train",
        lr: float = 1e-4,
        f1_columns: Sequence[str] | None = None,
        protocol: Literal["clipbio", "bioclip_v2"] = "clipbio",
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__("traits", train=train, protocol=protocol, splits=splits, bootstrap=bootstrap, seed=seed)
        if lr <= 0:
            raise ClipbioError(f"benchmark traits: lr={lr}; give a number above 0, such as 1e-4")
        self.lr = lr
        self.f1_columns = f1_columns

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Learn the traits and judge them; texts are not asked for."""
        del encode_text
        images = annotated_images(learnt_from(data, self.train, "traits"), "traits", "traits")
        names = sorted({name for named in images.named for name in _traits_of(named)})
        train = _with_traits(images, names)
        result = Result()
        for split in evaluated:
            if split != self.train:
                test = _with_traits(annotated_images(data[split], "traits", "traits"), names)
                result += (self._published if self.published else self._own)(train, test, names)
        return result

    def _own(self, train: TraitImages, test: TraitImages, names: Sequence[str]) -> Result:
        """Judge one logistic regression per trait."""
        same = set(train.species) & set(test.species)
        held_M = held_out(train.species if not same else list(train.ids), seed=self.seed)
        score_NL = one_vs_rest(train.vectors_ND.numpy(), train.trait_NL, held_M, test.vectors_ND.numpy())
        predicted_NL, trait_NL = score_NL >= _THRESHOLD, test.trait_NL
        path = (self.task, test.images.split, "all")
        right_N = np.asarray((predicted_NL == trait_NL).all(axis=1), np.float64)
        figures = [self._all_right(path, right_N)]
        shown_L = trait_NL.any(axis=0)
        if shown_L.any():
            figures += self._over_traits(path, score_NL[:, shown_L], predicted_NL, trait_NL)
        else:
            logger.warning("traits: no image of split %s has any trait: no F1, no mAP", test.images.split)
        figures += [Figure(*path, "traits", len(names)), Figure(*path, "unlabelled", test.left_out)]
        f1_L, precision_L = f1_scores(predicted_NL, trait_NL), precisions(score_NL, trait_NL)
        detail = TraitsDetail(self.task, test.images.split, tuple(names), f1_L, precision_L, trait_NL.mean(axis=0))
        return Result(flatten(figures), (detail,), (_answers(path, right_N, test),))

    def _over_traits(
        self, path: tuple[str, str, str], score_NS: FloatArray, predicted_NL: BoolArray, trait_NL: BoolArray
    ) -> Iterator[Figure]:
        """Yield F1 and average precision; scores are of the traits that some image has."""
        shown_L = trait_NL.any(axis=0)
        there_NS, said_NS = trait_NL[:, shown_L], predicted_NL[:, shown_L]
        count, traits = trait_NL.shape[0], there_NS.shape[1]
        draws: dict[str, FloatArray] = {}
        if self.bootstrap:
            seed, resamples = derive_seed("bootstrap", *path, self.seed), self.bootstrap
            draws["macro_f1"] = resampled_f1(said_NS, there_NS, seed=seed, resamples=resamples)[0]
            draws["micro_f1"] = resampled_f1(predicted_NL, trait_NL, seed=seed, resamples=resamples)[1]
            draws["mAP"] = resampled_precision(score_NS, there_NS, seed=seed, resamples=resamples)
        known = {name: values[np.isfinite(values)] for name, values in draws.items()}
        intervals = {name: percentiles(values) for name, values in known.items() if len(values)}
        micro = float(f1_scores(predicted_NL.reshape(-1, 1), trait_NL.reshape(-1, 1))[0])
        macro, precision = float(f1_scores(said_NS, there_NS).mean()), float(precisions(score_NS, there_NS).mean())
        chance = chance_average_precision(there_NS.sum(axis=0), count)
        yield Figure.measured(path, "macro_f1", value=macro, interval=intervals.get("macro_f1"), n=traits)
        yield Figure.measured(path, "micro_f1", value=micro, interval=intervals.get("micro_f1"), n=count)
        yield Figure.measured(path, "mAP", value=precision, interval=intervals.get("mAP"), n=traits, chance=chance)

    def _all_right(self, path: tuple[str, str, str], right_N: FloatArray) -> Figure:
        interval = None
        if self.bootstrap:
            seed = derive_seed("bootstrap", *path, "all_right", self.seed)
            interval = bootstrap_interval(right_N, seed=seed, resamples=self.bootstrap)
        return Figure.measured(path, "all_right", value=float(right_N.mean()), interval=interval, n=len(right_N))

    def _published(self, train: TraitImages, test: TraitImages, names: Sequence[str]) -> Result:
        """Judge the published head with both quirks."""
        columns = self._columns(names)
        data = (train.vectors_ND, torch.from_numpy(train.trait_NL), test.vectors_ND)
        runs = [published_head(*data, lr=self.lr, seed=self.seed + run) > _THRESHOLD for run in range(RUNS)]
        path, trait_NL = (self.task, test.images.split, "all"), test.trait_NL
        right_RN = np.array([(predicted == trait_NL).all(axis=1) for predicted in runs], np.float64)
        pairs = [(predicted[:, columns], trait_NL[:, columns]) for predicted in runs]
        f1_R = [float(f1_scores(*pair).mean()) for pair in pairs]
        interval = None
        if self.bootstrap:
            seed = derive_seed("bootstrap", *path, self.seed)
            draws = [resampled_f1(*pair, seed=seed, resamples=self.bootstrap, absent=True)[0] for pair in pairs]
            interval = percentiles(np.mean(draws, axis=0))
        macro, n = float(np.mean(f1_R)), len(columns)
        figures = [
            self._all_right(path, right_RN.mean(axis=0)),
            Figure.measured(path, "macro_f1", value=macro, interval=interval, n=n),
            Figure(*path, "all_right_std", float(right_RN.mean(axis=1).std())),
            Figure(*path, "macro_f1_std", float(np.std(f1_R))),
            Figure(*path, "unlabelled", test.left_out),
        ]
        return Result(flatten(figures), (), (_answers(path, right_RN.mean(axis=0), test),))

    def _columns(self, names: Sequence[str]) -> list[int]:
        for name in self.f1_columns or ():
            if name not in names:
                told = f"{closest(name, names)}; there are {len(names)} traits, among them {', '.join(names[:3])}"
                raise ClipbioError(f"benchmark traits: f1_columns names no trait '{name}'{told}")
        return [names.index(name) for name in self.f1_columns or names[:2]]


def _with_traits(images: Annotated, names: Sequence[str]) -> TraitImages:
    """Return the images whose traits are all known.

    Raises:
        ClipbioError: There are none.
    """
    flags = [[yes_or_no(_traits_of(named).get(name)) for name in names] for named in images.named]
    rows = [row for row, one in enumerate(flags) if None not in one]
    if not rows or not names:
        lacking = next((name for name, value in zip(names, flags[0], strict=True) if value is None), "any")
        raise ClipbioError(
            f"benchmark traits: no image of split '{images.split}' has all {len(names)} traits as 0 or 1: the first, "
            f"{images.ids[0]}, lacks {lacking}; correct the metadata, or leave the benchmark out"
        )
    return TraitImages(images, np.array(rows, np.int64), np.array([flags[row] for row in rows], bool))


def _answers(path: tuple[str, str, str], right_N: FloatArray, test: TraitImages) -> Answers:
    return Answers(*path, "all_right", test.ids, right_N, tuple(test.species))


def _traits_of(named: Named) -> Mapping[str, object]:
    values = note(named, "traits")
    return values if isinstance(values, Mapping) else {}
