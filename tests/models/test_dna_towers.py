"""DNA towers: padding changes nothing, poolings, layers, identity, refused settings."""

import pytest
import torch
from small_models import scramble

from clipbio.dna import BarcodeTokenizer
from clipbio.errors import ClipbioError
from clipbio.models import BertDna, ConvDna

LONG, SHORT = "ACGTTGCATTGACCAGTACG", "GATTACAG"
SMALL = {"layers": 3, "heads": 2, "width": 16, "trunk_dropout": 0.0}


def tokenizer(max_length=20, **settings):
    return BarcodeTokenizer(**{"k": 2, "max_length": max_length} | settings)


def bert(seed=0, **settings):
    torch.manual_seed(seed)
    tower = BertDna(**{"tokenizer": tokenizer()} | SMALL | settings).build(dim=8).eval()
    scramble(tower.trunk)
    return tower


def conv(seed=0, **settings):
    torch.manual_seed(seed)
    tower = ConvDna(**{"tokenizer": tokenizer(stride=1), "layers": 2, "width": 12, "kernel": 5} | settings)
    built = tower.build(dim=8).eval()
    scramble(built.trunk)
    return built


MAKERS = {"bert": bert, "conv": conv}
VARIANTS = [
    ("bert", {"pooling": "mean"}),
    ("bert", {"pooling": "max"}),
    ("bert", {"pooling": "first"}),
    ("bert", {"layer": "mean"}),
    ("bert", {"tokenizer": tokenizer(vocabulary="barcodebert")}),
    ("conv", {"pooling": "mean"}),
    ("conv", {"pooling": "max"}),
    ("conv", {"tokenizer": tokenizer(stride=1, cls=False)}),
]


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_padding_changes_nothing(kind, settings):
    tower = MAKERS[kind](**settings)
    tokens_BL = tower.trunk.tokenizer([LONG, SHORT])
    together = tower.features(tokens_BL)
    length = int(tower.trunk.tokenizer.attention_mask(tokens_BL[1:]).sum())
    assert 2 < length < tokens_BL.shape[1]
    alone = tower.features(tokens_BL[1:, :length])
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-4)
    assert (together[0] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize("kind", MAKERS)
def test_states_keep_the_length_and_tell_what_is_there(kind):
    trunk = MAKERS[kind]().trunk
    tokens_BL = trunk.tokenizer([SHORT, SHORT])
    tokens_BL[0, 2] = trunk.tokenizer.mask_id
    states_BLF, mask_BL = trunk.states(tokens_BL)
    assert states_BLF.shape == (2, trunk.context_length, trunk.width)
    assert torch.equal(mask_BL, trunk.tokenizer.attention_mask(tokens_BL))
    assert not torch.equal(states_BLF[0, 2], states_BLF[1, 2])
    pooled = states_BLF[1][mask_BL[1]].mean(dim=0)
    torch.testing.assert_close(trunk(tokens_BL)[1], pooled, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_row_without_tokens_is_finite(kind, pooling):
    tower = MAKERS[kind](pooling=pooling, tokenizer=tokenizer(cls=False))
    tokens_BL = tower.trunk.tokenizer([LONG, ""])
    tower(tokens_BL).sum().backward()
    assert torch.equal(tower.features(tokens_BL)[1], torch.zeros(tower.trunk.width))
    assert all(one.grad.isfinite().all() for one in tower.parameters() if one.grad is not None)
    assert tower.features(tokens_BL[1:]).isfinite().all()
    assert tower.features(tokens_BL[:0]).shape == (0, tower.trunk.width)


def test_poolings_by_hand():
    for pooling, expected in (
        ("mean", lambda states: states.mean(dim=0)),
        ("max", lambda states: states.amax(dim=0)),
        ("first", lambda states: states[0]),
    ):
        trunk = bert(pooling=pooling).trunk
        tokens_BL = trunk.tokenizer([SHORT])
        states_BLF, mask_BL = trunk.states(tokens_BL)
        torch.testing.assert_close(trunk(tokens_BL)[0], expected(states_BLF[0][mask_BL[0]]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("load_weights", [True, False])
def test_the_published_tower_without_its_weights_is_warned_of(load_weights, caplog):
    recipe = BertDna(tokenizer=tokenizer(vocabulary="clibd"), pooling="softmax_mean", width=16, layers=1)
    recipe.build(dim=16, load_weights=load_weights)
    assert ("begins with random weights" in caplog.text) is load_weights


def test_softmax_mean_by_hand():
    trunk = bert(tokenizer=tokenizer(vocabulary="clibd"), pooling="softmax_mean").trunk
    tokens_BL = trunk.tokenizer([LONG, SHORT])
    assert tokens_BL.shape == (2, 11)
    with torch.no_grad():
        states_BLF = trunk.encoder(tokens_BL).last_hidden_state
        dense, layer_norm = trunk.pool.transform["dense"], trunk.pool.transform["LayerNorm"]
        hidden_BLF = torch.nn.functional.gelu(states_BLF @ dense.weight.T + dense.bias)
        mean_BL1 = hidden_BLF.mean(dim=-1, keepdim=True)
        spread_BL1 = hidden_BLF.var(dim=-1, unbiased=False, keepdim=True)
        normed_BLF = (hidden_BLF - mean_BL1) / (spread_BL1 + 1e-12).sqrt() * layer_norm.weight + layer_norm.bias
        power_BLF = (normed_BLF @ trunk.pool.decoder.weight.T + trunk.pool.decoder.bias).exp()
        expected_BF = (
            sum(power_BLF[:, place] / power_BLF[:, place].sum(dim=-1, keepdim=True) for place in range(11)) / 11
        )
    torch.testing.assert_close(trunk(tokens_BL), expected_BF, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(trunk(tokens_BL).sum(dim=-1), torch.ones(2))


def test_layers_are_counted_from_either_end_and_the_rest_is_cut_off():
    whole = bert().trunk
    tokens_BL = whole.tokenizer([LONG, SHORT])
    mask_BL = whole.tokenizer.attention_mask(tokens_BL)
    hidden = whole.encoder(tokens_BL, mask_BL.long(), output_hidden_states=True).hidden_states
    for layer, kept, expected_BLF in ((2, 2, hidden[2]), (-2, 2, hidden[2]), (-3, 1, hidden[1]), (3, 3, hidden[3])):
        trunk = BertDna(tokenizer=tokenizer(), layer=layer, **SMALL).build(dim=8).eval().trunk
        trunk.load_state_dict({name: whole.state_dict()[name] for name in trunk.state_dict()})
        assert len(trunk.encoder.encoder.layer) == kept
        torch.testing.assert_close(trunk.states(tokens_BL)[0][mask_BL], expected_BLF[mask_BL], atol=1e-5, rtol=1e-4)
    mean = BertDna(tokenizer=tokenizer(), layer="mean", **SMALL).build(dim=8).eval().trunk
    mean.load_state_dict(whole.state_dict())
    expected_BLF = (hidden[1] + hidden[2] + hidden[3]) / 3
    torch.testing.assert_close(mean.states(tokens_BL)[0][mask_BL], expected_BLF[mask_BL], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("bert", [{"pooling": "max"}, {"layer": "mean"}, {"tokenizer": tokenizer(ambiguity="resolve")}]),
        ("conv", [{"pooling": "max"}, {"dilation": 1}, {"tokenizer": tokenizer(stride=1, gaps="keep")}]),
    ],
)
def test_what_decides_features_is_in_the_fingerprint(kind, changes):
    make = MAKERS[kind]
    first = make().fingerprint()
    assert make().fingerprint() == first == make(trunk_dropout=0.5).fingerprint()
    prints = {make(**change).fingerprint() for change in changes}
    assert len(prints | {first}) == len(changes) + 1


@pytest.mark.parametrize(
    ("kind", "settings"), [*VARIANTS, ("bert", {"pooling": "softmax_mean"}), ("bert", {"layer": 1})]
)
def test_every_weight_takes_part(kind, settings):
    tower = MAKERS[kind](**settings).train()
    tower(tower.trunk.tokenizer([LONG, SHORT])).sum().backward()
    assert [name for name, one in tower.named_parameters() if one.grad is None] == []


def test_an_untrained_conv_tower_is_near_a_projection_of_kmer_counts():
    torch.manual_seed(0)
    tower = ConvDna(tokenizer=BarcodeTokenizer(k=3, stride=1, max_length=300, cls=False), width=64).build(dim=8).eval()
    generator = torch.Generator().manual_seed(1)
    letters_BN = torch.randint(0, 4, (20, 300), generator=generator)
    letters_BN[10:] = letters_BN[:10].where(torch.rand(10, 300, generator=generator) < 0.9, letters_BN[10:])
    barcodes = ["".join("ACGT"[letter] for letter in row) for row in letters_BN.tolist()]
    features_BF = torch.nn.functional.normalize(tower.features(tower.trunk.tokenizer(barcodes)).detach(), dim=-1)
    similar_BB = features_BF[10:] @ features_BF[:10].T
    assert torch.equal(similar_BB.argmax(dim=1), torch.arange(10))


def refused(match, recipe, **settings):
    with pytest.raises(ClipbioError, match=match) as caught:
        recipe(**settings).build(dim=8)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("match", "settings"),
    [
        ("unknown pooling 'maen'; did you mean 'mean'", {"pooling": "maen"}),
        (r"set model\.dna\.tokenizer\.cls=true", {"pooling": "first", "tokenizer": tokenizer(cls=False)}),
        ("width=16 must be a multiple of heads=3", {"heads": 3}),
        ("a barcode has 11 tokens, BERT has max_positions=10", {"max_positions": 10}),
        ("layer is 1 to 3, -3 to -1, or mean, not 4", {"layer": 4}),
        ("layer is 1 to 3, -3 to -1, or mean, not 0", {"layer": 0}),
        (r"trunk_dropout lies in \[0, 1\)", {"trunk_dropout": 1.0}),
        ("layers is a number from 1 on", {"layers": 0}),
    ],
)
def test_settings_of_bert_are_checked(match, settings):
    refused(match, BertDna, **{"tokenizer": tokenizer()} | SMALL | settings)


def test_settings_of_conv_are_checked():
    refused("kernel is odd", ConvDna, tokenizer=tokenizer(), kernel=4)
    refused("width is a number from 1 on", ConvDna, tokenizer=tokenizer(), width=0)
    refused("unknown pooling 'first'", ConvDna, tokenizer=tokenizer(), pooling="first")
    refused("is no run folder and no .ckpt file", ConvDna, tokenizer=tokenizer(), weights="nowhere")
