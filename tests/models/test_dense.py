"""Features of places: with ordinary attention they are the trunk's own tokens; other attention equals explicit loops."""

import pytest
import torch
from small_models import ARCHITECTURES
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.models import TimmImage, openclip
from clipbio.models.dense import cell, dense_features, dense_methods
from clipbio.models.dense_attention import mixed_attention
from clipbio.models.dense_vit import vit_tokens

VITS = ["vit", "vit_custom_text", "vit_attention_pool", "timm_mlp", "timm_classifier", "siglip"]
PICTURED = [name for name in ARCHITECTURES if name != "hugging_face_text"]


def trunk_of(openclip_folder, name):
    return openclip(str(openclip_folder(name))).eval().tower("image").trunk


def pictures(trunk, scale=1, count=2):
    height, width = trunk.spec.size
    generator = torch.Generator().manual_seed(3)
    size = (count, 3, height * scale, width * scale)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)


def body_of(trunk):
    return getattr(trunk.encoder, "trunk", trunk.encoder)


def pooled(trunk, states):
    """What the encoder itself makes of tokens that a norm has seen already."""
    body = body_of(trunk)
    if hasattr(body, "forward_head"):
        return trunk.encoder.head(body.forward_head(states)) if body is not trunk.encoder else body.forward_head(states)
    if body.attn_pool is not None or body.final_ln_after_pool:
        return body._pool(states)[0]
    return states[:, 1:].mean(dim=1) if body.pool_type == "avg" else states[:, 0]


@pytest.mark.parametrize("name", VITS)
@torch.no_grad()
def test_ordinary_attention_gives_the_trunks_own_output(openclip_folder, name):
    trunk = trunk_of(openclip_folder, name)
    images = pictures(trunk)
    states = vit_tokens(body_of(trunk)).states(trunk.normalise(images), "raw")
    torch.testing.assert_close(pooled(trunk, states), trunk(images), atol=2e-5, rtol=0)


@torch.no_grad()
def test_the_mean_of_an_average_pooled_trunk_is_its_output():
    for name in ("test_vit", "test_vit2"):
        tower = TimmImage(name=name, image_size=64).build(dim=8).eval()
        body = tower.trunk.encoder
        body.global_pool = "avg"
        images = pictures(tower.trunk)
        assert dense_methods(tower.trunk) == ("raw", "maskclip", "sclip")
        states = vit_tokens(body).states(tower.trunk.normalise(images), "raw")
        torch.testing.assert_close(body.forward_head(states), tower.trunk(images), atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", ["timm_linear", "timm_nested_classifier"])
@torch.no_grad()
def test_a_map_of_one_place_is_the_output_and_a_larger_one_averages_to_it(openclip_folder, name):
    trunk = trunk_of(openclip_folder, name)
    assert dense_methods(trunk) == ("conv",)
    images = pictures(trunk)
    dense = dense_features(trunk, images, "conv")
    assert dense.shape[:2] == (2, trunk.width)
    if name == "timm_linear":  # nothing but a linear pooling follows
        torch.testing.assert_close(dense.mean(dim=(2, 3)), trunk(images), atol=1e-5, rtol=0)
    one = trunk.normalise(images)[:, :, :32, :32]
    map_one = body_of(trunk).forward_features(one)
    assert map_one.shape[2:] == (1, 1)
    alone = dense_features(trunk, images[:, :, :32, :32], "conv")[..., 0, 0]
    torch.testing.assert_close(alone, trunk.encoder(one), atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_map_of_a_resnet_is_what_its_attention_pool_would_mix(openclip_folder):
    trunk = trunk_of(openclip_folder, "resnet")
    images = pictures(trunk)
    dense = dense_features(trunk, images, "conv")
    body = trunk.encoder
    map_ = trunk.normalise(images)
    for part in (body.stem, body.layer1, body.layer2, body.layer3, body.layer4):
        map_ = part(map_)
    torch.testing.assert_close(body.attnpool(map_), trunk(images))
    place = body.attnpool.c_proj(body.attnpool.v_proj(map_[:, :, 0, 0]))
    torch.testing.assert_close(dense[:, :, 0, 0], place)


@pytest.mark.parametrize("name", ["vit", "timm_classifier"])
@pytest.mark.parametrize("mixing", ["raw", "maskclip", "sclip"])
@torch.no_grad()
def test_mixing_equals_loops_over_heads_and_tokens(openclip_folder, name, mixing):
    body = body_of(trunk_of(openclip_folder, name))
    attention = vit_tokens(body).blocks[-1].attn
    width = attention.embed_dim if hasattr(attention, "in_proj_weight") else attention.proj.in_features
    states = torch.randn(1, 5, width, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(mixed_attention(attention, states, mixing), by_loops(attention, states, mixing))


def by_loops(attention, states, mixing):
    if hasattr(attention, "in_proj_weight"):
        weight, bias, out = attention.in_proj_weight, attention.in_proj_bias, attention.out_proj
    else:
        weight, bias, out = attention.qkv.weight, attention.qkv.bias, attention.proj
    length, width = states.shape[1:]
    parts = [(weight @ token + bias).chunk(3) for token in states[0]]
    each = width // attention.num_heads
    mixed = torch.zeros(length, width)
    for start in range(0, width, each):
        own = slice(start, start + each)
        for here in range(length):
            for there, share in enumerate(shares(parts, here, own, mixing)):
                mixed[here, own] += share * parts[there][2][own]
    return out(mixed)[None]


def shares(parts, here, own, mixing):
    """How much one token of one head takes of each token."""

    def softmax(asked, answering):
        logits = [parts[here][asked][own] @ other[answering][own] for other in parts]
        return (torch.stack(logits) / (own.stop - own.start) ** 0.5).softmax(dim=0)

    if mixing == "maskclip":
        return [float(there == here) for there in range(len(parts))]
    return softmax(0, 1) if mixing == "raw" else softmax(0, 0) + softmax(1, 1)


@pytest.mark.parametrize("kind", ["openclip_image", "timm"])
def test_adapters_take_part_and_merging_them_changes_nothing(make_tower, kind):
    from clipbio.models.lora import merge_adapters

    tower = make_tower(kind, lora={"rank": 2}).eval()
    with torch.no_grad():
        for name, weight in tower.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.3, generator=torch.Generator().manual_seed(2))
        images = pictures(tower.trunk)
        before = {method: dense_features(tower.trunk, images, method) for method in dense_methods(tower.trunk)}
        states = vit_tokens(body_of(tower.trunk)).states(tower.trunk.normalise(images), "raw")
        torch.testing.assert_close(pooled(tower.trunk, states), tower.trunk(images), atol=2e-5, rtol=0)
        merge_adapters(tower)
        assert len(before) == 3
        for method, features in before.items():
            torch.testing.assert_close(dense_features(tower.trunk, images, method), features, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", PICTURED)
@torch.no_grad()
def test_larger_pictures_have_more_places(openclip_folder, name):
    trunk = trunk_of(openclip_folder, name)
    if name == "timm_attention_pool":
        assert dense_methods(trunk) == ()
        return
    for method in dense_methods(trunk):
        small, large = (dense_features(trunk, pictures(trunk, scale, 1), method) for scale in (1, 2))
        assert small.shape[1] == large.shape[1] == trunk.width
        assert [2 * side for side in small.shape[2:]] == list(large.shape[2:])
        assert torch.isfinite(large).all()


@torch.no_grad()
def test_places_know_their_surroundings_only_through_attention(openclip_folder):
    """MaskCLIP of one block: a token is its own value, so a change elsewhere does not reach it."""
    body = body_of(trunk_of(openclip_folder, "vit"))
    attention = vit_tokens(body).blocks[-1].attn
    states = torch.randn(1, 4, attention.embed_dim)
    changed = states.clone()
    changed[:, 3] += 1
    for mixing, same in (("maskclip", True), ("sclip", False), ("raw", False)):
        one, other = (mixed_attention(attention, each, mixing)[:, 0] for each in (states, changed))
        assert torch.allclose(one, other, atol=1e-6) == same


@torch.no_grad()
def test_autocast_is_near_to_full_precision(openclip_folder):
    trunk = trunk_of(openclip_folder, "vit")
    images = pictures(trunk)
    for method in ("raw", "maskclip", "sclip"):
        full = dense_features(trunk, images, method)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = dense_features(trunk, images, method)
        assert functional.cosine_similarity(full, half.float(), dim=1).min() > 0.99


def test_what_a_trunk_cannot_do_is_told(openclip_folder):
    trunk = trunk_of(openclip_folder, "vit")
    with pytest.raises(
        ClipbioError, match="method=conv gives no places of a VisionTransformer; take raw, maskclip, sclip or crop"
    ):
        dense_features(trunk, pictures(trunk), "conv")
    assert cell(trunk) == (16, 16)
    with pytest.raises(ClipbioError, match="32 x 31 pixels: give multiples of 16 x 16"):
        dense_features(trunk, pictures(trunk)[..., :31], "raw")
    pooling = trunk_of(openclip_folder, "timm_attention_pool")
    with pytest.raises(ClipbioError, match="no places are known: take crop"):
        dense_features(pooling, pictures(pooling), "conv")
