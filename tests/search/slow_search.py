"""The ranking of words written out specimen by specimen with dictionaries: slow, and easy to read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from small_indexes import encode, vector

from clipbio.data.specimen import Specimen
from clipbio.search.folder import IndexFolder
from clipbio.search.lexical import Lexicon
from clipbio.search.words import Words, parse
from clipbio.sentences import split_sentences

WEIGHTS = {
    "fused": {"description": 1.0, "sentence": 1.0, "meaning": 1.0, "image": 0.25},
    "vector": {"meaning": 1.0, "image": 0.25},
    "lexical": {"description": 1.0, "sentence": 1.0},
}


@dataclass
class Entry:
    """A specimen that passes: where it stands, its vectors, and the keys of what is ranked with it."""

    row: int
    specimen: Specimen
    image: np.ndarray | None

    @property
    def group(self):
        one = self.specimen
        return (one.taxon, one.descriptions) if one.descriptions or not one.taxon.is_empty else one.id

    @property
    def unit(self):
        return self.group if self.specimen.taxon.is_empty else self.specimen.taxon


class SlowSearch:
    def __init__(self, folder: IndexFolder, specimens: Sequence[Specimen], images: Mapping[str, np.ndarray]) -> None:
        self.folder, self.lexicon = folder, Lexicon.load(folder.texts.lexical_path)
        self.entries = [Entry(row, one, images.get(one.id)) for row, one in enumerate(specimens) if folder.alive_N[row]]

    def scores(self, text: str, engine: str, passing: set[int]) -> dict[int, tuple[float, float]]:
        """Return (score, own score) of each row that is found."""
        words = parse(text)
        entries = [entry for entry in self.entries if entry.row in passing]
        if engine != "vector":
            entries = [entry for entry in entries if self._is_allowed(entry, words)]
        lists = self._lists(words, entries)
        score: dict[object, float] = defaultdict(float)
        for name, weight in WEIGHTS[engine].items():
            values = sorted(set(lists[name].values()), reverse=True)
            if name in ("description", "sentence"):
                weight *= 4 * max(values, default=0.0)
            for group, value in lists[name].items():
                score[group] += weight / (10 + 1 + values.index(value))
        found = {}
        for entry in entries:
            own = -np.inf if entry.image is None else self._cosine(words, entry.image)
            if score[entry.group] > 0 or engine != "lexical" or not words.positive:
                found[entry.row] = (score[entry.group], 0.0 if engine == "lexical" else own)
        return found

    def _is_allowed(self, entry: Entry, words: Words) -> bool:
        number = self.folder.group_N[entry.row]
        has = {phrase: self.lexicon.documents_with(phrase)[number] for phrase in (*words.phrases, *words.negative)}
        return all(has[phrase] for phrase in words.phrases) and not any(has[phrase] for phrase in words.negative)

    def _lists(self, words: Words, entries: Sequence[Entry]) -> dict[str, dict[object, float]]:
        lists: dict[str, dict[object, float]] = {name: {} for name in WEIGHTS["fused"]}
        of_unit = defaultdict(list)
        for entry in entries:
            if entry.image is not None:
                of_unit[entry.unit].append(self._cosine(words, entry.image))
        for entry in entries:
            if entry.unit in of_unit:
                lists["image"][entry.group] = round(float(np.mean(of_unit[entry.unit])), 6)
            texts = [text for one in entry.specimen.descriptions for text in split_sentences(one)]
            if words.positive and texts:
                lists["meaning"][entry.group] = self._meaning(words, texts)
                self._words(words, entry, lists)
        return lists

    def _words(self, words: Words, entry: Entry, lists: dict[str, dict[object, float]]) -> None:
        sentences = self.folder.texts.sentences
        own = set(self.folder.texts.groups.of(self.folder.group_N[entry.row]))
        scores = self.lexicon.sentence_scores(words)
        best = max(float(score) for score, owner in zip(scores, sentences.description_S, strict=True) if owner in own)
        whole = float(self.lexicon.document_scores(words)[self.folder.group_N[entry.row]])
        for name, value in (("sentence", best), ("description", whole)):
            if value > 0:
                lists[name][entry.group] = value

    def _meaning(self, words: Words, texts: Sequence[str]) -> float:
        vectors = encode(texts)
        value = float(max(vectors @ vector(words.positive)))
        if words.negative:
            value -= 0.5 * float(max(vectors @ encode(words.negative).mean(0)))
        return round(value, 6)

    def _cosine(self, words: Words, image: np.ndarray) -> float:
        value = float(image @ vector(words.positive)) if words.positive else 0.0
        return value - 0.5 * float(image @ encode(words.negative).mean(0)) if words.negative else value
