"""What cannot be loaded is told in one line."""

import json
import logging
import pickle

import open_clip
import pytest
import torch
from small_models import architecture

from clipbio.errors import ClipbioError
from clipbio.models import openclip


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(architecture("vit")))
    return str(path)


def refused(match, *args, **kwargs):
    with pytest.raises(ClipbioError, match=match) as caught:
        openclip(*args, **kwargs)
    assert "\n" not in str(caught.value)


def test_unknown_architecture_names_the_nearest():
    refused("no architecture 'ViT-B-33'; did you mean 'ViT-B-32'", "ViT-B-33")


def test_unknown_tag_names_the_nearest():
    refused("no tag 'openia'; did you mean 'openai'", "ViT-B-32", "openia")


def test_architecture_without_tags(small):
    refused("no pretrained tags", small, "openai")


def test_missing_weights_file():
    refused("there is no file 'nowhere/model.pt'", "ViT-B-32", "nowhere/model.pt")


def test_folder_without_config(tmp_path):
    refused("holds no open_clip_config.json", f"local-dir:{tmp_path}")


def test_folder_without_weights(tmp_path):
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": architecture("vit")}))
    refused("weights", str(tmp_path))


def test_pretrained_beside_a_folder(openclip_folder):
    refused("brings its own weights", str(openclip_folder("vit")), "openai")


@pytest.mark.parametrize("content", ["{", "[]", '{"embed_dim": 3}'])
def test_bad_architecture_file(tmp_path, content):
    path = tmp_path / "bad.json"
    path.write_text(content)
    refused("not (a JSON|an) architecture", str(path))


def test_missing_architecture_file():
    refused("there is no file", "nowhere/small.json")


def test_unknown_key_in_an_architecture(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(architecture("vit") | {"embed_dims": 3}))
    refused("embed_dims", str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("visual.class_embedding"), "lacks weight 'visual.class_embedding'"),
        (lambda state: state.update(extra=torch.zeros(1)), "unknown weight 'extra'"),
        (
            lambda state: state.update({"ln_final.bias": torch.zeros(3)}),
            r"weight 'text.ln_final.bias' is \(\[3\]\) in the file, \(\[32\]\) in the model",
        ),
    ],
)
def test_weights_that_do_not_fit(openclip_folder, small, tmp_path, change, message):
    state = open_clip.create_model(f"local-dir:{openclip_folder('vit')}").state_dict()
    change(state)
    torch.save(state, tmp_path / "weights.pt")
    refused(message, small, str(tmp_path / "weights.pt"))


def test_pickled_code_is_not_run(small, tmp_path):
    class Code:
        def __reduce__(self):
            return (pytest.fail, ("code was run",))

    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Code()))
    torch.save({"state_dict": Code()}, tmp_path / "weights.pt")
    refused("never run", small, str(tmp_path / "weights.pt"))
    refused("never run", small, str(tmp_path / "plain.pt"))


def test_hub_that_cannot_be_reached(monkeypatch):
    def unreachable(*args, **kwargs):
        raise ConnectionError("no route to host\nmore lines")

    monkeypatch.setattr("open_clip.factory.download_pretrained_from_hf", unreachable)
    refused("cannot fetch hf-hub:some/model .*no route to host.*give the folder", "hf-hub:some/model")


def test_tag_that_cannot_be_fetched(monkeypatch):
    def unreachable(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr("open_clip.factory.download_pretrained", unreachable)
    refused("cannot load model.name=RN50 with model.pretrained=openai: .*no route to host", "RN50", "openai")


def test_random_weights_are_told(small, caplog):
    with caplog.at_level(logging.INFO):
        openclip(small)
        assert [(record.levelname, "random" in record.message) for record in caplog.records] == [("INFO", True)]
        caplog.clear()
        openclip("RN50", load_weights=False)
        assert not caplog.records
        openclip("RN50")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "model.pretrained is not set, its tags are openai" in caplog.text


def test_options_are_checked(small):
    refused("unexpected keyword argument 'unlock'", small, image={"unlock": 1})
    refused("unknown projection 'linaer'; did you mean 'linear'", small, image={"projection": "linaer"})
    refused("unknown input_norm", small, image={"input_norm": "batch"})
    refused("unlocked is 'all' or", small, image={"unlocked": "none"})
    refused("unlocked is 'all' or", small, image={"unlocked": -1})
    refused("model.image.unlocked=9: the trunk has 4 groups", small, image={"unlocked": 9})
    refused("dropout lies", small, text={"dropout": 1})
    refused("lr is above 0", small, text={"lr": 0})
    refused("pretrained gives 24 dimensions, model.dim is 10", small, dim=10)
    refused("identity keeps 64 features", small, image={"projection": "identity"})


@pytest.mark.parametrize("tower", ["image", "text"])
def test_a_tower_is_not_taken_away(small, tower):
    refused(f"model.{tower}=null: .* leave {tower} out of loss.pairs", small, **{tower: None})
