"""`predict` from the command line to the file, with a tiny model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from clipbio.config import compose, plain
from clipbio.data.inputs import TextInput
from clipbio.data.transforms import ImageTransform
from clipbio.errors import ClipbioError
from clipbio.tasks.building import build_model
from clipbio.tasks.embed import embed_data
from clipbio.tasks.predict import predict
from clipbio.tasks.predict_sources import given_vectors


def config_of(tmp_path, *overrides):
    small = ["model=tiny", f"cache_dir={tmp_path / 'cache'}", "num_workers=0", "batch_size=4"]
    return plain(compose("predict", [*small, *overrides]))


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def garden(make_garden):
    return make_garden(species=2, per_species=2, splits=("test",))


def test_own_names_are_answered_for_every_picture_of_a_folder(tmp_path, garden):
    (garden / "images" / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    out = tmp_path / "answers.csv"
    names = "names=[red plant,blue plant,'a, b']"
    predict(config_of(tmp_path, f"images=[{garden}]", names, f"out={out}", "k=5", "temperature=1"))
    rows = read(out)
    count = len(list((garden / "images").glob("*"))) - 1
    assert len(rows) == 3 * count
    assert {row["name"] for row in rows} == {"red plant", "blue plant", "a, b"}
    sums = [sum(float(row["probability"]) for row in rows[start : start + 3]) for start in range(0, len(rows), 3)]
    assert sums == pytest.approx([1.0] * count, abs=1e-4)
    facts = json.loads((tmp_path / "answers.csv.json").read_text())
    assert list(facts["skipped"]) == [str(garden / "images" / "broken.jpg")]
    assert facts["labels"]["source"] == {"names": ["red plant", "blue plant", "a, b"]}
    assert facts["settings"]["temperature"] == 1
    with pytest.raises(ClipbioError, match="exists: give another file, or overwrite=true"):
        predict(config_of(tmp_path, f"images=[{garden}]", names, f"out={out}"))


def test_taxa_of_a_table_within_a_checklist_at_a_rank_and_as_parquet(tmp_path, garden):
    taxa, region = tmp_path / "taxa.csv", tmp_path / "region.csv"
    taxa.write_text("family,genus,species\nFagaceae,Quercus,robur\nFagaceae,Fagus,sylvatica\nUlmaceae,Ulmus,glabra\n")
    region.write_text("scientific_name\nQuercus robur\nUlmus glabra\n")
    settings = [f"images=[{garden / 'images'}]", f"taxa={taxa}", f"subset={region}"]
    predict(config_of(tmp_path, *settings, f"out={tmp_path / 'species.parquet'}"))
    predict(config_of(tmp_path, *settings, f"out={tmp_path / 'family.parquet'}", "rank=family"))
    species = pq.read_table(tmp_path / "species.parquet").to_pylist()
    family = pq.read_table(tmp_path / "family.parquet").to_pylist()
    assert {row["name"] for row in species} == {"Quercus robur", "Ulmus glabra"}
    assert {row["name"] for row in family} == {"Fagaceae", "Ulmaceae"}
    # One species of each family is left: the sums are theirs.
    assert [row["probability"] for row in family] == pytest.approx([row["probability"] for row in species])
    assert [row["family"] for row in family] == [row["family"] for row in species]


def test_the_table_on_the_console_names_the_first_pictures(tmp_path, garden, capsys):
    predict(config_of(tmp_path, f"images=[{garden / 'images'}]", "names=['[bold]oak',beech]", "k=1"))
    shown = capsys.readouterr().out
    assert "picture" in shown
    assert "[bold]oak" in shown or "beech" in shown


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["names=[a]", "taxa=x.csv"], "taxa= and names=: give one kind of answers"),
        (["names=[a,b]", "rank=genus"], "none of the 2 labels has a genus"),
        (["names=nowhere.txt"], "names=nowhere.txt: there is no such file"),
        (["names=[]"], "give at least one label"),
        (["names=[a]", "out=a.json"], "written as .csv or .parquet"),
        (["names=[a]", "temperature=0"], "must be above 0"),
        (["names=[a]", "num_workers=-1"], "num_workers=-1 must be 0 or more, or auto"),
        (["names=[a]", "rank=genus", "bins=x.csv"], "rank= or bins=, not both"),
        ([], "no taxa: give taxa=TABLE"),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path, garden, overrides, told):
    with pytest.raises(ClipbioError, match=told):
        predict(config_of(tmp_path, f"images=[{garden / 'images'}]", *overrides))


def test_pictures_of_which_none_can_be_read_are_an_error(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(ClipbioError, match="none of the 1 pictures could be read"):
        predict(config_of(tmp_path, f"images=[{tmp_path}]", "names=[a,b]", f"out={tmp_path / 'a.csv'}"))


def test_a_label_set_of_another_model_is_refused(tmp_path, garden):
    settings = [f"images=[{garden / 'images'}]", "names=[oak,beech]"]
    predict(config_of(tmp_path, *settings, f"out={tmp_path / 'a.csv'}"))
    (kept,) = (tmp_path / "cache" / "labels").iterdir()
    predict(config_of(tmp_path, settings[0], f"labels={kept}", f"out={tmp_path / 'b.csv'}"))
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    with pytest.raises(ClipbioError, match="whose text tower is not that of"):
        predict(config_of(tmp_path, settings[0], f"labels={kept}", "seed=5"))


def test_answers_of_a_model_are_its_cosines(tmp_path, garden):
    settings = ["names=[oak,beech]", "decoder=pillow", "template=plain", "temperature=0.5", f"out={tmp_path / 'a.csv'}"]
    config = config_of(tmp_path, f"images=[{garden / 'images'}]", *settings)
    predict(config)
    model = build_model(config, load_weights=True).eval()
    tokens_BL = TextInput(model.tower("text").trunk.tokenizer)(["oak", "beech"])
    transform = ImageTransform(model.tower("image").trunk.spec, decoder="pillow")
    rows = read(tmp_path / "a.csv")
    with torch.inference_mode():
        text_CD = model.tower("text")(tokens_BL)
        for start in range(0, len(rows), 2):
            image_1D = model.tower("image")(transform(Path(rows[start]["picture"]).read_bytes())[None])
            expected = torch.softmax(2 * image_1D @ text_CD.T, dim=1)[0]
            found = {row["name"]: float(row["probability"]) for row in rows[start : start + 2]}
            assert [found["oak"], found["beech"]] == pytest.approx(expected.tolist(), rel=1e-4)


def test_vectors_that_embed_wrote_have_the_answers_of_their_pictures(tmp_path, garden):
    settings = [f"images=[{garden / 'images'}]", f"cache_dir={tmp_path / 'cache'}"]
    embed_data(plain(compose("embed", ["model=tiny", *settings, f"out={tmp_path / 'vectors'}", "num_workers=0"])))
    names = ["names=[oak,beech]", "temperature=0.5"]
    predict(config_of(tmp_path, settings[0], *names, f"out={tmp_path / 'a.csv'}"))
    vectors = f"embeddings={tmp_path / 'vectors' / 'images.parquet'}"
    predict(config_of(tmp_path, vectors, *names, f"out={tmp_path / 'b.csv'}"))
    (kept,) = (tmp_path / "cache" / "labels").iterdir()
    alone = [f"cache_dir={tmp_path}", vectors, f"labels={kept}", "temperature=0.5", f"out={tmp_path / 'c.csv'}"]
    predict(plain(compose("predict", alone)))
    rows = {name: read(tmp_path / f"{name}.csv") for name in "abc"}
    assert [row["picture"] for row in rows["b"]] == [row["picture"] for row in rows["a"]]
    for name in "bc":
        found = [float(row["probability"]) for row in rows[name]]
        assert found == pytest.approx([float(row["probability"]) for row in rows["a"]], rel=1e-4)
    with pytest.raises(ClipbioError, match="its image vectors were made by other weights"):
        predict(config_of(tmp_path, "model.seed=1", vectors, *names, f"out={tmp_path / 'd.csv'}"))
    with pytest.raises(ClipbioError, match="give temperature= too"):
        predict(plain(compose("predict", [*alone[:3]])))


@pytest.mark.parametrize("broken", [[0.0, 0.0], [float("nan"), 1.0]])
def test_vectors_that_point_nowhere_are_told_by_their_picture(broken, tmp_path):
    path = tmp_path / "images.parquet"
    column = pa.array([[1.0, 2.0], None, broken], pa.list_(pa.float32(), 2))
    pq.write_table(pa.table({"id": ["a.jpg", "b.jpg", "c.jpg"], "image": column}), path)
    with pytest.raises(ClipbioError, match=r"the vector of c\.jpg is not finite, or all zeros"):
        list(given_vectors(path, torch.device("cpu")).batches())
