import copy
import math

import pytest
import torch
from torch import nn

from clipbio.errors import ClipbioError
from clipbio.models import ImageSpec, ImageTrunk, MultiTower, TextTrunk, Tower, TowerOptions, build_projection
from clipbio.models.tokenizer import Tokenizer

SPEC = ImageSpec(size=(8, 8), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))


class Convolutions(nn.Module):
    """Two blocks with batch norm and dropout between a stem and a final norm."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Dropout(0.5)) for _ in range(2)
        )
        self.norm = nn.LayerNorm(6)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.norm(x.mean(dim=(2, 3)))


def image_tower(seed=0, projection="linear", **options):
    torch.manual_seed(seed)
    trunk = ImageTrunk(Convolutions(), width=6, spec=SPEC, config={"name": "convolutions"})
    return TowerOptions(projection=projection, **options).tower(trunk, dim=4)


def encode(texts, length):
    rows = [[1 + ord(letter) % 9 for letter in text][:length] for text in texts]
    return torch.tensor([row + [0] * (length - len(row)) for row in rows])


def text_tower(dim=4):
    encoder = nn.Sequential(nn.EmbeddingBag(10, 5, padding_idx=0))
    trunk = TextTrunk(encoder, width=5, tokenizer=Tokenizer(encode, context_length=6, pad_id=0), config={})
    return Tower(trunk, {"default": build_projection("linear", 5, dim=dim)})


@pytest.fixture
def pixels():
    return torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def test_pixels_are_normalised_by_the_trunk(pixels):
    trunk = image_tower().trunk
    expected = torch.stack([(pixels[:, c] / 255 - SPEC.mean[c]) / SPEC.std[c] for c in range(3)], dim=1)
    torch.testing.assert_close(trunk.normalise(pixels), expected, atol=1e-5, rtol=0)
    assert not [name for name in trunk.state_dict() if name in ("mean", "std")]


@pytest.mark.parametrize("projection", ["linear", "mlp"])
@pytest.mark.parametrize("norm", ["none", "layer", "l2", "standard"])
def test_cached_features_give_the_same_vectors(pixels, projection, norm):
    tower = image_tower(projection=projection, input_norm=norm).eval()
    full = tower(pixels)
    assert torch.equal(tower(tower.features(pixels)), full)
    torch.testing.assert_close(full.norm(dim=-1), torch.ones(5))
    half = tower(tower.features(pixels).half())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, atol=5e-3, rtol=0)


def test_standard_norm_is_that_of_what_training_met():
    tower = image_tower(unlocked=0, input_norm="standard").train()
    norm = tower.projections["default"].input_norm
    met_NF = torch.randn(12, 6, generator=torch.Generator().manual_seed(1)) * 3 + torch.arange(6) * 10
    for part in met_NF.split(4):
        before = norm.mean.clone()
        tower(part)
        tower(part)  # a second pass over micro-batches
        assert torch.equal(norm.mean, before)
        norm.settle()
    torch.testing.assert_close(norm.mean, met_NF.mean(dim=0))
    torch.testing.assert_close(norm.variance, met_NF.var(dim=0, unbiased=False))
    tower.eval()(met_NF + 5)
    tower.train()(met_NF[:1])
    norm.settle()
    assert norm.batches == 3
    expected_NF = (met_NF - met_NF.mean(dim=0)) / met_NF.std(dim=0, unbiased=False)
    torch.testing.assert_close(norm.eval()(met_NF), expected_NF, atol=1e-4, rtol=1e-4)
    for _ in range(500):
        norm.train()(met_NF + 100)
        norm.settle()
    torch.testing.assert_close(norm.mean, met_NF.mean(dim=0) + 100, atol=2.0, rtol=0)


def test_standard_norm_spreads_features_that_all_point_one_way():
    tower = image_tower(unlocked=0, input_norm="standard").train()
    features_NF = 100 + torch.randn(64, 6, generator=torch.Generator().manual_seed(2))
    tower(features_NF)
    tower.projections["default"].input_norm.settle()
    vectors_ND = tower.eval()(features_NF).detach()
    assert abs(float((vectors_ND @ vectors_ND.T).mean())) < 0.1
    plain_ND = image_tower(unlocked=0).eval()(features_NF).detach()
    assert float((plain_ND @ plain_ND.T).mean()) > 0.99


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_vectors_are_exact_units_in_half_precision(pixels, dtype):
    tower = image_tower(projection="mlp").train()
    with torch.autocast("cpu", dtype):
        vectors = tower(pixels)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(5), atol=1e-6, rtol=0)
    full = image_tower(projection="mlp").train()(pixels)
    assert 0 < (vectors - full).abs().max() < 1.0


def test_features_of_another_model_are_refused():
    with pytest.raises(ClipbioError, match="7 columns, the trunk gives 6"):
        image_tower()(torch.zeros(2, 7))


@pytest.mark.parametrize(("unlocked", "expected"), [(0, 0), (1, 354), (2, 696), (3, 864), ("all", 864)])
def test_unlocked_counts_trainable_weights(unlocked, expected):
    # Stem 168, a block 342 (convolution 330, batch norm 12), final norm 12 with the last block.
    tower = image_tower(unlocked=unlocked)
    assert sum(parameter.numel() for parameter in tower.trunk.parameters() if parameter.requires_grad) == expected
    assert tower.frozen == (unlocked == 0)
    assert all(parameter.requires_grad for parameter in tower.projections.parameters())


def test_a_tower_can_be_unlocked_again():
    tower = image_tower(unlocked=0)
    tower.unlock(1)
    assert not tower.trunk.encoder.stem.weight.requires_grad
    assert tower.trunk.encoder.blocks[1].training
    tower.unlock("all")
    assert tower.trunk.encoder.stem.weight.requires_grad
    assert tower.trunk.encoder.blocks[0].training


def test_weights_fixed_by_the_architecture_stay_fixed():
    trunk = image_tower().trunk
    trunk.encoder.stem.bias.requires_grad_(False)
    tower = Tower(trunk, {"default": build_projection("linear", 6, dim=4)}, unlocked=3)
    assert not tower.trunk.encoder.stem.bias.requires_grad
    assert tower.trunk.encoder.stem.weight.requires_grad


def test_too_many_groups_are_refused():
    with pytest.raises(ClipbioError, match=r"model.image.unlocked=4: the trunk has 3 groups"):
        image_tower(unlocked=4)


def test_a_trunk_without_blocks_cannot_be_unlocked_in_part():
    with pytest.raises(ClipbioError, match="use unlocked=all or unlocked=0"):
        text_tower().unlock(1)


def test_frozen_trunk_is_the_same_in_training(pixels):
    model = MultiTower({"image": image_tower(unlocked=0)})
    before = copy.deepcopy(model.state_dict())
    model.train()
    first, second = (model({"image": pixels})["image"] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first, model.eval()({"image": pixels})["image"])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_frozen_blocks_keep_their_statistics_and_trained_ones_move(pixels):
    tower = image_tower(unlocked=1)
    tower.train()
    tower(pixels)
    statistics = [block[1].running_mean.abs().sum().item() for block in tower.trunk.encoder.blocks]
    assert statistics[0] == 0
    assert statistics[1] > 0
    assert not tower.trunk.encoder.blocks[0][2].training
    assert tower.trunk.encoder.blocks[1][2].training


def test_only_the_projection_of_a_frozen_trunk_gets_gradients(pixels):
    tower = image_tower(unlocked=0)
    tower(pixels).sum().backward()
    assert tower.projections["default"].body.weight.grad is not None
    assert all(parameter.grad is None for parameter in tower.trunk.parameters())


def test_a_whole_tower_can_be_frozen(pixels):
    tower = image_tower(unlocked=0, train_projection=False, dropout=0.5).train()
    assert not tower(pixels).requires_grad
    assert torch.equal(tower(pixels), tower(pixels))


def test_dropout_acts_on_cached_features():
    tower = image_tower(unlocked=0, dropout=0.5).train()
    assert not torch.equal(tower(torch.ones(3, 6)), tower(torch.ones(3, 6)))


def test_fingerprint_follows_every_weight():
    tower = image_tower()
    prints = [tower.fingerprint()]
    assert image_tower().fingerprint() == prints[0]
    with torch.no_grad():
        for tensor in tower.trunk.state_dict().values():
            tensor.view(-1)[0] += 1
            prints.append(tower.fingerprint())
    assert len(set(prints)) == len(prints) > 10


def test_fingerprint_follows_dtype_transform_and_architecture_but_not_the_projection():
    tower = image_tower()
    first = tower.fingerprint()
    with torch.no_grad():
        tower.projections["default"].body.weight += 1
    assert tower.fingerprint() == first
    assert copy.deepcopy(tower).double().fingerprint() != first
    for spec, config in (
        (ImageSpec(size=(8, 8), mean=SPEC.mean, std=SPEC.std, crop_fraction=0.875), {"name": "convolutions"}),
        (SPEC, {"name": "others"}),
    ):
        other = ImageTrunk(tower.trunk.encoder, width=6, spec=spec, config=config)
        assert other.fingerprint() != first


def test_fingerprint_of_text_follows_the_tokenizer():
    trunk = text_tower().trunk
    others = [
        Tokenizer(encode, context_length=7, pad_id=0),
        Tokenizer(lambda t, n: encode(t, n) * 2, context_length=6, pad_id=0),
    ]
    prints = {TextTrunk(trunk.encoder, width=5, tokenizer=other, config={}).fingerprint() for other in others}
    assert len(prints | {trunk.fingerprint()}) == 3


def test_model_encodes_the_modalities_it_is_given(pixels):
    model = MultiTower({"image": image_tower(unlocked=0), "text": text_tower()})
    assert set(model({"image": pixels})) == {"image"}
    both = model({"image": pixels, "text": model.tower("text").trunk.tokenizer(["ab", "abcdefghij"])})
    assert (both["image"].shape, both["text"].shape) == ((5, 4), (2, 4))
    assert model.dim == 4
    assert model.initial_logit_scale == pytest.approx(math.log(1 / 0.07))
    assert [tuple(count) for count in model.summary()] == [("image", 888, 24), ("text", 70, 70)]


def test_model_refuses_what_it_does_not_know(pixels):
    model = MultiTower({"image": image_tower(), "text": text_tower()})
    with pytest.raises(ClipbioError, match="no imago tower; did you mean 'image'"):
        model({"imago": pixels})


def test_further_projections_begin_as_copies_and_a_tower_without_them_uses_its_default(pixels):
    model = MultiTower({"image": image_tower(projections=["replay"], dropout=0.1), "text": text_tower()}).eval()
    inputs = {"image": pixels, "text": encode(["a", "b"], 6)}
    one, other = model(inputs), model(inputs, "replay")
    assert all(torch.equal(one[name], other[name]) for name in inputs)
    with torch.no_grad():
        model.tower("image").projections["replay"].body.weight.neg_()
    changed = model(inputs, "replay")
    assert torch.equal(changed["image"], -one["image"])
    assert torch.equal(changed["text"], one["text"])
    assert torch.equal(model(inputs)["image"], one["image"])
    for names in (["default"], ["a", "a"], ["a.b"]):
        with pytest.raises(ClipbioError, match="must be distinct names"):
            TowerOptions(projections=names)


def test_towers_must_share_one_space():
    with pytest.raises(ClipbioError, match=r"image 4, text 5"):
        MultiTower({"image": image_tower(), "text": text_tower(dim=5)})


def test_projection_kinds_are_checked():
    with pytest.raises(ClipbioError, match="did you mean 'linear'"):
        build_projection("liner", 4, dim=4)
    with pytest.raises(ClipbioError, match="comes without a projection"):
        image_tower(projection="pretrained")
