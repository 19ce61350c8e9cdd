"""The lexical index: BM25 over documents and over sentences, and which of them contain a phrase."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from clipbio.errors import ClipbioError
from clipbio.files import read_json, write_json
from clipbio.search.bm25_field import BM25_B, BM25_K1, BM25Field
from clipbio.search.languages import language as language_of
from clipbio.search.phrases import PhraseIndex
from clipbio.search.tokens import analyser
from clipbio.search.words import Words

__all__ = ["Lexicon"]

Array = npt.NDArray[Any]

_SCHEMA = 1
_ABOUT, _VOCABULARY = "lexicon.json", "vocabulary.json"
_DOCUMENTS, _SENTENCES = "documents", "sentences"


class Lexicon:
    """What is written, ready to be searched for words; may be used by several threads at once.

    Words are compared as folded stems (`tokens.Analyser`).
    """

    def __init__(self, folder: Path) -> None:
        about = read_json(folder / _ABOUT)
        if about["schema"] != _SCHEMA:
            raise ClipbioError(f"{folder / _ABOUT} is of schema {about['schema']}, not {_SCHEMA}: make the index again")
        self.language: str = about["language"]
        self._analyser = analyser(self.language)
        self._numbers = {form: number for number, form in enumerate(read_json(folder / _VOCABULARY))}
        self._scored = {name: BM25Field.load(folder / name) for name in (_DOCUMENTS, _SENTENCES)}
        self._placed = {name: PhraseIndex.load(folder / name) for name in (_DOCUMENTS, _SENTENCES)}

    @classmethod
    def load(cls, folder: Path) -> Lexicon:
        """Open what `build` wrote.

        Raises:
            ClipbioError: It cannot be read, or is of another schema.
        """
        try:
            return cls(folder)
        except (OSError, KeyError, ValueError) as error:
            raise ClipbioError(f"the lexical index {folder} cannot be read: {error}; make the index again") from error

    @classmethod
    def build(
        cls, folder: Path, documents: Iterable[str], sentences: Iterable[str], language: str = "english"
    ) -> Lexicon:
        """Write the index of texts into a folder and open it.

        Args:
            folder: Is made; one of an earlier index must not be given, since its files may be mapped.
            documents: G texts, with a line break where one description ends and the next begins.
            sentences: S texts.
            language: A name or code that `languages.language` knows; `none` for texts of several languages.

        Raises:
            ClipbioError: The language is unknown.
        """
        name = language_of(language).name
        folder.mkdir(parents=True, exist_ok=True)
        fields = [(_DOCUMENTS, _Numbered(name)), (_SENTENCES, _Numbered(name))]
        numbers: dict[str, int] = {}
        for texts, (_, field) in zip((documents, sentences), fields, strict=True):
            field.read(texts, numbers)
        for folder_name, field in fields:
            BM25Field.of(field.bags, numbers).save(folder / folder_name)
            PhraseIndex.of(field.sequences, field.breaks, len(numbers)).save(folder / folder_name)
        write_json(folder / _VOCABULARY, list(numbers))
        write_json(folder / _ABOUT, {"schema": _SCHEMA, "language": name, "k1": BM25_K1, "b": BM25_B})
        return cls.load(folder)

    def document_scores(self, words: Words) -> Array:
        """Return the BM25 score of each document (G,), float32; 0 where no word of the query stands.

        Scores are shares of the highest score that the words can have, those that stand nowhere included.
        """
        return self._scores(_DOCUMENTS, words)

    def sentence_scores(self, words: Words) -> Array:
        """Return the same of each sentence (S,)."""
        return self._scores(_SENTENCES, words)

    def documents_with(self, phrase: str) -> Array:
        """Return which documents contain the words of a phrase in a row, and do not deny it there (G,), bool.

        "not very hairy" denies hairy: a negation within three words before, in the same clause. A phrase without
        words is in none.
        """
        return self._containing(_DOCUMENTS, phrase)

    def sentences_with(self, phrase: str) -> Array:
        """Return the same of sentences (S,)."""
        return self._containing(_SENTENCES, phrase)

    def _scores(self, name: str, words: Words) -> Array:
        bag = self._analyser.bag(words.positive)
        known = self._known(bag)
        return self._scored[name].scores(known, len(bag) - len(known))

    def _containing(self, name: str, phrase: str) -> Array:
        tokens = self._analyser.sequence(phrase)
        numbers = [self._numbers.get(token.form, -1) for token in tokens]
        negators, joiners = (self._known(forms) for forms in (self._analyser.negators, self._analyser.joiners))
        return self._placed[name].containing(numbers, [token.is_after_break for token in tokens], negators, joiners)

    def _known(self, forms: Iterable[str]) -> list[int]:
        return [self._numbers[form] for form in forms if form in self._numbers]


class _Numbered:
    """Texts as numbers of a vocabulary that grows with them."""

    def __init__(self, language: str) -> None:
        self.analyser = analyser(language)
        self.bags: list[list[int]] = []
        self.sequences: list[list[int]] = []
        self.breaks: list[list[bool]] = []

    def read(self, texts: Iterable[str], numbers: dict[str, int]) -> None:
        for text in texts:
            bag: list[int] = []
            sequence: list[int] = []
            breaks: list[bool] = []
            for tokens, whole in self.analyser.words(text):
                for token in tokens:
                    number = numbers.setdefault(token.form, len(numbers))
                    sequence.append(number)
                    breaks.append(token.is_after_break)
                    if not token.is_stop_word:
                        bag.append(number)
                if whole:
                    bag.append(numbers.setdefault(whole, len(numbers)))
            self.bags.append(bag)
            self.sequences.append(sequence)
            self.breaks.append(breaks)
