"""BarcodeBERT's protocol on DNA embeddings, and the plain baselines beside it.

Source: Arias et al. 2023, arXiv:2311.02401: a linear probe of seen species; the nearest barcode of unseen species at
their genus (cosine, k = 1).

Shape suffix: Q queries.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from clipbio.errors import ClipbioError
from clipbio.evaluation.barcode_answers import Answers, Barcodes, nearest_answers, probe_answers
from clipbio.evaluation.barcode_search import kmer_vectors, nearest_by_alignment, nearest_by_kmers
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.neighbours import nearest_keys
from clipbio.evaluation.paired import Estimate, accuracy, compare
from clipbio.seeding import derive_seed
from clipbio.taxonomy import RANKS

__all__ = ["Barcode"]

logger = logging.getLogger(__name__)

SEEN, UNSEEN = ("val", "test"), ("val_unseen", "unseen")
KEYS = "train"


class Barcode:
    """BarcodeBERT's protocol: how good DNA embeddings are beside k-mer counts and alignment.

    Train barcodes are the keys. Of seen species (`val`, `test`) a linear probe tells the species. Barcodes of unseen
    species (`val_unseen`, `unseen`) take the taxa of the nearest key. Figures under `barcode/SPLIT/VARIANT`:
    `RANK/micro` and `RANK/macro` (mean over the true taxa) for the variants `embedding_probe`, `kmers_probe`,
    `embedding_1nn`, `kmers_1nn`, `alignment_1nn`, and paired differences as `embedding_minus_kmers_1nn` and so on. The
    95 % intervals redraw species, for macro the true taxa: barcodes of one species are right or wrong together.
    `RANK/left_out` counts queries whose taxon no key has, `barcodes/in_keys` is the share of queries whose very barcode
    is a key, `C` the strength that was chosen for a probe.

    Args:
        ranks: the ranks at which the nearest key is judged.
        shots: barcodes of each species for the probe; None is all.
        kmer: length of the k-mers (stride 1) of the baseline, at most 6.
        shortlist: how many keys are aligned with each query, those with the most similar k-mers; 0 for no alignment.
        splits: the splits to judge; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of intervals and of the probe's draw.
    """

    def __init__(
        self,
        *,
        ranks: Sequence[str] = ("genus", "family"),
        shots: int | None = 5,
        kmer: int = 5,
        shortlist: int = 50,
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choices("barcode", "ranks", ranks, RANKS)
        if shots is not None and shots < 1:
            raise ClipbioError(f"benchmark barcode: shots={shots}; give a number from 1 up, or null for all barcodes")
        # A vector has 4^kmer numbers: of 6 letters 16 kB for each distinct barcode.
        if not 1 <= kmer <= 6 or shortlist < 0:
            raise ClipbioError(f"benchmark barcode: kmer={kmer} must be 1 to 6, shortlist={shortlist} 0 or more")
        self.ranks, self.shots, self.kmer, self.shortlist = tuple(ranks), shots, kmer, shortlist
        self.splits = None if splits is None else tuple(splits)
        self.bootstrap = bootstrap
        self.seed = seed

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Ask for the train split, whose barcodes are the keys."""
        judged = [split for split in evaluated if split in (*SEEN, *UNSEEN)]
        return (KEYS,) if judged and KEYS in available else ()

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Judge the splits of seen and of unseen species, each against the train barcodes."""
        judged = [split for split in evaluated if split in (*SEEN, *UNSEEN)]
        if not judged or KEYS not in data:
            logger.warning("benchmark barcode: it needs a train split and one of %s", ", ".join((*SEEN, *UNSEEN)))
            return Result()
        keys = self._barcodes(data[KEYS])
        figures: list[Figure] = []
        for split in judged:
            queries = self._barcodes(data[split])
            if not len(queries) or not len(keys):
                logger.warning("benchmark barcode: %s has no barcodes", split if len(keys) else KEYS)
                continue
            figures += self._seen(split, queries, keys) if split in SEEN else self._unseen(split, queries, keys)
        return Result(flatten(figures))

    def _barcodes(self, data: SplitData) -> Barcodes:
        specimens = data.specimens
        if specimens is None or "dna" not in specimens.vectors:
            raise ClipbioError(
                f"benchmark barcode: no DNA was encoded on split '{data.split}'; take a model with a DNA tower and "
                "data with a column dna"
            )
        return Barcodes.of(specimens)

    def _seen(self, split: str, queries: Barcodes, keys: Barcodes) -> Iterator[Figure]:
        yield self._in_keys(split, queries, keys)
        counts = (kmer_vectors(keys.sequences, k=self.kmer), kmer_vectors(queries.sequences, k=self.kmer))
        features = {"embedding": (keys.vectors_ND, queries.vectors_ND), "kmers": counts}
        probed = probe_answers(queries, keys, features, shots=self.shots, seed=self.seed)
        if probed is None:
            logger.warning("benchmark barcode: no species of %s is among those of train", split)
            return
        answers, strengths = probed
        yield from self._figures(split, answers, "probe")
        for name, strength in strengths.items():
            yield Figure("barcode", split, f"{name}_probe", "C", strength)

    def _unseen(self, split: str, queries: Barcodes, keys: Barcodes) -> Iterator[Figure]:
        yield self._in_keys(split, queries, keys)
        rows = {
            "embedding": nearest_keys(queries.vectors_ND, keys.vectors_ND, k=1).key_Qk[:, 0].numpy(),
            "kmers": nearest_by_kmers(queries.sequences, keys.sequences, k=self.kmer),
        }
        if self.shortlist:
            rows["alignment"] = nearest_by_alignment(
                queries.sequences, keys.sequences, shortlist=self.shortlist, k=self.kmer
            )
        for rank in self.ranks:
            answers = nearest_answers(queries, keys, rank, rows)
            if answers is None:
                logger.warning("benchmark barcode: no %s of %s is among those of train", rank, split)
                continue
            yield from self._figures(split, answers, "1nn")

    def _in_keys(self, split: str, queries: Barcodes, keys: Barcodes) -> Figure:
        known = set(keys.sequences)
        share = sum(sequence in known for sequence in queries.sequences) / len(queries)
        # Without n it is a plain number, and tables begin with the accuracies.
        return Figure("barcode", split, "barcodes", "in_keys", share)

    def _figures(self, split: str, answers: Answers, kind: str) -> Iterator[Figure]:
        """Yield micro and macro accuracy of each method, and what the embedding has over the others."""
        own_Q, target_Q = answers.predicted["embedding"], answers.target_Q
        class_Q = np.unique(target_Q, return_inverse=True)[1].reshape(-1)
        for mean, of_class_Q, chance in (("micro", None, answers.chance), ("macro", class_Q, answers.macro_chance)):
            metric, units = f"{answers.rank}/{mean}", answers.unit_Q
            for method, predicted_Q in answers.predicted.items():
                path = ("barcode", split, f"{method}_{kind}")
                right_Q = predicted_Q == target_Q
                found = accuracy(right_Q, unit_N=units, class_N=of_class_Q, **self._drawn(*path, metric))
                yield _figure(path, metric, found, chance)
                if method == "embedding":
                    continue
                path = ("barcode", split, f"embedding_minus_{method}_{kind}")
                drawn = self._drawn(*path, metric)
                gain = compare(own_Q, predicted_Q, target_Q, unit_N=units, macro=mean == "macro", **drawn)
                yield _figure(path, metric, gain, None)
        yield Figure("barcode", split, f"embedding_{kind}", f"{answers.rank}/left_out", answers.left_out)

    def _drawn(self, *path: str) -> dict[str, int]:
        return {"seed": derive_seed("bootstrap", *path, self.seed), "resamples": self.bootstrap}


def _figure(path: tuple[str, str, str], metric: str, found: Estimate, chance: float | None) -> Figure:
    low, high = found.interval or (None, None)
    return Figure(*path, metric, found.value, low, high, found.n, chance)
