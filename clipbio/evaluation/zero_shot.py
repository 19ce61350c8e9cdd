"""Zero-shot classification: the image goes to the class whose text it is nearest to.

Shape suffixes: N images, C classes, D dimensions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import Candidates, SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.prompts import ClassVectors, PromptStyle, class_vectors, prompt_sets
from clipbio.evaluation.protocols import OWN, task_name
from clipbio.evaluation.zero_shot_answers import TOP, ZeroShotDetail, ZeroShotFigures, answers_at, judged
from clipbio.evaluation.zero_shot_bioclip import TOPS, published_answers, published_types
from clipbio.evaluation.zero_shot_lists import ClassList, check_candidates, class_lists
from clipbio.taxonomy import RANKS
from clipbio.text import MissingRanks

__all__ = ["ZeroShot", "ZeroShotDetail"]

logger = logging.getLogger(__name__)

ENSEMBLE = "ensemble"


class ZeroShot:
    """Zero-shot classification with each text type.

    Figures under `zero_shot/SPLIT/TYPE`: `top1`, `top5`, `macro_top1` with 95 % bootstrap intervals over images (macro:
    redrawn within each class; its `n` is the number of classes), and the count of classes that lack the text type as
    `fallbacks`. With fewer than five classes `top5` is 1, as is its `chance`. `zero_shot/SPLIT/mean/top1` is the mean
    over the text types. `zero_shot/SPLIT/TYPE_permuted/top1` is the control: the mean and the 95 % range over random
    assignments of the texts to the classes. At a rank `TYPE/genus/top1` is the best class mapped to its genus, and
    `TYPE/genus/summed_top1` the genus with the largest sum of softmax probabilities, as pybioclip answers.

    Published forms, as `zero_shot_PROTOCOL/SPLIT/TYPE` with `top1`, `top3`, `top5`: both take the unique class strings
    of the split for classes (`label` is their `asis`), 81 templates, and the first of equal scores. `bioclip_v1` also
    takes a given `class_idx` for the target while names stand in order of first appearance, which mislabels silently
    (here counted as `mislabelled`); `bioclip_v2` does not. Templates, candidates, ranks, ensemble and control are those
    of the own form alone.

    Args:
        text_types: the text types to name the classes with.
        template: name of a template set (`photo`, `openai_80`, `bioclip_81` ...), one template, a list of templates, or
            a list of names of sets to compare side by side (`TYPE@SET`).
        splits: the splits to run on; None is all that are evaluated.
        candidates: `split` = classes of the split, `all` = classes of the whole table (`SPLIT@all`), `both`, or a table
            of taxa (`SPLIT@STEM`): images whose class is not listed are not judged but counted as `outside`.
        ensemble: also average the class vectors of the text types, as `ensemble`.
        ranks: ranks to which answers are rolled up; images without a taxon there are not judged at it.
        scale: inverse temperature of the softmax whose probabilities are summed.
        permutations: random assignments in the control, 0 for none.
        bootstrap: resamples of the intervals, 0 for none.
        missing_ranks: what taxonomic text does with a missing rank.
        sentences: average over the sentences of a description instead of over whole descriptions.
        protocol: clipbio, bioclip_v1 or bioclip_v2.
        seed: seed of intervals and control.
    """

    PROTOCOLS = ("bioclip_v1", "bioclip_v2")

    def __init__(
        self,
        text_types: Sequence[str] = ("common", "taxonomic_common", "description"),
        template: str | Sequence[str] = "photo",
        *,
        splits: Sequence[str] | None = None,
        candidates: str = "split",
        ensemble: bool = False,
        ranks: Sequence[str] = (),
        scale: float = 100.0,
        permutations: int = 0,
        bootstrap: int = 1000,
        missing_ranks: MissingRanks = "skip",
        sentences: bool = False,
        protocol: str = OWN,
        seed: int = 0,
    ) -> None:
        if not text_types:
            raise ClipbioError("benchmark zero_shot: text_types is empty; name at least one text type")
        check_choices("zero_shot", "protocol", [protocol], (OWN, *self.PROTOCOLS))
        check_candidates(candidates)
        if ranks:
            check_choices("zero_shot", "ranks", ranks, RANKS)
        if scale <= 0:
            raise ClipbioError(f"benchmark zero_shot: scale={scale}; give a number above 0, such as 100")
        self.task = task_name("zero_shot", protocol)
        self.text_types = tuple(dict.fromkeys(text_types))
        self.sets = prompt_sets(template)
        self.styles = [
            PromptStyle(text_type, one, missing_ranks, sentences)
            for one in self.sets.values()
            for text_type in self.text_types
        ]
        if protocol != OWN:
            self.text_types = published_types(self.text_types, protocol)
        self.splits = None if splits is None else tuple(splits)
        self.candidates, self.ensemble, self.protocol = candidates, ensemble, protocol
        self.ranks, self.scale = tuple(dict.fromkeys(ranks)), scale
        self.missing_ranks = missing_ranks
        self.figures = ZeroShotFigures(self.task, permutations, bootstrap, seed)

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        """Classify the images of one split with every text type."""
        if not len(data.images):
            logger.warning("%s: split %s has no images", self.task, data.split)
            return Result()
        if self.protocol != OWN:
            return self._published(data, encode_text)
        details = [detail for variant in self._variants(data, encode_text) for detail in variant]
        figures = [figure for detail in details for figure in self.figures.of(detail)]
        answers = [self.figures.answers(detail, k) for detail in details for k in (1, TOP)]
        for split in dict.fromkeys(detail.split for detail in details):
            single = [one for one in details if one.split == split and not one.text_type.startswith(ENSEMBLE)]
            figure, answer = self.figures.mean(single)
            figures.append(figure)
            answers.append(answer)
        return Result(flatten(figures), tuple(details), tuple(answers))

    def _variants(self, data: SplitData, encode_text: EncodeText) -> Iterator[list[ZeroShotDetail]]:
        """Yield the answers with each text type, prompt set by prompt set, on each list of classes."""
        widest, lists = class_lists(data, self.candidates)
        lists = [one for one in lists if len(one.row_N)]
        if not lists:
            return
        for place, name in enumerate(self.sets):
            styles = self.styles[place * len(self.text_types) :][: len(self.text_types)]
            suffix = f"@{name}" if len(self.sets) > 1 else ""
            together: ClassVectors | None = None
            for style in styles:
                # The wider list holds the classes of the split with the same texts: each text is encoded once.
                vectors = class_vectors(widest, style, encode_text)
                yield [self._detail(data, one, style.text_type + suffix, widest, vectors) for one in lists]
                if self.ensemble:
                    together = vectors if together is None else _added(together, vectors)
            if together is not None:
                mean = ClassVectors(functional.normalize(together.prototypes_CD, dim=-1), together.fallback_C)
                yield [self._detail(data, one, ENSEMBLE + suffix, widest, mean) for one in lists]

    def _detail(
        self, data: SplitData, classes: ClassList, variant: str, widest: Candidates, vectors: ClassVectors
    ) -> ZeroShotDetail:
        prototypes_CD, fallback_C = vectors
        if classes.candidates is not widest:
            row_C = widest.positions(classes.candidates)
            prototypes_CD, fallback_C = prototypes_CD[row_C], fallback_C[row_C]
        images_ND = data.images.vectors_ND
        if classes.outside:
            images_ND = images_ND[classes.row_N]
        found = judged(images_ND, classes.class_N, prototypes_CD)
        candidates, class_N = classes.candidates, classes.class_N
        at_rank = {
            rank: answers_at(rank, found, candidates, images_ND, class_N, prototypes_CD, self.scale)
            for rank in self.ranks
        }
        return ZeroShotDetail(
            split=classes.split,
            text_type=variant,
            candidates=candidates,
            ids=tuple(data.images.ids[row] for row in classes.row_N.tolist()),
            class_N=class_N,
            fallbacks=int(fallback_C.sum()),
            outside=classes.outside,
            at_rank={rank: answers for rank, answers in at_rank.items() if answers is not None},
            **found,
        )

    def _published(self, data: SplitData, encode_text: EncodeText) -> Result:
        figures: list[Figure] = []
        answers: list[Answers] = []
        for text_type in self.text_types:
            found = published_answers(
                data, text_type, encode_text, protocol=self.protocol, missing_ranks=self.missing_ranks
            )
            path, place_N = (self.task, data.split, text_type), found.place_N.numpy()
            for k in TOPS:
                chance = min(k, found.num_classes) / found.num_classes
                figures.append(self.figures.share(path, f"top{k}", place_N < k, chance=chance))
            if found.mislabelled is not None:
                figures.append(Figure(*path, "mislabelled", found.mislabelled))
            right_N = (found.place_N == 0).double().numpy()
            answers.append(Answers(*path, "top1", data.images.ids, right_N, found.names))
        return Result(flatten(figures), (), tuple(answers))


def _added(left: ClassVectors, right: ClassVectors) -> ClassVectors:
    # In place: those of half a million classes are more than a gigabyte.
    return ClassVectors(left.prototypes_CD.add_(right.prototypes_CD), left.fallback_C | right.fallback_C)
