"""A step with captions: exact where modalities are missing and on two processes; eight sheets are learnt by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from captioning_toy import LAST, TOKENS, batch, make_model, make_module, results, share
from processes import spawn
from small_cocas import make_coca
from torch import nn
from torch.nn import functional

from clipbio.data.transforms import ImageTransform
from clipbio.errors import ClipbioError
from clipbio.losses import captioning_head, infonce_head
from clipbio.models import generate
from clipbio.models.captioner import states
from clipbio.tasks.parts import freeze_unused
from clipbio.training.captioning import check_captions
from clipbio.training.monitors import _completed
from clipbio.training.watch import Reading
from clipbio.virtual import VirtualHerbarium


def test_the_loss_is_the_contrastive_one_and_the_words_of_rows_with_both() -> None:
    model = make_model()
    module = make_module(model)
    embeddings, output = module._judged(batch(), module.heads["default"], "default")
    plain = captioning_head()(embeddings, batch()["present"], {name: batch()[name] for name in ("taxon_BR", "bin_B", "text_B", "group_B")})  # fmt: skip
    terms = []
    for row in (0, 2):
        one = slice(row, row + 1)
        image, text = (states(model.tower(name), batch(one)["inputs"][name]).states_BNW for name in ("image", "text"))
        length = TOKENS[row].tolist().index(LAST)
        assert model.decoder is not None
        logits = model.decoder.logits(model.decoder(image, text)[0, :length])
        terms.append(functional.cross_entropy(logits, TOKENS[row, 1 : length + 1], reduction="none"))
    caption = torch.cat(terms).mean()
    torch.testing.assert_close(output.report["contrastive_loss"], plain.loss.detach())
    torch.testing.assert_close(output.report["caption_loss"], caption.detach())
    torch.testing.assert_close(output.loss, plain.loss + 3.0 * caption)
    assert not embeddings["image"][1].any()
    assert not embeddings["text"][5].any()


def test_two_processes_of_which_one_has_no_caption_compute_what_one_does(tmp_path: Path) -> None:
    alone = results()
    assert any("decoder" in name for name in alone)
    spawn(share, tmp_path)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found.keys() == alone.keys()
        for name, value in alone.items():
            torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


CONFIG = {"micro_batch_size": None, "cache_features": "float32"}


@pytest.mark.parametrize(
    ("changes", "sharded", "message"),
    [
        ({"micro_batch_size": 4}, False, "micro_batch_size has no effect with loss=captioning"),
        ({}, True, "trainer=fsdp"),
    ],
)
def test_what_captions_cannot_be_trained_with_is_refused(changes: dict[str, Any], sharded: bool, message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        check_captions(make_model(), CONFIG | changes, sharded=sharded)


def test_a_frozen_trunk_is_read_where_its_features_are_not_cached() -> None:
    model = make_model(image=0)
    with pytest.raises(ClipbioError, match=r"what the image trunk sees, .* set cache_features=off"):
        check_captions(model, CONFIG)
    check_captions(model, CONFIG | {"cache_features": "off"})
    module = make_module(model)
    module._judged(batch(), module.heads["default"], "default")[1].loss.backward()
    assert all(one.grad is None for one in model.tower("image").trunk.parameters())
    assert all(one.grad is not None for one in model.tower("text").parameters())


def test_a_model_without_decoder_is_refused() -> None:
    model = make_model()
    model.decoder = None
    with pytest.raises(ClipbioError, match="the model has no caption decoder: take model=coca_tiny"):
        check_captions(model, CONFIG)


def test_under_another_loss_the_decoder_is_left_alone() -> None:
    for head, trained in ((captioning_head(), True), (infonce_head(), False)):
        model = make_model()
        freeze_unused(model, nn.ModuleDict({"default": head}))
        assert model.decoder is not None
        assert {one.requires_grad for one in model.decoder.parameters()} == {trained}


def test_the_loss_with_captions_has_no_chance_level() -> None:
    reading = Reading(10, 5.0, rows={"image": 8, "text": 8})
    assert _completed(reading, infonce_head(), factor=1.0).chance is not None
    assert _completed(reading, captioning_head(), factor=1.0).chance is None


def test_eight_sheets_are_learnt_by_heart(tmp_path: Path) -> None:
    herbarium = VirtualHerbarium(8, 0, specimens_per_species=4, image_size=64, label="none", seed=1)
    sheets = [next(sheet for sheet in herbarium.sheets if sheet.species is species) for species in herbarium.species]
    texts = [herbarium.describe(sheet.species)[0].text.split(".")[0].lower() for sheet in sheets]
    assert len(set(texts)) == 8
    preprocess = {"mean": [0.85, 0.82, 0.74], "std": [0.2, 0.2, 0.22]}
    model = make_coca(tmp_path, preprocess=preprocess)
    transform = ImageTransform(model.tower("image").trunk.spec)
    pixels = torch.stack([transform(herbarium.draw(sheet).image) for sheet in sheets])
    tokens, number = model.tower("text").trunk.tokenizer(texts), torch.arange(8)
    present = {name: torch.ones(8, dtype=torch.bool) for name in ("image", "text")}
    part: Any = {
        "inputs": {"image": pixels, "text": tokens}, "present": present,
        "taxon_BR": number[:, None], "bin_B": -1 - number, "text_B": number, "group_B": number,
    }  # fmt: skip
    module = make_module(model)
    optimizer = torch.optim.AdamW(module.parameters(), lr=5e-3, weight_decay=0.0)
    for _ in range(70):
        output = module._judged(part, module.heads["default"], "default")[1]
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    assert float(output.report["caption_loss"]) < 0.05
    library: Any = model.tower("text").trunk.tokenizer.library
    whole = [library.decode(row[1 : row.index(library.eot_token_id)]) for row in tokens.tolist()]
    for beams in (1, 3):
        written = generate(model, pixels, beams=beams)
        assert [one.replace(" ", "") for one in written] == [one.replace(" ", "") for one in whole]
