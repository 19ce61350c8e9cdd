"""The search engine as one object: what is found for a query.

Shape suffixes: N specimen rows.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy.typing as npt

from clipbio.errors import ClipbioError, nearest
from clipbio.search.answer import Answer
from clipbio.search.approximate import Approximate
from clipbio.search.asking import Asked, ask
from clipbio.search.columns import Where
from clipbio.search.facets import MOST_CHARACTERS, Facet, facets, trait_facets
from clipbio.search.filters import Columns, mask_N
from clipbio.search.folder import IndexFolder
from clipbio.search.hits import Hits
from clipbio.search.layout import Layout
from clipbio.search.lexical import Lexicon
from clipbio.search.manifest import Manifest
from clipbio.search.query import Engine, Query, QueryEncoder, Show
from clipbio.search.ranking import Ranker, Ranking
from clipbio.search.results import Hit, Results, SpecimenHit
from clipbio.search.species import first_rows
from clipbio.search.traits import TraitFacet
from clipbio.search.word_lists import WordLists

__all__ = ["Index"]

Array = npt.NDArray[Any]

# So many rows are asked of an approximate search for each hit, where several may be views of one sheet.
_VIEWS = 5


class Index:
    """An index that can be searched, by several threads at once.

    Args:
        folder: What is searched.
        encoder: Of the model that made the index; without one only words are compared.
    """

    def __init__(self, folder: IndexFolder, encoder: QueryEncoder | None = None) -> None:
        self.folder, self.encoder = folder, encoder
        self.columns = Columns(folder)
        self._layout = Layout(folder)
        lexical = folder.texts.lexical_path
        self._lists = WordLists(folder.texts, self._layout, Lexicon.load(lexical) if lexical else None)
        self._ranker = Ranker(folder, self._layout, self._lists)
        self._approximate = Approximate(folder)

    @classmethod
    def open(cls, path: str | Path, encoder: QueryEncoder | None = None, *, verify: bool = True) -> Index:
        """Open the index in a folder; `verify` compares the hashes of its files.

        Raises:
            ClipbioError: There is none, or it is damaged.
        """
        while True:
            folder = IndexFolder.open(path, verify=verify)
            try:
                return cls(folder, encoder)
            except ClipbioError:
                # Words and approximate searches are opened last: a writer may have removed them meanwhile.
                if Manifest.read(folder.path) == folder.manifest:
                    raise

    def search(
        self,
        query: Query | str,
        *,
        k: int = 10,
        offset: int = 0,
        where: Where | None = None,
        engine: Engine = "fused",
        show: Show = "specimens",
        key: str | None = None,
        exact: bool = True,
    ) -> Results:
        """Return `k` hits from place `offset` on.

        Args:
            query: A string is words.
            k: How many; fewer only if fewer pass the filters or, with engine `lexical`, have a word of the query.
            offset: How many of the best are passed over.
            where: What must hold, by column: a value, several of which any will do, or a range of numbers. `trait` asks
                for what descriptions tell, such as `leaf shape=ovate`; of several characters all must hold.
            engine: `fused`, `lexical` (words alone) or `vector` (the model alone).
            show: `specimens`, `species` or `descriptions`.
            key: Which vectors of the specimens are searched, `image` or `dna`; by default `dna` for barcodes or where
                there are no others.
            exact: False allows an approximate search of specimens by one vector, where the index has one (`ann=`).

        Raises:
            ClipbioError: The query is empty or cannot be encoded, or a name or value in the other arguments is unknown.
        """
        begin = time.perf_counter()
        _check(k, offset, show)
        query = Query.text(query) if isinstance(query, str) else query
        if not len(self.folder):
            return Results((), show, engine, offset, 0, time.perf_counter() - begin, ("the index is empty",))
        asked = replace(ask(self.folder, self.encoder, query, engine, key), exact=exact)
        passes_N = mask_N(self.columns, where)
        pages = {"specimens": self._specimens, "species": self._species, "descriptions": self._descriptions}
        hits, total = pages[show](asked, passes_N, offset, k)
        return Results(hits, show, asked.engine, offset, total, time.perf_counter() - begin, asked.notes)

    def facets(self, where: Where | None = None) -> list[Facet]:
        """Return what the specimens that pass can be narrowed by, with counts; see `clipbio.search.facets`."""
        return facets(self.columns, where)

    def trait_facets(self, where: Where | None = None, most: int = MOST_CHARACTERS) -> list[TraitFacet]:
        """Return the characters that descriptions of the specimens that pass tell; `clipbio.search.facets` says how."""
        return trait_facets(self.columns, where, most)

    def specimen(self, id: str) -> SpecimenHit:
        """Return one specimen; `ClipbioError` if there is none of this id."""
        row = self.folder.row_of(id)
        if row is None:
            raise ClipbioError(f"no specimen '{id}' in the index {self.folder.manifest.name}")
        return Hits(self.folder).specimen(row)

    def descriptions_of(self, row: int) -> list[dict[str, Any]]:
        """Return the descriptions of a specimen: `text`, `language`, `type`, `source`, `licence`, taxon, `traits`."""
        texts = self.folder.texts
        numbers = texts.groups.of(int(self.folder.group_N[row])).tolist()
        return [{**texts.descriptions.record(one), "traits": texts.traits_of(one)} for one in numbers]

    def picture(self, row: int) -> bytes | None:
        """Return the small picture of a row, None without one."""
        return self.folder.picture(row)

    def _specimens(self, asked: Asked, passes_N: Array, offset: int, k: int) -> tuple[tuple[Hit, ...], int]:
        ranking = self._by_sheet(asked, passes_N, offset + k)
        rows = ranking.best(offset + k)[offset:]
        return tuple(self._answer(asked, ranking).specimens(rows, offset + 1)), ranking.total

    def _by_sheet(self, asked: Asked, passes_N: Array, count: int) -> Ranking:
        """Return a ranking of rows in which of the views of a sheet the best stands; `count` of them are looked for."""
        sheets = self.folder.sheets
        if sheets is None:
            return self._approximate.specimens(asked, passes_N, count) or self._ranker.specimens(asked, passes_N)
        ranking = self._approximate.specimens(asked, passes_N, _VIEWS * count)
        known_k = None if ranking is None or ranking.known_k is None else sheets.first_of(ranking.known_k)
        if ranking is not None and known_k is not None and len(known_k) >= count:
            return replace(ranking, takes_E=sheets.once(ranking.takes_E), known_k=known_k)
        ranking = self._ranker.specimens(asked, passes_N)
        return replace(ranking, takes_E=first_rows(ranking, *sheets.by_sheet))

    def _species(self, asked: Asked, passes_N: Array, offset: int, k: int) -> tuple[tuple[Hit, ...], int]:
        ranking = self._ranker.specimens(asked, passes_N)
        firsts = Ranking(ranking.score_E, ranking.own_E, first_rows(ranking, *self._layout.rows_of_species))
        rows = firsts.best(offset + k)[offset:]
        return tuple(self._answer(asked, ranking).species(rows, offset + 1, passes_N)), firsts.total

    def _descriptions(self, asked: Asked, passes_N: Array, offset: int, k: int) -> tuple[tuple[Hit, ...], int]:
        ranking = self._ranker.descriptions(asked, passes_N)
        best = ranking.best(offset + k)[offset:]
        return tuple(self._answer(asked, ranking).descriptions(best, offset + 1, passes_N)), ranking.total

    def _answer(self, asked: Asked, ranking: Ranking) -> Answer:
        return Answer(self.folder, self._layout, asked, ranking)


def _check(k: int, offset: int, show: str) -> None:
    if k < 1 or offset < 0:
        raise ClipbioError(f"k={k}, offset={offset}: give k=1 or more, and an offset of 0 or more")
    if show not in get_args(Show):
        raise ClipbioError(f"show={show} is unknown{nearest(show, get_args(Show))}")
