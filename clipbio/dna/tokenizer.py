"""From barcodes to token ids and back.

Shape suffixes: B barcodes, L tokens, N bases, T k-mers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clipbio.dna.alphabet import BASES, CODES, Gaps, clean_bytes
from clipbio.dna.vocabulary import Vocabulary, VocabularyName, vocabulary
from clipbio.errors import ClipbioError, nearest

__all__ = ["Ambiguity", "BarcodeTokenizer"]

Ambiguity = Literal["unknown", "resolve", "hide"]
Integers = npt.NDArray[np.int64]

_LARGEST_K = 10
_CHOICES: dict[str, tuple[str, ...]] = {"ambiguity": ("unknown", "resolve", "hide"), "gaps": ("strip", "keep")}
_CYCLE = 12
"""Length of the cycle in which a code takes its bases: divisible by 2 and 3."""


class BarcodeTokenizer:
    """Cut barcodes into k-mers and number them.

    A k-mer begins at each `stride`-th base; bases after the last whole k-mer are left out (the published vocabularies
    pad with N instead). What is longer than `max_length` is cut there. An empty barcode is padding throughout.

    Args:
        k: Bases of a token.
        stride: Bases from the start of a token to that of the next; by default `k`: no overlap.
        max_length: Bases that are read. An insect's COI barcode has 658, and later bases are unreliable.
        vocabulary: `clipbio`, or that of published weights: `barcodebert` or `clibd`.
        ambiguity: What becomes of a k-mer with N or another code for several bases: `unknown` is the token UNK;
            `resolve` first puts one of its bases for a code of two or three, in turn along the sequence; `hide` makes
            it padding, which is not attended to and not averaged.
        gaps: Whether gaps are left out, or kept as columns of an alignment: a k-mer with a gap counts as one with N.
        cls: Whether the token CLS stands in front; by default as the vocabulary has it.
    """

    def __init__(
        self,
        *,
        k: int = 4,
        stride: int | None = None,
        max_length: int = 660,
        vocabulary: VocabularyName = "clipbio",
        ambiguity: Ambiguity = "unknown",
        gaps: Gaps = "strip",
        cls: bool | None = None,
    ) -> None:
        self.k, self.stride, self.max_length = k, k if stride is None else stride, max_length
        self.ambiguity: Ambiguity = ambiguity
        self.gaps: Gaps = gaps
        self._vocabulary = _vocabulary(vocabulary, ambiguity, cls)
        self._check()
        self._has_cls = self._vocabulary.cls_id is not None if cls is None else cls
        self._bases = _lookup(resolve=ambiguity == "resolve")

    def _check(self) -> None:
        for name, value, least, most in (
            ("k", self.k, 1, _LARGEST_K),
            ("max_length", self.max_length, self.k, 1_000_000),
            ("stride", self.stride, 1, self.max_length),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise ClipbioError(f"{name}={value} of the barcode tokenizer must be a number from {least} to {most}")
        for name, valid in _CHOICES.items():
            if (value := getattr(self, name)) not in valid:
                raise ClipbioError(f"{name}={value} of the barcode tokenizer is unknown{nearest(str(value), valid)}")

    @property
    def vocabulary(self) -> VocabularyName:
        """Name the vocabulary."""
        return self._vocabulary.name

    @property
    def vocab_size(self) -> int:
        """Count the ids: special tokens and 4^k k-mers."""
        return self.first_kmer + int(4**self.k)

    @property
    def first_kmer(self) -> int:
        """Give the id of the first k-mer; the ids before it are special."""
        return self._vocabulary.first_kmer

    @property
    def special_ids(self) -> tuple[int, ...]:
        """Give the ids that are no k-mers."""
        return tuple(range(self.first_kmer))

    @property
    def pad_id(self) -> int:
        """Give the id of padding: -1 where the vocabulary has no token for it."""
        return self._vocabulary.pad_id

    @property
    def mask_id(self) -> int:
        """Give the id that hides a token in masked pretraining."""
        return self._vocabulary.mask_id

    @property
    def unk_id(self) -> int:
        """Give the id of a k-mer that is not spelt in ACGT."""
        return self._vocabulary.unk_id

    @property
    def cls_id(self) -> int | None:
        """Give the id in front of each barcode, None without one."""
        return self._vocabulary.cls_id if self._has_cls else None

    @property
    def num_kmers(self) -> int:
        """Count the k-mers of a barcode of full length."""
        return (self.max_length - self.k) // self.stride + 1

    @property
    def context_length(self) -> int:
        """Count the tokens of every barcode, padding and CLS included."""
        return self.num_kmers + self._has_cls

    @property
    def settings(self) -> dict[str, Any]:
        """Give the keywords that make the same tokenizer."""
        own = {name: getattr(self, name) for name in ("k", "stride", "max_length", "vocabulary", "ambiguity", "gaps")}
        return own | {"cls": self._has_cls}

    @property
    def identity(self) -> str:
        """Hash the settings: equal where equal barcodes become equal tokens."""
        told = ";".join(f"{name}={value}" for name, value in sorted(self.settings.items()))
        return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()

    def __call__(self, sequences: Sequence[str]) -> Tensor:
        """Return the tokens of barcodes: int64 of shape (B, context_length).

        Raises:
            BadBarcode: If one holds letters that are no nucleotides.
        """
        if isinstance(sequences, str):
            raise TypeError("give a list of barcodes, not one barcode")
        clean = [clean_bytes(sequence, gaps=self.gaps)[: self.max_length] for sequence in sequences]
        length_B = np.fromiter(map(len, clean), np.int64, len(clean))
        letters = b"".join(one.ljust(self.max_length, b"N") for one in clean)
        letters_BN = np.frombuffer(letters, np.uint8).reshape(len(clean), self.max_length)
        tokens_BT = self._kmers(letters_BN)
        tokens_BT[np.arange(self.num_kmers) >= self._counts(length_B)[:, None]] = self.pad_id
        if self.cls_id is not None:
            tokens_BT = np.pad(tokens_BT, ((0, 0), (1, 0)), constant_values=self.cls_id)
        return torch.from_numpy(tokens_BT)

    def _kmers(self, letters_BN: npt.NDArray[np.uint8]) -> Integers:
        """Return the id of each k-mer: the number that its bases are in the system of base 4."""
        column_N = np.arange(self.max_length) % _CYCLE
        bases_BN = self._bases[column_N, letters_BN]
        ids_BT = np.zeros((len(letters_BN), self.num_kmers), np.int64)
        unknown_BT = np.zeros(ids_BT.shape, np.bool_)
        reach = (self.num_kmers - 1) * self.stride + 1
        for place in range(self.k):
            bases_BT = bases_BN[:, place : place + reach : self.stride]
            ids_BT = ids_BT * 4 + bases_BT
            unknown_BT |= bases_BT < 0
        ids_BT += self.first_kmer
        ids_BT[unknown_BT] = self.pad_id if self.ambiguity == "hide" else self.unk_id
        return ids_BT

    def _counts(self, length_B: Integers) -> Integers:
        """Return how many of the k-mers are there; where N pads, CLIBD takes all and BarcodeBERT length // stride."""
        if not self._vocabulary.has_mask:
            return np.full_like(length_B, self.num_kmers)
        if self._vocabulary.pads_with_n:
            return length_B // self.stride
        return np.maximum(length_B - self.k, -self.stride) // self.stride + 1

    def attention_mask(self, tokens_BL: Tensor) -> Tensor:
        """Tell which tokens are there: bool of shape (B, L). Without a mask in the vocabulary all are."""
        if not self._vocabulary.has_mask:
            return torch.ones_like(tokens_BL, dtype=torch.bool)
        return tokens_BL != self.pad_id

    def decode(self, tokens_L: Tensor | Sequence[int]) -> str:
        """Return the bases that tokens tell, with N for what they do not."""
        tokens_T = np.asarray(tokens_L, np.int64)[int(self._has_cls) :]
        there = np.flatnonzero(tokens_T != self.pad_id) if self._vocabulary.has_mask else np.arange(len(tokens_T))
        if not len(there):
            return ""
        letters = ["N"] * (int(there[-1]) * self.stride + self.k)
        for place in there.tolist():
            number = int(tokens_T[place]) - self.first_kmer
            if number >= 0:
                letters[place * self.stride : place * self.stride + self.k] = _spelt(number, self.k)
        return "".join(letters)

    def __repr__(self) -> str:
        return f"BarcodeTokenizer({', '.join(f'{name}={value!r}' for name, value in self.settings.items())})"


def _vocabulary(name: str, ambiguity: str, cls: bool | None) -> Vocabulary:
    """Return the vocabulary, after the settings that it cannot follow were refused."""
    found = vocabulary(name)
    if cls is not None and name != "clipbio" and cls != (found.cls_id is not None):
        raise ClipbioError(f"cls={cls} is not how vocabulary={name} was published; leave cls out")
    if ambiguity == "hide" and not found.has_mask:
        raise ClipbioError(f"ambiguity=hide needs padding that is told from tokens, and vocabulary={name} has none")
    return found


def _lookup(*, resolve: bool) -> npt.NDArray[np.int8]:
    """Return the number of the base of each letter at each place of the cycle, -1 for none."""
    table = np.full((_CYCLE, 256), -1, np.int8)
    for number, base in enumerate(BASES):
        table[:, ord(base)] = number
    for code, bases in CODES.items() if resolve else ():
        if code != "N":
            table[:, ord(code)] = [BASES.index(bases[place % len(bases)]) for place in range(_CYCLE)]
    return table


def _spelt(number: int, k: int) -> list[str]:
    return [BASES[number >> 2 * place & 3] for place in reversed(range(k))]
