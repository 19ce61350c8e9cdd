"""Weights of DNA towers: runs of ours, BarcodeBERT's layout, CLIBD's files; what does not fit is named."""

import json

import pytest
import torch
from small_models import scramble
from transformers import BertConfig, BertForMaskedLM, BertForTokenClassification, BertModel

from clipbio.checkpoint_files import CHECKPOINT_FORMAT
from clipbio.dna import BarcodeTokenizer
from clipbio.errors import ClipbioError
from clipbio.models import BertDna, ConvDna, towers

LONG, SHORT = "ACGTTGCATTGACCAGTACG", "GATTACAG"
SHAPE = {"layers": 2, "heads": 2, "width": 16, "max_positions": 24}
KMERS = BarcodeTokenizer(k=2, max_length=20, vocabulary="barcodebert")
CLIBD = BarcodeTokenizer(k=2, max_length=20, vocabulary="clibd")


def stock(kind, tokenizer, **config):
    shape = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 64}
    own = {"vocab_size": tokenizer.vocab_size, "max_position_embeddings": 24, "num_labels": 16}
    torch.manual_seed(3)
    return scramble(kind(BertConfig(**shape | own | config))).eval()


def bert(weights, tokenizer=KMERS, **settings):
    return BertDna(tokenizer=tokenizer, weights=str(weights), **SHAPE | settings).build(dim=8).eval()


@pytest.mark.parametrize("kind", [BertForTokenClassification, BertForMaskedLM, BertModel])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_a_folder_in_barcodeberts_layout_gives_the_same_states(tmp_path, kind, form):
    model = stock(kind, KMERS)
    model.save_pretrained(tmp_path)
    if form == "bin":
        (tmp_path / "model.safetensors").unlink()
        torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    trunk = bert(tmp_path).trunk
    tokens_BL = KMERS([LONG, SHORT])
    mask_BL = KMERS.attention_mask(tokens_BL)
    with torch.no_grad():
        bare = model if kind is BertModel else model.bert
        ids_BL = tokens_BL.masked_fill(tokens_BL < 0, KMERS.unk_id)
        expected_BLF = bare(input_ids=ids_BL, attention_mask=mask_BL.long()).last_hidden_state
        states_BLF = trunk.states(tokens_BL)[0]
    assert torch.equal(states_BLF[mask_BL], expected_BLF[mask_BL])
    with torch.no_grad():
        torch.testing.assert_close(trunk(tokens_BL)[1], expected_BLF[1][mask_BL[1]].mean(dim=0), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("prefix", ["", "module.", "dna_encoder.base_dna_encoder."])
def test_a_bare_file_as_clibd_saves_it(tmp_path, prefix):
    model = stock(BertForMaskedLM, CLIBD)
    model.cls.predictions.decoder = scramble(torch.nn.Linear(16, 16), seed=4)
    state = {f"{prefix}{name}": value for name, value in model.state_dict().items()}
    if prefix.startswith("dna_encoder"):
        other = stock(BertModel, BarcodeTokenizer(k=3))
        state = {f"language_encoder.{name}": value for name, value in other.state_dict().items()} | state
    torch.save({"model": state}, tmp_path / "model_41.pth")
    tower = bert(tmp_path / "model_41.pth", CLIBD, pooling="softmax_mean")
    tokens_BL = CLIBD([LONG, SHORT])
    with torch.no_grad():
        logits_BLF = model.cls.predictions(model.bert(tokens_BL).last_hidden_state)
        torch.testing.assert_close(tower.features(tokens_BL), logits_BLF.softmax(dim=-1).mean(dim=1))


def test_the_decoder_over_tokens_is_left_behind(tmp_path):
    model = stock(BertForMaskedLM, CLIBD)
    torch.save(model.state_dict(), tmp_path / "bert.pth")
    pool = bert(tmp_path / "bert.pth", CLIBD, pooling="softmax_mean").trunk.pool
    assert torch.equal(pool.transform["dense"].weight, model.cls.predictions.transform.dense.weight)
    assert pool.decoder.weight.shape == (16, 16)


def run_of(folder, recipe, **config):
    """Write the run folder of a model whose only tower is that of the recipe."""
    model = towers(dna=recipe, dim=8)
    scramble(model)
    config |= {"_target_": f"clipbio.models.{type(recipe).__name__}", "weights": None}
    config |= recipe.settings()
    config["tokenizer"] = {"_target_": "clipbio.dna.BarcodeTokenizer", **recipe.tokenizer.settings}
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    state["decoder.weight"] = torch.zeros(3, 3)
    path = folder / "checkpoints" / "best.ckpt"
    path.parent.mkdir(parents=True)
    head = {"format": CHECKPOINT_FORMAT, "config": {"model": {"dna": config}}}
    torch.save({"clipbio": head, "state_dict": state}, path)
    return model.tower("dna")


OURS = BarcodeTokenizer(k=2, max_length=20)
RECIPES = {
    "bert": BertDna(tokenizer=OURS, **SHAPE),
    "bert_without_last_block": BertDna(tokenizer=OURS, layer=1, **SHAPE | {"layers": 1}),
    "conv": ConvDna(tokenizer=OURS, layers=2, width=8),
}


def with_weights(recipe, weights, **changes):
    given = {"tokenizer": recipe.tokenizer, **recipe.settings(), "weights": str(weights)} | changes
    return type(recipe)(**given).build(dim=4)


@pytest.mark.parametrize("kind", RECIPES)
@pytest.mark.parametrize("place", [".", "checkpoints/best.ckpt"])
def test_the_trunk_of_a_run_is_taken_over(tmp_path, kind, place):
    trained = run_of(tmp_path, RECIPES[kind])
    tower = with_weights(RECIPES[kind], tmp_path / place)
    assert tower.trunk.fingerprint() == with_weights(RECIPES[kind], tmp_path / place).trunk.fingerprint()
    assert tower.dim() == 4
    for name, value in trained.trunk.state_dict().items():
        assert torch.equal(tower.trunk.state_dict()[name], value), name


def test_another_pooling_or_layer_takes_the_same_weights(tmp_path):
    trained = run_of(tmp_path, RECIPES["bert"])
    tower = with_weights(RECIPES["bert"], tmp_path, layer=1, pooling="max")
    assert len(tower.trunk.encoder.encoder.layer) == 1
    for name, value in tower.trunk.state_dict().items():
        assert torch.equal(trained.trunk.state_dict()[name], value), name


def test_a_checkpoint_that_follows_makes_weights_needless():
    tower = BertDna(tokenizer=KMERS, weights="/nowhere/model", **SHAPE).build(dim=8, load_weights=False)
    assert tower.trunk.width == 16


def refused(match, build, *args, **settings):
    with pytest.raises(ClipbioError, match=match) as caught:
        build(*args, **settings)
    assert "\n" not in str(caught.value)


def test_settings_that_differ_are_named_as_overrides(tmp_path):
    run_of(tmp_path, RECIPES["bert"])
    for match, changes in (
        (r"other settings; set model\.dna\.layers=2 model\.dna\.heads=2$", {"layers": 3, "heads": 4}),
        (
            r"set model\.dna\.tokenizer\.k=2 model\.dna\.tokenizer\.stride=2$",
            {"tokenizer": BarcodeTokenizer(max_length=20)},
        ),
        (r"set model\.dna\.tokenizer\.cls=true$", {"tokenizer": BarcodeTokenizer(k=2, max_length=20, cls=False)}),
    ):
        refused(match, with_weights, RECIPES["bert"], tmp_path, **changes)
    refused(
        r"the kind BertDna, this one is ConvDna; choose the kind with model/dna=",
        with_weights,
        RECIPES["conv"],
        tmp_path,
    )


def test_sizes_of_published_weights_that_differ_are_named(tmp_path):
    stock(BertForTokenClassification, KMERS).save_pretrained(tmp_path)
    refused(
        r"set model\.dna\.layers=2 model\.dna\.width=16 model\.dna\.intermediate=64", bert, tmp_path, layers=4, width=32
    )
    refused(
        r"knows 18 tokens, the tokenizer makes 66; set model\.dna\.tokenizer\.vocabulary=barcodebert model\.dna\.tokenizer\.k=2",
        bert, tmp_path, BarcodeTokenizer(k=3, max_length=20, vocabulary="barcodebert"),
    )  # fmt: skip
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    refused("a bert model with relu; only BERT with gelu fits", bert, tmp_path)
    (tmp_path / "config.json").write_text("{")
    refused("cannot be read", bert, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    refused("holds no model.safetensors or pytorch_model.bin", bert, tmp_path)


def test_what_is_no_weights_is_refused(tmp_path):
    refused("there is no file or folder '/nowhere/model'", bert, "/nowhere/model")
    refused("there is no file or folder 'some/file.pth'", bert, "some/file.pth")
    refused("holds neither config.json .* nor checkpoints/", bert, tmp_path)
    (tmp_path / "checkpoints").mkdir()
    refused("is it a run folder", bert, tmp_path)
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "fc.pth")
    refused("is no BERT: no weight in it is named embeddings.word_embeddings.weight", bert, tmp_path / "fc.pth")
    state = stock(BertModel, KMERS).state_dict()
    del state["encoder.layer.1.output.dense.bias"]
    torch.save(state, tmp_path / "part.pth")
    refused("lacks weight 'encoder.layer.1.output.dense.bias'", bert, tmp_path / "part.pth")


def test_a_run_without_dna_or_with_adapters_is_refused(tmp_path):
    pytest.importorskip("peft", reason="the extra lora is not installed")
    run_of(tmp_path / "lora", ConvDna(tokenizer=OURS, layers=2, width=8, lora={"rank": 2}))
    refused("has adapters; merge them with 'python -m clipbio export", with_weights, RECIPES["conv"], tmp_path / "lora")
    run_of(tmp_path / "none", RECIPES["conv"])
    path = tmp_path / "none" / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["clipbio"]["config"]["model"]["dna"] = None
    torch.save(checkpoint, path)
    refused("has no DNA tower", with_weights, RECIPES["conv"], path)
