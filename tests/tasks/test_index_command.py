"""`python -m clipbio index`: what is built, appended, replaced, deleted and refused; small random towers, a garden."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from gardens import write_garden
from PIL import Image
from runs import here

from clipbio.cli import run as run_verb
from clipbio.data.shards import resolve
from clipbio.errors import ClipbioError
from clipbio.search.folder import IndexFolder
from clipbio.search.query import Part, Query
from clipbio.tasks import index_rows
from clipbio.tasks.index_opening import open_index

SMALL = ("data=table", "data.num_workers=0", "data.evaluation_batch_size=16")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a garden of four species, its index, and a garden of two others."""
    folder = tmp_path_factory.mktemp("index")
    write_garden(folder / "garden", per_species=3)
    write_garden(folder / "more", species=2, per_species=2, splits=("train",), first=4)
    given = ("model=tiny", f"data.root={folder / 'garden'}", f"out={folder / 'built'}", "pictures=20", "name=plants")
    assert run_verb("index", [*SMALL, *given, f"cache_dir={folder / 'cache'}"]) == 0
    return folder


@pytest.fixture
def built(place: Path, tmp_path: Path) -> Path:
    """A copy of the index that a test may change."""
    return shutil.copytree(place / "built", tmp_path / "built")


def more(place: Path, built: Path) -> tuple[str, ...]:
    return (str(built), "action=append", *SMALL, f"data.root={place / 'more'}", f"cache_dir={place / 'cache'}")


def ids(folder: IndexFolder) -> list[str]:
    return [id for id, alive in zip(folder.rows.ids.to_pylist(), folder.alive_N, strict=True) if alive]


def test_an_index_holds_what_the_data_hold(place: Path) -> None:
    folder = IndexFolder.open(place / "built", verify=True)
    data = resolve(place / "garden", place / "cache")
    indices = {split: data.index(split) for split in data.splits}
    assert sorted(ids(folder)) == sorted(id for index in indices.values() for id in index.ids)
    manifest = folder.manifest
    assert (manifest.name, manifest.language, manifest.picture_size) == ("plants", "english", 20)
    assert manifest.data == ({"name": "garden", "manifest": data.manifest.hash, "splits": ["train", "test", "val"]},)
    assert set(manifest.model["weights"]) == {"image", "text"}
    assert manifest.versions["clipbio"]
    assert [len(folder.texts.descriptions), len(folder.texts.sentences)] == [4, 4]
    assert folder.texts.sentence_SD is not None
    # `val` was carved out of `train`.
    splits = dict(zip(folder.rows.ids.to_pylist(), folder.rows.column("split").to_pylist(), strict=True))
    assert {"train", "test", "val"} == set(splits.values())
    assert all(splits[id] == "test" for id in splits if id.startswith("test"))
    for row, id in enumerate(folder.rows.ids.to_pylist()):
        index = indices["test" if id.startswith("test") else "train"]
        specimen = index.read(list(index.ids).index(id))
        assert folder.original(row) == specimen.image
        assert max(Image.open(io.BytesIO(folder.picture(row) or b"")).size) == 20
        assert folder.rows.taxon(row) == specimen.taxon


def test_the_opened_index_finds_a_picture_a_text_and_its_like(place: Path) -> None:
    index = open_index(place / "built")
    assert index.encoder is not None
    assert index.encoder.modalities == {"image", "text"}
    row = index.folder.row_of("test-2-1")
    assert row is not None
    hits = index.search(Query((Part("image", index.folder.original(row) or b""),)), k=3).hits
    assert hits[0].id == "test-2-1"
    assert hits[0].score == pytest.approx(1, abs=1e-4)
    hits = index.search("leaves of colour 3", k=6, show="species").hits
    assert hits[0].name == "Genusd speciesd"
    assert index.search(Query((Part("specimen", "test-2-1"),)), k=1).hits[0].id != "test-2-1"


def test_what_is_appended_takes_the_model_of_the_index(place: Path, built: Path, capsys) -> None:
    before = open_index(built)
    assert here(capsys, "index", *more(place, built), "ids=[train-4-0,train-5-1]")[0] == 0
    status, _, errors = here(capsys, "index", *more(place, built))
    assert status == 2
    assert "the id 'train-4-0' is in the index" in errors
    assert "set replace=true" in errors
    status, _, errors = here(capsys, "index", *more(place, built), "replace=true")
    assert status == 0, errors
    assert "4 specimens, 28 in all" in " ".join(errors.split())
    after = IndexFolder.open(built, verify=True)
    assert (after.manifest.rows, after.manifest.alive, len(after.texts.descriptions)) == (30, 28, 6)
    assert sorted(ids(after)[-4:]) == ["train-4-0", "train-4-1", "train-5-0", "train-5-1"]
    # The snapshot that was open answers as before; a new one finds what is new.
    assert before.search("colour 4").total == 24
    assert open_index(built).search("colour 4", k=1, show="species").hits[0].name == "Genuse speciese"


def test_deleted_compacted_verified_and_shown(built: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "ids.txt").write_text("test-0-0\ntest-1-1\n\ntest-0-0\n")
    status, _, errors = here(capsys, "index", str(built), "action=delete", f"ids={tmp_path / 'ids.txt'}")
    assert status == 0, errors
    assert "2 specimens, 22 in all" in " ".join(errors.split())
    status, out, _ = here(capsys, "index", str(built), "action=show")
    assert "22 (2 deleted ones take room: compact)" in out
    assert "24 of image in" in out
    status, _, errors = here(capsys, "index", str(built), "action=delete", "ids=[test-0-0]")
    assert status == 2
    assert "'test-0-0'" in errors
    assert here(capsys, "index", str(built), "action=compact")[0] == 0
    folder = IndexFolder.open(built)
    assert folder.manifest.rows == len(ids(folder)) == 22
    assert here(capsys, "index", str(built), "action=verify")[0] == 0
    pictures = next((built / "parts").rglob("pictures.bin"))
    pictures.write_bytes(b"x" + pictures.read_bytes()[1:])
    status, _, errors = here(capsys, "index", str(built), "action=verify")
    assert status == 2
    assert "pictures.bin is not what was written" in " ".join(errors.split())


def test_an_interrupted_run_goes_on(place: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    given = (
        "model=tiny",
        *SMALL,
        f"data.root={place / 'more'}",
        f"cache_dir={tmp_path / 'c'}",
        f"out={tmp_path / 'o'}",
    )

    def broken(*_: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(index_rows, "thumbnail", broken)
        status, _, errors = here(capsys, "index", *given)
        assert status == 130
        assert "0 of " in errors
    assert not (tmp_path / "o" / "manifest.json").exists()
    status, _, errors = here(capsys, "index", *given)
    assert status == 0, errors
    told = re.findall(r"(\d) of (\d) are embedded already", " ".join(errors.split()))
    assert told
    assert all(before == wanted for before, wanted in told)
    assert len(IndexFolder.open(tmp_path / "o")) == 4
    status, _, errors = here(capsys, "index", *given)
    assert status == 2
    assert "is an index already: append to it, or set overwrite=true" in " ".join(errors.split())
    assert here(capsys, "index", *given, "overwrite=true", "pictures=0", "cache_embeddings=false")[0] == 0
    assert IndexFolder.open(tmp_path / "o").picture(0) is None
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["c", "o"]


def test_another_model_is_refused(place: Path, built: Path, capsys) -> None:
    other = ("model=tiny", "model.seed=1")
    status, _, errors = here(capsys, "index", *more(place, built), *other)
    assert status == 2
    manifest = json.loads((built / "manifest.json").read_text())
    assert manifest["model"]["weights"]["image"][:12] in errors
    assert "is another model (image " in " ".join(errors.split())
    status, _, errors = here(capsys, "index", *more(place, built), "data.decoder=pillow")
    assert "was made with data.decoder=fast, not pillow" in " ".join(errors.split())
    assert len(IndexFolder.open(built)) == 24
    manifest["model"]["source"] = {"checkpoint": "/nowhere/run", "weights": "auto"}
    (built / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ClipbioError, match="/nowhere/run, which is not there: give its model as checkpoint=RUN"):
        open_index(built)
    model = json.loads((place / "built" / "manifest.json").read_text())["model"]["source"]["model"]
    assert open_index(built, model=model).encoder is not None
    manifest["model"] = {"name": "words alone"}
    (built / "manifest.json").write_text(json.dumps(manifest))
    assert open_index(built).encoder is None


def test_an_index_answers_while_its_model_is_loaded(place: Path) -> None:
    index = open_index(place / "built", wait=False)
    assert index.encoder is not None
    assert index.encoder.modalities == {"image", "text"}
    assert index.search("colour 3", k=1, engine="lexical", show="species").hits[0].name == "Genusd speciesd"
    found = index.search("leaves of colour 3", k=5).hits
    assert [hit.id for hit in found] == [
        hit.id for hit in open_index(place / "built").search("leaves of colour 3", k=5).hits
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("action=bild",), "did you mean 'build'?"),
        (("replace=true",), "replace= goes with action=append, not with build"),
        (("action=append", "overwrite=true"), "overwrite= goes with action=build, not with append"),
        (("action=compact", "ids=[a]"), "ids= goes with action=build or append or delete, not with compact"),
        (("action=delete", "ids=[a]", "ann=ivf"), "not with delete"),
        (("action=delete",), "give ids=[A,B]"),
        (("action=delete", "ids=nowhere.txt"), "there is no such file; a single id is given as [nowhere.txt]"),
        (("action=delete", "ids=[]"), "names no specimen"),
        (("action=show", "OTHER"), "index takes one out, here are 2"),
        (("action=show",), "is no index"),
        (("pictures=-1",), "pictures=-1 must be 0 or a number"),
        (("pictures=big",), "pictures=big must be a whole number"),
        (("language=klingon",), "klingon"),
        (("ann=flat",), "ann=flat is unknown"),
        (("action=ann",), "give ann=ivf, hnsw or ivfpq"),
        ((), "no model: give checkpoint=RUN"),
        (("checkpoint=nowhere",), "checkpoint nowhere does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_line(given: tuple[str, ...], told: str, tmp_path: Path, capsys) -> None:
    status, _, errors = here(capsys, "index", str(tmp_path / "out"), *given)
    assert status == 2
    assert told in " ".join(errors.split())
    assert errors.count("clipbio:") == 1
    assert not (tmp_path / "out").exists()


def test_ids_that_the_data_lack_are_named(place: Path, built: Path, capsys) -> None:
    status, _, errors = here(capsys, "index", *more(place, built), "ids=[train-4-0,train-9-9]")
    assert status == 2
    assert "1 of 2 ids are not in the splits that are indexed: 'train-9-9'" in " ".join(errors.split())


def test_vectors_are_those_that_embed_writes(place: Path, tmp_path: Path, capsys) -> None:
    import pyarrow.parquet as pq

    out = tmp_path / "vectors"
    given = ("model=tiny", *SMALL, f"data.root={place / 'garden'}", f"cache_dir={place / 'cache'}", f"out={out}")
    assert here(capsys, "embed", *given, "splits=[test]")[0] == 0
    table = pq.read_table(out / "test.parquet")
    vectors = IndexFolder.open(place / "built").vectors("image")
    folder = IndexFolder.open(place / "built")
    assert vectors is not None
    for id, vector_D in zip(table["id"].to_pylist(), table["image"].to_pylist(), strict=True):
        np.testing.assert_allclose(vectors.of(folder.row_of(id)), vector_D, atol=1e-6)


def test_an_approximate_search_is_built_where_it_is_asked_for(built: Path, capsys, monkeypatch) -> None:
    pytest.importorskip("faiss", reason="the extra faiss is not installed")
    monkeypatch.setattr("clipbio.search.ann_building.FEWEST", 10)
    status, _, errors = here(capsys, "index", str(built), "action=ann", "ann=hnsw")
    assert status == 0, errors
    ann = IndexFolder.open(built).manifest.ann
    assert ann is not None
    assert (ann.facts["kind"], ann.facts["rows"], set(ann.facts["modalities"])) == ("hnsw", 24, {"image"})
    assert re.search(r"hnsw, image: finds \d+\.\d% of", here(capsys, "index", str(built), "action=show")[1])
