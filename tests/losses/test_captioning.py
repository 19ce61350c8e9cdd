"""The loss over words is the plain formula and open_clip's own."""

from __future__ import annotations

import pytest
import torch
from open_clip.loss import CoCaLoss
from torch import Tensor
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.losses import Captioning, captioning_head

LAST = 9
# Of four texts: a full one, two short ones, and one cut at the end of the context. 0 is a word and the padding.
TOKENS = torch.tensor([[8, 3, 4, 5, 0, 9], [8, 2, 9, 0, 0, 0], [8, 9, 0, 0, 0, 0], [8, 1, 1, 7, 6, 9]])
LOGITS = torch.randn(4, 5, 10, generator=torch.Generator().manual_seed(0))


def labels() -> dict[str, Tensor]:
    number = torch.arange(4)
    return {"taxon_BR": number[:, None], "bin_B": -1 - number, "text_B": number, "group_B": number}


def test_words_are_what_stands_behind_the_first_up_to_the_last() -> None:
    told = Captioning.told(TOKENS, LAST)
    assert told.int().tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]


def test_the_loss_is_the_mean_of_minus_log_p_over_words() -> None:
    told = Captioning.told(TOKENS, LAST)
    found = captioning_head().caption_loss(LOGITS[told], TOKENS[:, 1:][told])
    p = LOGITS.exp() / LOGITS.exp().sum(dim=-1, keepdim=True)
    terms = [-p[row, place, TOKENS[row, place + 1]].log() for row, place in told.nonzero().tolist()]
    torch.testing.assert_close(found, torch.stack(terms).sum() / 13)


def test_the_sum_is_that_of_open_clip() -> None:
    tokens = TOKENS.clone()
    tokens[0, 4] = 1  # open_clip takes every 0 for padding
    head, vectors = captioning_head(targets="instance", caption_weight=3.0, pairs={"image-text": 0.5}), {}
    for name in ("image", "text"):
        vectors[name] = functional.normalize(torch.randn(4, 6), dim=1)
    present = {name: torch.ones(4, dtype=torch.bool) for name in vectors}
    contrastive = head(vectors, present, labels()).loss
    told = head.told(tokens, LAST)
    caption = head.caption_weight * head.caption_loss(LOGITS[told], tokens[:, 1:][told])
    theirs = CoCaLoss(caption_loss_weight=3.0, clip_loss_weight=0.5)
    expected = theirs(vectors["image"], vectors["text"], LOGITS, tokens[:, 1:], head.logit_scale.exp())
    torch.testing.assert_close(torch.stack([contrastive, caption]), torch.stack(expected))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"caption_weight": 0.0}, r"loss\.caption_weight=0\.0 must be more than 0"),
        ({"pairs": {"image-dna": 1.0}}, r"loss\.pairs: captions are written of images, and no pair has the text"),
    ],
)
def test_wrong_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        captioning_head(**settings)
