"""Text columns that decide nothing are cut: features and gradients stay as they are."""

import copy

import pytest
import torch
from small_models import TEXT, scramble
from torch import nn

from clipbio.models import openclip
from clipbio.models.adapter import TextTransformer
from clipbio.models.openclip_trunks import OpenClipText

TEXTS = ["b", "a photo of Pica", ""]
# Vocabulary and layers as in ViT-S-32, smaller; and each kind of pooling at the end of the text.
TOWERS = {
    "tiny": {"layers": 2, "width": 64, "heads": 4},
    "like_vit_s_32": {"layers": 4, "width": 96, "heads": 6, "context_length": 77},
    "custom_blocks": {"layers": 2, "scale_attn_inner": True, "scale_heads": True},
    "eos": {"layers": 2, "pool_type": "eos", "eos_id": 49407},
}


def trunk_of(**settings):
    encoder = TextTransformer(**(TEXT | settings), output_dim=None, proj_type="none")
    return OpenClipText(scramble(encoder).train(), width=encoder.width, tokenizer=None, config={})


def lengths_seen(trunk):
    """The numbers of columns that reach the blocks."""
    seen = []
    trunk.encoder.transformer.resblocks[0].register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(args[0].shape[1]), with_kwargs=True
    )
    return seen


def tokens_of(lengths, context=TEXT["context_length"]):
    generator = torch.Generator().manual_seed(0)
    tokens = torch.zeros(len(lengths), context, dtype=torch.long)
    for row, length in zip(tokens, lengths, strict=True):
        row[: length - 1] = torch.randint(1, 49406, (length - 1,), generator=generator)
        row[length - 1] = 49407
    return tokens


def features_and_gradients(run, trunk, tokens):
    features = run(tokens)
    weight = torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
    names, parameters = zip(*trunk.named_parameters(), strict=True)
    return features.detach(), dict(zip(names, torch.autograd.grad((features * weight).sum(), parameters), strict=True))


@pytest.mark.parametrize("kind", TOWERS)
@pytest.mark.parametrize("training", [True, False])
def test_features_and_gradients_are_those_of_all_columns(kind, training):
    trunk = trunk_of(**TOWERS[kind]).train(training)
    tokens = tokens_of([3, 7, 5], TOWERS[kind].get("context_length", 12))
    seen = lengths_seen(trunk)
    ours = features_and_gradients(trunk, trunk, tokens)
    stock = features_and_gradients(trunk.encoder, trunk, tokens)
    assert seen == [7, tokens.shape[1]]
    torch.testing.assert_close(ours[0], stock[0], rtol=1e-5, atol=1e-5)
    for name, gradient in stock[1].items():
        torch.testing.assert_close(ours[1][name], gradient, rtol=1e-4, atol=1e-4 * float(gradient.abs().max()))


def test_inference_without_gradients_takes_short_texts_too():
    trunk = trunk_of().eval()
    tokens = tokens_of([4, 6])
    with torch.inference_mode():
        torch.testing.assert_close(trunk(tokens), trunk.encoder(tokens), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("lengths", [[12], [12, 3], [1, 12]])
def test_a_full_row_keeps_the_batch_whole(lengths):
    tokens = tokens_of(lengths)
    assert torch.equal(trunk_of().trim(tokens), tokens)


def test_rows_without_an_end_and_empty_batches():
    trunk = trunk_of().eval()
    tokens = torch.tensor([[5, 9, 7, 9, 0, 0], [2, 1, 0, 0, 0, 0]])
    torch.testing.assert_close(trunk(tokens), trunk.encoder(nn.functional.pad(tokens, (0, 6))), rtol=1e-5, atol=1e-5)
    assert trunk(tokens[:0]).shape == (0, trunk.width)


def test_lengths_are_rounded_up_off_the_cpu():
    trunk = trunk_of(context_length=77)
    for length, kept in ((3, 16), (16, 16), (17, 32), (77, 77)):
        tokens = tokens_of([length], 77)
        assert trunk.trim(tokens).shape == (1, length)
        assert trunk.trim(_ElsewhereTensor(tokens)).shape == (1, kept)


class _ElsewhereTensor(torch.Tensor):
    """Says that it is not on the CPU."""

    @property
    def device(self):
        return torch.device("cuda")


@pytest.mark.parametrize(
    "settings",
    [
        {"pool_type": "last", "no_causal_mask": True},
        {"pool_type": "argmax", "no_causal_mask": True},
        {"pool_type": "last"},
        {"embed_cls": True},
    ],
)
def test_towers_that_read_every_column_get_every_column(settings):
    trunk = trunk_of(**settings)
    seen = lengths_seen(trunk)
    tokens = tokens_of([3, 5])
    assert torch.equal(trunk(tokens), trunk.encoder(tokens))
    assert len(set(seen)) == 1
    assert seen[0] >= 12


def test_a_copied_tower_trims_too():
    tower = openclip("clipbio:clipbio_tiny").tower("text")
    tokens = tower.trunk.tokenizer(TEXTS)
    copied = copy.deepcopy(tower)
    seen = lengths_seen(copied.trunk)
    assert torch.equal(copied(tokens), tower(tokens))
    assert seen == [int(tokens.argmax(dim=1).max()) + 1]
