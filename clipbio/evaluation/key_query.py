"""Which taxon do the nearest keys name? The key-query protocol of CLIBD over image, DNA and text, and better forms."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText, Result
from clipbio.evaluation.choices import check_choices
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.figures import Figure, flatten
from clipbio.evaluation.key_query_figures import Measure, Measured, harmonic_figures, rank_figures
from clipbio.evaluation.key_query_forms import FORMS, Protocol, Texts, Wording, join
from clipbio.evaluation.key_query_pairs import ALL_KEYS, PROTOTYPES, KeyPool, Matched, Queries
from clipbio.evaluation.protocols import OWN, task_name
from clipbio.evaluation.specimens import Specimens
from clipbio.taxonomy import RANKS
from clipbio.text import TEXT_TYPES, MissingRanks

__all__ = ["SEEN_OF", "KeyQuery", "KeyQueryDetail"]

logger = logging.getLogger(__name__)

SEEN_OF = {"val_unseen": "val", "unseen": "test"}
"""The seen queries that stand beside unseen ones in a harmonic mean."""

_KEYS = (*FORMS, *ALL_KEYS, *PROTOTYPES)


@dataclass(frozen=True)
class KeyQueryDetail:
    """Which first answers are right at each rank, of the queries with a label at the deepest one, and that label."""

    task: str
    split: str
    variant: str
    ranks: tuple[str, ...]
    correct_QR: Tensor
    label_Q: Tensor


class KeyQuery:
    """Queries take the labels of their nearest keys, rank by rank; seen and unseen queries share one pool of keys.

    Figures under `key_query/SPLIT/QUERY_to_KEY`: `RANK/micro@K` (share of queries with the true label among their K
    nearest keys), `RANK/macro@K` (mean over true taxa), and under SEEN+UNSEEN their harmonic means. See
    docs/key_query.md. The protocol is that of CLIBD (https://arxiv.org/abs/2405.17537).

    Args:
        queries: forms of queries: image, dna, text, fused.
        keys: forms of keys: the same; all (every modality in one pool), all_normalised; image_prototype ... for one
            key per taxon.
        ranks: the ranks to judge.
        ks: how many nearest keys may name the taxon.
        distinct: also count the K nearest distinct taxa instead of records, as variants `..._distinct`.
        unseen_keys: where unseen queries have no split `key_unseen`: auto takes the other specimens of their split as
            keys too, none leaves them without.
        protocol: clipbio, or clibd: names compared as strings, a missing one too; it has no prototypes among the keys.
        text_type: the text of a record.
        template: one template with `{}` for the name.
        missing_ranks: what taxonomic text does with a missing rank.
        splits: the splits of queries; None is all that are evaluated.
        bootstrap: resamples of the intervals, 0 for none.
        seed: seed of the intervals.
    """

    PROTOCOLS = ("clibd",)

    def __init__(
        self,
        queries: Sequence[str] = FORMS,
        keys: Sequence[str] = (*FORMS, "text_prototype"),
        ranks: Sequence[str] = ("order", "family", "genus", "species"),
        ks: Sequence[int] = (1, 3, 5),
        *,
        distinct: bool = False,
        unseen_keys: Literal["auto", "none"] = "auto",
        protocol: Protocol = "clipbio",
        text_type: str = "taxonomic",
        template: str = "{}",
        missing_ranks: MissingRanks = "skip",
        splits: Sequence[str] | None = None,
        bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choices("key_query", "queries", queries, FORMS)
        check_choices("key_query", "keys", keys, _KEYS)
        check_choices("key_query", "ranks", ranks, RANKS)
        check_choices("key_query", "unseen_keys", [unseen_keys], ("auto", "none"))
        check_choices("key_query", "protocol", [protocol], (OWN, *self.PROTOCOLS))
        if not ks or min(ks) < 1:
            raise ClipbioError(f"benchmark key_query: ks={list(ks)}; give whole numbers from 1 up")
        if protocol == "clibd":
            keys = _without_prototypes(keys)
        self.queries, self.keys, self.ranks = tuple(queries), tuple(keys), tuple(ranks)
        self.distinct, self.unseen_keys, self.protocol = distinct, unseen_keys, protocol
        check_choices("key_query", "text_type", [text_type], TEXT_TYPES)
        if template.count("{}") != 1:
            raise ClipbioError(
                f"benchmark key_query: template='{template}' must hold '{{}}' exactly once, where the name goes"
            )
        self.wording = Wording(text_type, template, missing_ranks, protocol)
        self.splits = None if splits is None else tuple(splits)
        self.measure = Measure(tuple(ks), bootstrap, seed)
        self.task = task_name("key_query", protocol)

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        """Name the splits that hold keys for these queries."""
        wanted = [one for split in evaluated for one in self._key_splits(split, available)]
        return tuple(dict.fromkeys(wanted))

    def _key_splits(self, split: str, available: Collection[str]) -> tuple[str, ...]:
        """Return the splits whose specimens are the keys of a query split, the same for a seen split and its partner.

        They follow from the table alone, not from what else is evaluated.
        """
        names = ["key" if "key" in available else "train"]
        if "key_unseen" in available:
            names.append("key_unseen")
        elif self.unseen_keys == "auto":
            unseen = split if split in SEEN_OF else next((one for one, seen in SEEN_OF.items() if seen == split), "")
            names.append(unseen)
        return tuple(name for name in names if name in available)

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        """Measure the evaluated splits against the keys."""
        texts = Texts(encode_text, self.wording) if self._reads_texts else None
        pools: dict[tuple[str, ...], KeyPool] = {}
        measured: dict[str, dict[tuple[str, str], Measured]] = {}
        figures: list[Figure] = []
        details: list[KeyQueryDetail] = []
        for split in evaluated:
            specimens = data[split].specimens
            names = self._key_splits(split, data)
            if specimens is None or not len(specimens) or not names:
                logger.warning("key_query: split %s has no specimens or no keys (key, else train)", split)
                continue
            if names not in pools:
                pools[names] = KeyPool.build(join(_all_specimens(data, names)), self.ranks, self.protocol, texts)
            queries = Queries.build(specimens, self.ranks, self.protocol, texts)
            measured[split] = {}
            for variant, matched in self._matches(queries, pools[names], split):
                path = (self.task, split, variant)
                figures += self._figures(path, matched, specimens, measured[split])
                label_Q = matched.label_QR[:, -1]
                correct_QR = matched.answers.place_QR[label_Q >= 0] < 1
                details.append(KeyQueryDetail(*path, self.ranks, correct_QR, label_Q[label_Q >= 0]))
        for unseen, seen in SEEN_OF.items():
            if unseen in measured and seen in measured:
                joined = f"{seen}+{unseen}"
                figures += harmonic_figures(joined, measured[seen], measured[unseen], self.task)
        return Result(flatten(figures), tuple(details))

    @property
    def _reads_texts(self) -> bool:
        """Tell whether anything asked for is a text."""
        named = {*self.queries, *self.keys}
        return bool(named & {"text", "text_prototype", *ALL_KEYS})

    def _matches(self, queries: Queries, pool: KeyPool, split: str) -> Iterator[tuple[str, Matched]]:
        """Yield every variant that the data allow."""
        missing: list[str] = []
        depth = max(self.measure.ks)
        for query in self.queries:
            for key in self.keys:
                variant = f"{query}_to_{key}"
                matched = pool.match(queries, query, key, depth)
                if matched is None:
                    missing.append(variant)
                    continue
                yield variant, matched
                if self.distinct and key in FORMS:
                    yield f"{variant}_distinct", pool.distinct(queries, query, key, depth)
        if missing:
            logger.warning("key_query: split %s: nothing to compare for %s", split, ", ".join(missing))

    def _figures(
        self,
        path: tuple[str, str, str],
        matched: Matched,
        specimens: Specimens,
        measured: dict[tuple[str, str], Measured],
    ) -> Iterator[Figure]:
        """Yield the figures of one split and variant, and keep those that harmonic means are made of."""
        distinct = path[2].endswith("_distinct")
        label_QR = matched.label_QR
        for metric, one in self.measure.accuracies(path, matched.answers, label_QR, self.ranks, distinct=distinct):
            measured[path[2], metric] = one
            yield one.figure(path, metric)
        yield from rank_figures(path, matched.answers, label_QR, self.ranks)
        query = path[2].split("_to_")[0]
        yield Figure(*path, "queries", len(label_QR))
        yield Figure(*path, f"without_{query}", len(specimens) - len(label_QR))
        yield Figure(*path, "keys", matched.num_keys)


def _without_prototypes(keys: Sequence[str]) -> tuple[str, ...]:
    """Return the keys that the published protocol has: the usual list serves for both forms."""
    kept = tuple(key for key in keys if key not in PROTOTYPES)
    if not kept:
        raise ClipbioError(f"benchmark key_query: protocol=clibd has no {', '.join(keys)}; give other keys")
    if len(kept) < len(keys):
        logger.info("key_query: protocol=clibd has no prototypes: %s", ", ".join(kept))
    return kept


def _all_specimens(data: Mapping[str, SplitData], names: Sequence[str]) -> list[Specimens]:
    return [found for name in names if (found := data[name].specimens) is not None]
