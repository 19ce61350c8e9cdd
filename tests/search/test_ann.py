"""Approximate search: what it finds is what the exact search finds, and where it cannot know it leaves the answer to it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.search.ann import MOST_HITS, open_ann
from clipbio.search.ann_building import RECALL_TARGET, write_ann
from clipbio.search.folder import IndexFolder
from clipbio.search.index import Index
from clipbio.search.manifest import About
from clipbio.search.new_rows import NewRows
from clipbio.search.query import Part, Query
from clipbio.search.writing import IndexWriter
from clipbio.taxonomy import Taxon

faiss = pytest.importorskip("faiss")

COUNT, DIM, CENTRES = 4000, 16, 60


def drawn(count: int, seed: int) -> np.ndarray:
    """Unit vectors around a few centres."""
    random, centres = np.random.default_rng(seed), np.random.default_rng(0).standard_normal((CENTRES, DIM))
    vectors = centres[random.integers(0, CENTRES, count)] + 0.7 * random.standard_normal((count, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def rows(start: int, count: int, seed: int, *, gaps: bool = False) -> NewRows:
    """Odd rows are of the year 1900, even ones of 2000; with gaps every fifth has no vector."""
    numbers = np.arange(start, start + count)
    mask = numbers % 5 != 0 if gaps else np.ones(count, bool)
    specimens = [
        Specimen(f"s{n}", Taxon(), metadata={"year": 1900 if n % 2 else 2000, "tenth": f"t{n % 40}"}) for n in numbers
    ]
    return NewRows(specimens, {"image": (mask, drawn(count, seed)[mask])})


def make(path: Path, kind: str | None, *, gaps: bool = False) -> IndexFolder:
    with IndexWriter.create(path, About("vectors")) as writer:
        writer.append([rows(0, COUNT, 1, gaps=gaps)])
        if kind:
            writer.add_ann(partial(write_ann, IndexFolder(path, writer.manifest), kind))
    return IndexFolder.open(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> IndexFolder:
    return make(tmp_path_factory.mktemp("ann") / "index", "ivf", gaps=True)


def ids(index: Index, vector: np.ndarray, **more: object) -> list[str]:
    found = index.search(Query((Part("vector", vector),)), **more)  # type: ignore[arg-type]
    return [hit.id for hit in found.hits]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["ivf", "hnsw", "ivfpq"])
def test_each_kind_meets_its_recall_and_the_manifest_says_so(tmp_path: Path, kind: str) -> None:
    folder = make(tmp_path / "index", kind)
    facts = folder.manifest.ann.facts  # type: ignore[union-attr]
    assert (facts["kind"], facts["rows"], facts["modalities"]["image"]["vectors"]) == (kind, COUNT, COUNT)
    assert facts["modalities"]["image"]["recall@10"] >= RECALL_TARGET
    assert facts["modalities"]["image"]["recall@10/half"] >= RECALL_TARGET
    index, queries = Index(folder), drawn(50, 2)
    for where in (None, {"year": 1900}):
        exact = [set(ids(index, query, where=where)) for query in queries]
        guessed = [set(ids(index, query, where=where, exact=False)) for query in queries]
        assert np.mean([len(one & other) / 10 for one, other in zip(exact, guessed, strict=True)]) >= 0.9


def test_scores_are_cosines_of_the_stored_vectors_in_descending_order(folder: IndexFolder) -> None:
    ann, vectors = open_ann(folder, "image"), folder.vectors("image")
    assert ann
    assert vectors
    query = drawn(1, 3)[0]
    found = ann.search(query, 12, folder.alive_N)
    assert found
    assert np.allclose(found.score_k, [vectors.of(row) @ query for row in found.rows_k], atol=1e-6)
    assert (np.diff(found.score_k) <= 0).all()
    assert found.rows_k.tolist() == np.argsort(-_all_scores(folder, query))[:12].tolist()


def _all_scores(folder: IndexFolder, query: np.ndarray) -> np.ndarray:
    scores = np.full(len(folder), -np.inf)
    for numbers, vectors in folder.vectors("image").blocks():  # type: ignore[union-attr]
        scores[numbers] = vectors @ query
    return scores


def test_total_places_and_the_specimen_itself(folder: IndexFolder) -> None:
    index = Index(folder)
    query = Query((Part("specimen", "s7"),))
    exact, guessed = (index.search(query, where={"year": 1900}, exact=exact) for exact in (True, False))
    assert guessed.total == exact.total == COUNT // 2 - COUNT // 10 - 1
    assert [(hit.id, hit.lists) for hit in guessed.hits] == [(hit.id, hit.lists) for hit in exact.hits]  # type: ignore[union-attr]
    later = index.search(query, where={"year": 1900}, offset=4, k=3, exact=False)
    assert [hit.rank for hit in later.hits] == [5, 6, 7]
    assert later.hits[0].id == exact.hits[4].id  # type: ignore[union-attr]


def test_where_few_pass_or_many_hits_are_asked_for_the_exact_search_answers(folder: IndexFolder) -> None:
    ann = open_ann(folder, "image")
    assert ann
    query = drawn(1, 3)[0]
    some = folder.alive_N.copy()
    assert ann.search(query, MOST_HITS + 1, some) is None
    some[200:] = False
    assert some.mean() == 0.05
    assert ann.search(query, 100, some) is None
    assert len(ids(Index(folder), query, where={"tenth": "t7"}, k=100, exact=False)) == 100
    some[100:] = False
    assert ann.search(query, 1, some) is None


def test_what_passes_lies_elsewhere(tmp_path: Path) -> None:
    # Half of the rows pass, all of them on the other side: none is near the lists that the query leads to.
    vectors = drawn(COUNT, 1)
    vectors[:, 0] = np.where(np.arange(COUNT) % 2, 1, -1) * (1 + abs(vectors[:, 0]))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    batch = rows(0, COUNT, 1)
    with IndexWriter.create(tmp_path / "index", About("sides")) as writer:
        writer.append([NewRows(batch.specimens, {"image": (np.ones(COUNT, bool), vectors)})])
        writer.add_ann(partial(write_ann, IndexFolder(tmp_path / "index", writer.manifest), "ivf"))
    index = Index.open(tmp_path / "index")
    query = np.eye(DIM, dtype=np.float32)[0]
    assert ids(index, query, where={"year": 2000}, exact=False) == ids(index, query, where={"year": 2000})


def test_later_rows_are_found_and_deleted_ones_are_not(tmp_path: Path) -> None:
    make(tmp_path / "index", "ivf")
    with IndexWriter.open(tmp_path / "index") as writer:
        writer.append([rows(COUNT, 300, 4)])
    index, query = Index.open(tmp_path / "index"), drawn(300, 4)[17]
    assert ids(index, query, exact=False)[0] == f"s{COUNT + 17}"
    assert ids(index, query, where={"year": 2000}, exact=False) == ids(index, query, where={"year": 2000})
    best = ids(index, query, exact=False)[:3]
    with IndexWriter.open(tmp_path / "index") as writer:
        writer.delete(best)
    index = Index.open(tmp_path / "index")
    assert not set(ids(index, query, exact=False)) & set(best)
    with IndexWriter.open(tmp_path / "index") as writer:
        writer.compact()
        assert writer.manifest.ann is None


def test_bad_input_is_told_in_one_line(tmp_path: Path, folder: IndexFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClipbioError, match="ann=ivz is unknown; did you mean 'ivf'"):
        write_ann(folder, "ivz", tmp_path)
    with IndexWriter.create(tmp_path / "small", About("small")) as writer:
        writer.append([rows(0, 20, 1)])
        with pytest.raises(ClipbioError, match="fewer than 1000 vectors"):
            writer.add_ann(partial(write_ann, IndexFolder(tmp_path / "small", writer.manifest), "ivf"))
    assert IndexFolder.open(tmp_path / "small").manifest.ann is None
    monkeypatch.setitem(sys.modules, "faiss", None)
    index, query = Index(folder), drawn(1, 3)[0]
    assert len(ids(index, query)) == 10
    with pytest.raises(ClipbioError, match=r"pip install 'clipbio\[faiss\]'"):
        ids(index, query, exact=False)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    folder = make(tmp_path / "index", "ivf")
    (tmp_path / "index" / folder.manifest.ann.folder / "image.faiss").write_bytes(b"nothing")  # type: ignore[union-attr]
    with pytest.raises(ClipbioError, match="cannot be read as an index of FAISS"):
        open_ann(folder, "image")
