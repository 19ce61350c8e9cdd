"""Embeddings given to an evaluation instead of a model, and those that it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from embedding_runs import CPU, ready
from runs import here
from safetensors.numpy import save_file

from clipbio.errors import ClipbioError
from clipbio.evaluation.given import GivenEmbeddings
from clipbio.tasks.embeddings import embed_splits
from clipbio.tasks.exchange import given_splits

ASKED = (
    "benchmark=[zero_shot,retrieval]", "benchmark.zero_shot.bootstrap=20", "benchmark.zero_shot.permutations=0",
    "benchmark.retrieval.bootstrap=20", "splits=[test]", "data=table", "data.num_workers=0",
)  # fmt: skip


def evaluated(capsys, tmp_path: Path, name: str, *more: str) -> dict[str, float]:
    run = tmp_path / name
    status, _, errors = here(capsys, "evaluate", *ASKED, f"cache_dir={tmp_path / 'cache'}", f"run_dir={run}", *more)
    assert status == 0, errors
    return json.loads((run / "metrics.json").read_text())


def test_what_was_saved_is_evaluated_without_a_model(make_garden, tmp_path: Path, capsys) -> None:
    root, folder = f"data.root={make_garden()}", tmp_path / "vectors"
    refused = (*ASKED, root, f"cache_dir={tmp_path / 'cache'}")
    first = evaluated(capsys, tmp_path, "first", "model=tiny", root, f"save_embeddings={folder}")
    assert sorted(path.name for path in folder.iterdir()) == ["embeddings.json", "test.parquet", "texts.parquet"]
    assert first == evaluated(capsys, tmp_path, "second", root, f"embeddings={folder}")
    about = json.loads((tmp_path / "second" / "evaluation.json").read_text())
    assert about["model"]["weights"] == about["model"]["embeddings"] == GivenEmbeddings(folder).hash
    assert about["model"]["name"] == "evaluation"
    # Without texts, by the model that made them; another one is refused.
    (folder / "texts.parquet").unlink()
    assert first == evaluated(capsys, tmp_path, "third", "model=tiny", root, f"embeddings={folder}")
    status, _, errors = here(capsys, "evaluate", *refused, f"embeddings={folder}", f"run_dir={tmp_path / 'x'}")
    assert status == 2
    assert "holds no texts.parquet" in errors
    status, _, errors = here(
        capsys,
        "evaluate",
        *refused,
        "model=tiny",
        "model.seed=5",
        f"embeddings={folder}",
        f"run_dir={tmp_path / 'y'}",
    )
    assert status == 2
    assert "its image vectors were made by other weights" in errors
    status, _, errors = here(
        capsys, "evaluate", *refused, "model=tiny", f"save_embeddings={folder}", f"run_dir={tmp_path / 'z'}"
    )
    assert status == 2
    assert f"save_embeddings={folder} exists" in errors


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The data of a garden and its vectors by a tiny model; the first picture of test cannot be read."""
    from gardens import write_garden

    garden = write_garden(tmp_path_factory.mktemp("given") / "garden")
    broken = garden / "images" / "test-0-0.jpg"
    broken.write_bytes(broken.read_bytes()[:-300])
    model, data = ready(garden)
    found = embed_splits(model, data, ["test"], device=CPU)["test"]
    return data, found


def write(folder: Path, ids, vectors, *, column: str = "image", about: dict | None = None) -> GivenEmbeddings:
    folder.mkdir()
    rows = [None if one is None else np.asarray(one, np.float64).tolist() for one in vectors]
    pq.write_table(pa.table({"id": list(ids), column: pa.array(rows, pa.list_(pa.float64()))}), folder / "test.parquet")
    if about is not None:
        (folder / "embeddings.json").write_text(json.dumps(about))
    return GivenEmbeddings(folder)


SKIPPED = {"skipped": {"test": {"test-0-0": "broken"}}}


def test_vectors_of_another_system_in_any_order_and_length(world, tmp_path: Path) -> None:
    data, found = world
    ids, vectors = found.images.ids, found.images.vectors_ND.numpy()
    order = np.random.default_rng(0).permutation(len(ids))
    given = write(tmp_path / "v", [ids[row] for row in order], vectors[order] * 7, about=SKIPPED)
    data.max_skipped_share = 0.5
    one = given_splits(data, ["test"], given, str)["test"]
    assert one.images.ids == ids
    torch.testing.assert_close(one.images.vectors_ND, found.images.vectors_ND, atol=1e-6, rtol=0)
    assert one.classes.names == found.classes.names
    assert torch.equal(one.images.class_N, found.images.class_N)
    assert dict(one.unreadable) == {"test-0-0": "broken"}
    whole = {"ids": np.frombuffer(json.dumps(list(ids)).encode(), np.uint8), "image.vectors": vectors,
             "image.mask": np.ones(len(ids), np.uint8)}  # fmt: skip
    (tmp_path / "s").mkdir()
    save_file({key: value.copy() for key, value in whole.items()}, tmp_path / "s" / "test.safetensors")
    (tmp_path / "s" / "embeddings.json").write_text(json.dumps(SKIPPED | {"normalised": True}))
    again = given_splits(data, ["test"], GivenEmbeddings(tmp_path / "s"), str)["test"]
    assert torch.equal(again.images.vectors_ND, found.images.vectors_ND)


def change(ids, vectors, what: str):
    ids, vectors = list(ids), list(vectors)
    if what == "missing":
        return ids[1:], vectors[1:]
    if what == "unknown":
        ids[3] = "nobody"
    elif what == "twice":
        ids[3] = ids[2]
    elif what == "nan":
        vectors[4] = vectors[4] * np.nan
    elif what == "zero":
        vectors[4] = vectors[4] * 0
    elif what == "ragged":
        vectors[4] = vectors[4][:-1]
    return ids, vectors


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("missing", r"1 of 24 specimens of split 'test' have no vector \(the first one: 'test-0-1'\)"),
        ("unknown", "row 3: split 'test' has no specimen 'nobody' .1 of 23 ids are unknown"),
        ("twice", "row 3: the id 'test-0-3' is given twice"),
        ("nan", "image holds numbers that are not finite, the first in vector 4"),
        ("zero", "vector 4 of image is all zeros"),
        ("ragged", "row 4: image has .* numbers, others have"),
    ],
)
def test_what_does_not_fit_is_told(what: str, told: str, world, tmp_path: Path) -> None:
    data, found = world
    ids, vectors = change(found.images.ids, found.images.vectors_ND.numpy(), what)
    given = write(tmp_path / "v", ids, vectors, about=SKIPPED)
    with pytest.raises(ClipbioError, match=told):
        given_splits(data, ["test"], given, str)


def test_files_that_are_not_embeddings_are_told(world, tmp_path: Path) -> None:
    data, found = world
    ids, vectors = found.images.ids, found.images.vectors_ND.numpy()
    with pytest.raises(ClipbioError, match="is no folder"):
        GivenEmbeddings(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ClipbioError, match=r"holds no SPLIT.parquet or SPLIT.safetensors"):
        given_splits(data, ["test"], GivenEmbeddings(tmp_path / "empty"), str)
    with pytest.raises(ClipbioError, match=r"needs a column 'id' .* it has id, picture"):
        given_splits(data, ["test"], write(tmp_path / "a", ids, vectors, column="picture"), str)
    with pytest.raises(ClipbioError, match=r"no vectors of split 'train'; valid are: test"):
        given_splits(data, ["train"], write(tmp_path / "b", ids, vectors), str)
    with pytest.raises(ClipbioError, match=r"vectors of length 7 to 7, but embeddings.json says normalised"):
        given_splits(data, ["test"], write(tmp_path / "c", ids, vectors * 7, about=SKIPPED | {"normalised": True}), str)
    (tmp_path / "b" / "test.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ClipbioError, match=r"test.parquet cannot be read"):
        given_splits(data, ["test"], GivenEmbeddings(tmp_path / "b"), str)


def test_texts_of_other_dimensions_or_not_given_are_told(world, tmp_path: Path) -> None:
    data, found = world
    given = write(tmp_path / "v", found.images.ids, found.images.vectors_ND.numpy(), about=SKIPPED)
    table = {"text": ["a", "b"], "vector": pa.array([[3.0, 4.0], [0.0, 2.0]], pa.list_(pa.float32()))}
    pq.write_table(pa.table(table), given.folder / "texts.parquet")
    torch.testing.assert_close(given.encode_text(["b", "a"]), torch.tensor([[0.0, 1.0], [0.6, 0.8]]))
    with pytest.raises(ClipbioError, match=r"lacks 1 of 2 texts that are asked for, such as 'c'"):
        given.encode_text(["a", "c"])
    with pytest.raises(ClipbioError, match=r"vectors of 2 dimensions .texts.parquet, vector. cannot be compared with"):
        given_splits(data, ["test"], given, str)
