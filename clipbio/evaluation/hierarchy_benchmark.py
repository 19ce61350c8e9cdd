"""How well a model knows the tree of life: answers at every rank, and the space in which they are given."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import flatten
from clipbio.evaluation.hierarchy import Judged, back_off_curve
from clipbio.evaluation.hierarchy_detail import HierarchyDetail, Pictures
from clipbio.evaluation.hierarchy_figures import (
    accuracy_figures,
    back_off_figures,
    calibration_figures,
    error_figures,
    frequency_figures,
    height_shares,
)
from clipbio.evaluation.hierarchy_space import (
    Distances,
    Sample,
    class_distances,
    correlation_figures,
    draw_rows,
    separability_figures,
)
from clipbio.evaluation.ledger import Ledger
from clipbio.evaluation.pools import UNSEEN_OF
from clipbio.evaluation.prompts import PromptStyle, class_prototypes, class_texts
from clipbio.evaluation.rank_answers import ClassTree, Placed, RankAnswers, answer_ranks, fit_temperature
from clipbio.evaluation.tree_correlation import centroids
from clipbio.seeding import derive_seed
from clipbio.taxonomy import RANKS, stable_hash
from clipbio.text import MissingRanks

__all__ = ["Hierarchy"]

logger = logging.getLogger(__name__)

VALIDATION = ("val", UNSEEN_OF["val"])
COLD = 0.01


class _Chosen(NamedTuple):
    """The temperature and the confidence at which answers back off."""

    temperature: float
    confidence: float


class _Split(NamedTuple):
    """A split with its tree, its images among its classes, and the texts of all taxa."""

    data: SplitData
    classes: ClassTree
    placed: Placed
    texts_MD: Tensor


class Hierarchy:
    """Zero-shot answers and the space of the images, rank by rank along the tree of the classes of a split.

    Ranks at which all classes agree have nothing to tell apart and no figures. Definitions and sources stand in
    docs/hierarchy.md. Figures:

    * `hierarchy/SPLIT/RANK`: `top1` and `macro_top1` of classes whose probabilities are summed up the tree, `text_top1`
      and `text_macro_top1` of taxa by a text of their own.
    * `hierarchy/SPLIT/all`: `distance` (height of the lowest common ancestor of answer and truth, in ranks) and
      `distance_wrong` of errors alone, `wrong_in_RANK`, `consistent`, `top_down_agrees`, `top_down_top1` and the same
      by texts. `hierarchy/SPLIT/back_off`: `right`, `depth`, `RANK/answered`.
    * `hierarchy_calibration/SPLIT/RANK`: `ece`, `ece_equal_mass`, `brier`, `nll`, mean `confidence`.
    * `hierarchy_frequency/SPLIT/{many,medium,few,none}`: `top1`, `macro_top1`.
    * `hierarchy_space/SPLIT/{image,text,image_to_text}`: `spearman`, `kendall`, `cophenetic`, `within_RANK`,
      `mantel_p`; `hierarchy_space/SPLIT/RANK`: `fisher`, `silhouette`, `purity`, `kin_purity`, `auroc`.

    Args:
        text_type: the text type of the classes and of the taxa above them.
        template: name of a template set, one template, or a list.
        ranks: the ranks of the figures; the tree has all seven.
        temperature: cosines are divided by it before the softmax; auto fits it on `val` and `val_unseen`, and is 0.01
            (the least that CLIP allows) without them.
        accuracy: the share of right answers that backing off has to reach on validation, as deep as it can be.
        confidence: at which confidence answers back off where there is no validation split.
        frequency: the split whose images are counted for many, medium and few; None for none.
        many: more images than these are many.
        few: fewer images than these are few.
        bins: bins of the calibration errors.
        sample: specimens that are drawn at most for pictures and separability.
        species: classes that are drawn at most for correlations.
        permutations: relabellings of the test of the correlation, 0 for none.
        pictures: `tsne`, `umap` (needs the extra `umap`) or `none`.
        splits: the splits to run on; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        missing_ranks: what taxonomic text does with a missing rank.
        seed: seed of draws, intervals and pictures.
    """

    def __init__(
        self,
        text_type: str = "taxonomic",
        template: str | Sequence[str] = "photo",
        ranks: Sequence[str] = RANKS,
        *,
        temperature: float | str = "auto",
        accuracy: float = 0.9,
        confidence: float = 0.8,
        frequency: str | None = "train",
        many: int = 100,
        few: int = 20,
        bins: int = 15,
        sample: int = 2000,
        species: int = 1000,
        permutations: int = 999,
        pictures: Pictures = "tsne",
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        missing_ranks: MissingRanks = "skip",
        seed: int = 0,
    ) -> None:
        check_choices("hierarchy", "ranks", ranks, RANKS)
        check_choices("hierarchy", "pictures", [pictures], ("tsne", "umap", "none"))
        if pictures == "umap" and find_spec("umap") is None:
            raise ClipbioError("benchmark hierarchy: pictures=umap needs umap-learn: pip install 'clipbio[umap]'")
        if temperature != "auto" and (isinstance(temperature, str) or temperature <= 0):
            raise ClipbioError(f"benchmark hierarchy: temperature={temperature}; give auto or a number above 0")
        for name, share in (("accuracy", accuracy), ("confidence", confidence)):
            if not 0 <= share <= 1:
                raise ClipbioError(f"benchmark hierarchy: {name}={share}; give a share between 0 and 1")
        if not 0 < few <= many:
            raise ClipbioError(f"benchmark hierarchy: few={few} and many={many}; give 0 < few <= many")
        if min(bins, sample, species) < 2:
            raise ClipbioError("benchmark hierarchy: bins, sample and species have to be at least 2")
        self.style = PromptStyle(text_type, template, missing_ranks)
        self.ranks = tuple(rank for rank in RANKS if rank in ranks)
        self.temperature = temperature
        self.accuracy, self.confidence = accuracy, confidence
        self.frequency, self.many, self.few = frequency, many, few
        self.bins, self.sample, self.species = bins, sample, species
        self.permutations = permutations
        self.pictures = pictures
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Name the validation splits, and the split whose images are counted."""
        wanted = (*VALIDATION, self.frequency)
        return tuple(name for name in wanted if name is not None and name in available and evaluated)

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Measure the evaluated splits, with what is chosen on validation."""
        chosen = self._choose([self._split(data[name], encode_text) for name in VALIDATION if _usable(data, name)])
        result = Result()
        for name in evaluated:
            if not _usable(data, name):
                logger.warning("hierarchy: split %s has no images or fewer than two classes", name)
                continue
            counted = data.get(self.frequency) if self.frequency else None
            result += self._measure(self._split(data[name], encode_text), chosen, counted)
        return result

    def _split(self, data: SplitData, encode_text: EncodeText) -> _Split:
        classes = ClassTree.of(data.classes)
        texts_MD = class_prototypes(class_texts(classes.taxa, self.style), encode_text)
        placed = Placed(data.images.vectors_ND.float().cpu(), data.images.class_N.cpu(), texts_MD[classes.node_C])
        return _Split(data, classes, placed, texts_MD)

    def _choose(self, validation: Sequence[_Split]) -> _Chosen:
        """Return the temperature and the confidence that fit the validation splits, or those of the settings."""
        if not validation:
            temperature = COLD if self.temperature == "auto" else float(self.temperature)
            logger.warning(
                "hierarchy: no validation split: temperature %g, back off below %g", temperature, self.confidence
            )
            return _Chosen(temperature, self.confidence)
        if self.temperature == "auto":
            temperature = fit_temperature(
                [one.placed for one in validation], seed=derive_seed("fit", self.seed) % 2**31
            )
        else:
            temperature = float(self.temperature)
        judged = [
            Judged.of(found.path_NR, found.path_confidence_NR, one.classes.node_CR[one.placed.class_N])
            for one in validation
            for found in [_answers(one, temperature)]
        ]
        joined = Judged(*(torch.cat(columns) for columns in zip(*judged, strict=True)))
        return _Chosen(temperature, back_off_curve(joined).choose(self.accuracy))

    def _measure(self, one: _Split, chosen: _Chosen, counted: SplitData | None) -> Result:
        data, classes = one.data, one.classes
        class_N = one.placed.class_N.numpy()
        ledger = Ledger(data.split, data.images.ids, class_N, data.classes.names, self.bootstrap, self.seed)
        ranks = tuple(rank for rank in self.ranks if classes.num_taxa_R[RANKS.index(rank)] > 1)
        answers = _answers(one, chosen.temperature)
        accuracy_figures(ledger, classes, answers, ranks)
        error_figures(ledger, classes, answers, ranks)
        ledger.note("hierarchy", "back_off", "confidence", min(chosen.confidence, 1.0))
        back_off_figures(ledger, classes, answers, ranks, confidence=chosen.confidence)
        bins = calibration_figures(ledger, classes, answers, ranks, bins=self.bins)
        ledger.note("hierarchy_calibration", "all", "temperature", chosen.temperature)
        count_C = None if counted is None else _counts(data, counted)
        if count_C is not None:
            frequency_figures(ledger, answers, count_C, many=self.many, few=self.few)
        distances = self._correlations(ledger, one, ranks)
        sample = self._sample(one)
        separability_figures(ledger, sample, ranks)
        right_N = (answers.class_N.numpy() == class_N).astype(np.float64)
        total_C = np.bincount(class_N, minlength=len(data.classes))
        found, lucky = height_shares(ledger, classes, answers)
        detail = HierarchyDetail(
            split=data.split,
            ranks=ranks,
            figures=tuple(ledger.figures),
            reliability=bins,
            found=found,
            lucky=lucky,
            accuracy_C=np.bincount(class_N, weights=right_N, minlength=len(total_C)) / np.maximum(1, total_C),
            count_C=count_C,
            many=self.many,
            few=self.few,
            distances=distances,
            sample=sample,
            taxa=tuple(taxon.name for taxon in classes.taxa),
            pictures=self.pictures,
            seed=self.seed,
        )
        return Result(flatten(ledger.figures), (detail,), tuple(ledger.answers))

    def _correlations(self, ledger: Ledger, one: _Split, ranks: Sequence[str]) -> tuple[Distances, ...]:
        rows = draw_rows(len(one.classes.candidates), self.species, "species", one.data.split, self.seed)
        node_CR = one.classes.node_CR[rows]
        images_CD = centroids(one.placed.images_ND, one.placed.class_N, len(one.classes.candidates))[rows]
        found = (
            correlation_figures(ledger, node_CR, form, distance_CC, ranks=ranks, permutations=self.permutations)
            for form, distance_CC in class_distances(images_CD, one.placed.prototypes_CD[rows]).items()
        )
        return tuple(distances for distances in found if distances is not None)

    def _sample(self, one: _Split) -> Sample:
        rows = draw_rows(len(one.data.images), self.sample, "specimens", one.data.split, self.seed)
        node_MR = one.classes.node_CR[one.placed.class_N[rows]].numpy()
        own_N = _individuals(one.data)
        vectors_MD = torch.nn.functional.normalize(one.placed.images_ND[rows], dim=1)
        return Sample(rows, vectors_MD, node_MR, own_N[rows])


def _usable(data: Mapping[str, SplitData], split: str) -> bool:
    return split in data and len(data[split].images) > 0 and len(data[split].classes) > 1


def _answers(one: _Split, temperature: float) -> RankAnswers:
    return answer_ranks(one.classes, one.placed, one.texts_MD, temperature=temperature)


def _counts(data: SplitData, counted: SplitData) -> NDArray[np.int64]:
    """Return how many images each class of a split has in the counted one."""
    number_K = torch.bincount(counted.images.class_N.cpu(), minlength=len(counted.classes)).tolist()
    place = counted.classes.index
    return np.array([number_K[place[one.key]] if one.key in place else 0 for one in data.classes], np.int64)


def _individuals(data: SplitData) -> NDArray[np.int64]:
    """Return the individual of each image; one whose group is not known is an individual by itself."""
    group = {}
    if data.specimens is not None:
        group = dict(zip(data.specimens.ids, data.specimens.group_N.tolist(), strict=True))
    own = [group.get(one, -1) for one in data.images.ids]
    return np.array(
        [
            number if number >= 0 else stable_hash("specimen", one)
            for number, one in zip(own, data.images.ids, strict=True)
        ]
    )
