"""A CoCa of open_clip: the same vectors and words, and captions that are the likeliest ones."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
from small_cocas import CONTEXT, make_coca, pixels, write_coca
from small_models import scramble
from torch import Tensor

from clipbio.errors import ClipbioError
from clipbio.models import MultiTower, generate, openclip
from clipbio.models.captioner import states, words_of
from clipbio.models.captions import _Search

TEXTS = ["green leaves, 12 cm!", "red", "five white petals (notched), in umbels; " * 4]


@pytest.fixture
def stock(tmp_path: Path) -> tuple[torch.nn.Module, MultiTower]:
    """A model of open_clip, and ours from its weights."""
    path = write_coca(tmp_path)
    open_clip.add_model_config(path)
    theirs = scramble(open_clip.create_model("small_coca")).eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    return theirs, openclip(str(path), str(tmp_path / "weights.pt")).eval()


def told(model: MultiTower, images: Tensor, tokens: Tensor) -> Tensor:
    """Return logits (B, L, K) of the word behind each place."""
    assert model.decoder is not None
    image = states(model.tower("image"), images).states_BNW
    return model.decoder.logits(model.decoder(image, states(model.tower("text"), tokens).states_BNW))


def test_vectors_and_words_equal_those_of_open_clip(stock: tuple[torch.nn.Module, MultiTower]) -> None:
    theirs, ours = stock
    images, trunk = pixels(), ours.tower("image").trunk
    tokens = ours.tower("text").trunk.tokenizer(TEXTS)
    assert tokens.shape == (3, CONTEXT)
    with torch.no_grad():
        expected = theirs(trunk.normalise(images), tokens, output_labels=False)
        vectors = ours({"image": images, "text": tokens})
        for name in ("image", "text"):
            torch.testing.assert_close(vectors[name], expected[f"{name}_features"], atol=1e-5, rtol=0)
            found = states(ours.tower(name), {"image": images, "text": tokens}[name])
            torch.testing.assert_close(found.vectors_BD, vectors[name])
        torch.testing.assert_close(told(ours, images, tokens), expected["logits"], atol=1e-4, rtol=1e-5)


def test_a_word_depends_on_those_before_it_alone(stock: tuple[torch.nn.Module, MultiTower]) -> None:
    model = stock[1]
    tokens = model.tower("text").trunk.tokenizer([TEXTS[2]])
    with torch.no_grad():
        whole = told(model, pixels(1), tokens)
        for length in (1, 7):
            part = told(model, pixels(1), tokens[:, :length])
            torch.testing.assert_close(whole[:, :length], part, atol=1e-4, rtol=1e-5)


def test_a_fresh_decoder_says_all_words_with_like_chance_and_belongs_to_its_seed(tmp_path: Path) -> None:
    one, other, third = (make_coca(tmp_path, seed=seed) for seed in (0, 0, 1))
    assert one.decoder is not None
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(one.decoder.words.weight, third.decoder.words.weight)  # type: ignore[union-attr]
    logits = told(one, pixels(), one.tower("text").trunk.tokenizer(TEXTS))
    assert 0.2 < float(logits.detach().std()) < 5
    assert [count.tower for count in one.summary()] == ["image", "text", "decoder"]


def likelihood(model: MultiTower, image: Tensor, tokens: Tensor) -> float:
    logits = told(model, image, tokens[None, :-1])[0]
    logits[:, words_of(model.tower("text")).first] = -torch.inf
    return float(logits.log_softmax(1).gather(1, tokens[1:, None]).sum())


@torch.no_grad()
def test_greedy_takes_the_likeliest_word_and_beams_find_likelier_captions(
    tmp_path: Path,
) -> None:
    model = make_coca(tmp_path).eval()
    assert model.decoder is not None
    text, words = model.tower("text"), words_of(model.tower("text"))
    image = states(model.tower("image"), pixels()).states_BNW
    greedy, wide = (_Search(text, model.decoder, words, beams)(image, 7, 0.0) for beams in (1, 6))
    for row in range(3):
        own = torch.tensor([[words.first]])
        while own.shape[1] < 7 and own[0, -1] != words.last:
            logits = told(model, pixels()[row : row + 1], own)[0, -1]
            logits[words.first] = -torch.inf
            own = torch.cat([own, logits.argmax().view(1, 1)], dim=1)
        assert greedy[row, : own.shape[1]].tolist() == own[0].tolist()
    better = [
        likelihood(model, pixels()[row : row + 1], wide[row]) - likelihood(model, pixels()[row : row + 1], greedy[row])
        for row in range(3)
    ]
    assert min(better) > -1e-4
    assert max(better) > 0.1
    # Of one image alone the same as among others.
    assert torch.equal(_Search(text, model.decoder, words, 6)(image[1:2], 7, 0.0)[0], wide[1])


def test_captions_are_bounded_and_the_same_each_time(stock: tuple[torch.nn.Module, MultiTower]) -> None:
    model = stock[1].train()
    captions = generate(model, pixels(), beams=2, max_words=4)
    assert captions == generate(model, pixels(), beams=2, max_words=4)
    assert model.training
    assert model.decoder is not None
    assert model.decoder.training
    assert len(captions) == 3
    library = words_of(model.tower("text")).library
    assert all(len(library.encode(one)) <= 8 for one in captions)
    assert len(generate(model, pixels(1), max_words=1000)) == 1
    assert generate(model, pixels()[:0]) == []


def test_captions_read_as_people_write(
    stock: tuple[torch.nn.Module, MultiTower], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = stock[1]
    text = "dark-green, 12–34 mm long (rarely 5); 3/4 red!"
    tokens = model.tower("text").trunk.tokenizer([text])
    monkeypatch.setattr(_Search, "__call__", lambda *_: tokens)
    assert generate(model, pixels(1)) == [text]


@pytest.mark.parametrize("settings", [{"beams": 0}, {"max_words": 0}])
def test_wrong_numbers_are_refused(stock: tuple[torch.nn.Module, MultiTower], settings: dict) -> None:
    with pytest.raises(ClipbioError, match="must be at least 1"):
        generate(stock[1], pixels(), **settings)


def test_a_model_without_decoder_writes_no_captions(tmp_path: Path) -> None:
    path = tmp_path / "plain.json"
    config = json.loads(write_coca(tmp_path).read_text())
    path.write_text(json.dumps({key: config[key] for key in ("embed_dim", "vision_cfg", "text_cfg", "custom_text")}))
    with pytest.raises(ClipbioError, match="it has no caption decoder; train experiment=captioning"):
        generate(openclip(str(path)), pixels())


def test_cached_features_hold_no_states(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match="set cache_features=off"):
        states(make_coca(tmp_path).tower("image"), torch.zeros(2, 32))


def test_towers_that_give_no_states_are_refused() -> None:
    with pytest.raises(ClipbioError, match=r"a tower of transformers, .* such as coca_ViT-B-32"):
        openclip("coca_roberta-ViT-B-32", load_weights=False)


def test_the_decoder_reads_no_more_than_its_context(tmp_path: Path) -> None:
    with pytest.raises(ClipbioError, match=r"model\.context_length=30: the caption decoder reads at most 24"):
        make_coca(tmp_path, context_length=30)
