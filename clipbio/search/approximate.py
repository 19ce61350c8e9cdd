"""The order of specimens by an approximate search, where one can answer the query.

Shape suffixes: N specimen rows.
"""

from __future__ import annotations

import numpy as np

from clipbio.errors import ClipbioError
from clipbio.search.ann import Ann, open_ann
from clipbio.search.ann_kinds import load_faiss
from clipbio.search.asking import Asked
from clipbio.search.folder import IndexFolder
from clipbio.search.fusion import Ranked, competition_ranks
from clipbio.search.query import Array
from clipbio.search.ranking import Ranking

__all__ = ["Approximate"]


class Approximate:
    """The approximate searches of an index; none where FAISS is not installed, which only those miss who ask for it.

    Raises:
        ClipbioError: A file is damaged.
    """

    def __init__(self, folder: IndexFolder) -> None:
        self._folder = folder
        self._missing: ClipbioError | None = None
        self._anns: dict[str, Ann | None] = {}
        if folder.manifest.ann is None:
            return
        try:
            load_faiss()
        except ClipbioError as error:
            self._missing = error
        else:
            self._anns = {modality: open_ann(folder, modality) for modality in folder.manifest.modalities}

    def specimens(self, asked: Asked, passes_N: Array, count: int) -> Ranking | None:
        """Return the best `count` specimens that pass, None where the exact search has to answer.

        A query that is one vector can be answered; words, and several vectors, are compared exactly.

        Raises:
            ClipbioError: The index has an approximate search, and FAISS is not installed.
        """
        if asked.exact or asked.words or len(asked.vectors) != 1 or asked.key is None:
            return None
        if self._missing is not None:
            raise self._missing
        ann, vectors = self._anns.get(asked.key), self._folder.vectors(asked.key)
        if ann is None or vectors is None:
            return None
        passes_N = passes_N & vectors.has_N
        passes_N[list(asked.itself)] = False
        nearest = ann.search(asked.vectors[0].vector_D, count, passes_N)
        if nearest is None:
            return None
        score_N, ranks_N = np.zeros(len(passes_N), np.float32), np.zeros(len(passes_N), np.int32)
        score_N[nearest.rows_k] = nearest.score_k
        ranks_N[nearest.rows_k] = competition_ranks(nearest.score_k, np.ones(len(nearest.rows_k), bool))
        lists = [Ranked(asked.key, asked.vectors[0].weight, ranks_N)]
        return Ranking(score_N, None, passes_N, lists, known_k=nearest.rows_k)
