"""Masks are a function of rows and seeds, and the loss of the global batch is that of its shares."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from masked_toy import results, share
from processes import spawn
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.losses import MaskedTokens
from clipbio.losses.masking import TokenMasking

FIRST, LAST, MASK = 4, 19, 2
TOKENS = torch.randint(FIRST, LAST + 1, (64, 200), generator=torch.Generator().manual_seed(1))


def hide(masking: TokenMasking, tokens: torch.Tensor = TOKENS, shift: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    seeds = range(shift, shift + len(tokens))
    return masking(tokens, list(seeds), first=FIRST, last=LAST, mask_id=MASK)


@pytest.mark.parametrize("span", [1, 9])
def test_the_share_that_is_hidden_and_its_neighbourhood(span: int) -> None:
    seen, chosen = hide(TokenMasking(share=0.4, span=span))
    assert abs(chosen.float().mean() - 0.4) < 0.03
    assert torch.equal(seen, TOKENS.masked_fill(chosen, MASK))
    lonely = chosen[:, 1:-1] & ~chosen[:, :-2] & ~chosen[:, 2:]
    assert bool(lonely.any()) == (span == 1)


def test_special_tokens_are_never_hidden_and_rows_do_not_depend_on_each_other() -> None:
    tokens = TOKENS.clone()
    tokens[:, :50] = 3
    masking = TokenMasking(share=0.9, random=0.1, keep=0.1)
    seen, chosen = hide(masking, tokens)
    assert not chosen[:, :50].any()
    assert (seen[:, :50] == 3).all()
    part, _ = hide(masking, tokens[10:20], shift=10)
    assert torch.equal(part, seen[10:20])


def test_some_hidden_tokens_stay_and_some_become_others() -> None:
    seen, chosen = hide(TokenMasking(share=0.5, random=0.2, keep=0.3))
    masked = (seen[chosen] == MASK).float().mean()
    same = (seen[chosen] == TOKENS[chosen]).float().mean()
    assert abs(masked - 0.5) < 0.03
    assert abs(same - (0.3 + 0.2 / 16)) < 0.03
    assert torch.equal(seen[~chosen], TOKENS[~chosen])


def head(**settings: object) -> MaskedTokens:
    torch.manual_seed(0)
    made = MaskedTokens(**settings)  # type: ignore[arg-type]
    counts = torch.stack([torch.bincount(column, minlength=LAST + 1) for column in TOKENS.T])
    made.read_tokens(width=8, dim=5, first=FIRST, counts_LV=counts)
    return made


def test_a_fresh_head_with_a_prior_guesses_the_most_frequent_token_of_each_place() -> None:
    fresh = head()
    everywhere = torch.ones_like(TOKENS, dtype=torch.bool)
    states, vectors = torch.randn(*TOKENS.shape, 8), torch.randn(len(TOKENS), 5)
    logits = fresh.logits(states, vectors, everywhere)
    guess = logits.argmax(dim=1).view(TOKENS.shape) + FIRST
    assert torch.equal(guess[0], TOKENS.mode(dim=0).values)
    assert torch.equal(guess, guess[:1].expand_as(guess))
    loss, number = fresh.token_loss(states, vectors, TOKENS, everywhere)
    assert number == TOKENS.numel()
    assert float(loss.detach()) < math.log(16)


def test_the_loss_is_the_mean_over_judged_tokens() -> None:
    plain, states, vectors = head(column_prior=False), torch.randn(*TOKENS.shape, 8), torch.randn(len(TOKENS), 5)
    _, chosen = hide(plain.masking)
    loss, number = plain.token_loss(states, vectors, TOKENS, plain.judged(TOKENS, chosen))
    expected = functional.cross_entropy(
        plain.decoder(states, vectors, *chosen.nonzero(as_tuple=True)), TOKENS[chosen] - FIRST
    )
    assert int(number) == int(chosen.sum())
    torch.testing.assert_close(loss, expected)
    assert head(over="all").judged(TOKENS, chosen).all()


def test_a_guess_depends_on_its_state_its_place_and_the_whole_sequence() -> None:
    plain = head(column_prior=False)
    states, vectors = torch.randn(2, 200, 8), torch.randn(2, 5)
    chosen = torch.zeros(2, 200, dtype=torch.bool)
    chosen[0, [3, 7]] = chosen[1, 3] = True
    states[:, 3] = states[0, 7]
    here, there, elsewhere = plain.logits(states, vectors, chosen)
    assert not torch.allclose(here, there)
    assert not torch.allclose(here, elsewhere)
    vectors[1] = vectors[0]
    torch.testing.assert_close(plain.logits(states, vectors, chosen)[2], here)
    changed = plain.logits(states + chosen[..., None], vectors, chosen)
    assert not torch.allclose(changed[0], here)


def test_contrast_tells_rows_apart_but_not_equal_ones() -> None:
    contrasting = head(contrast=1.0, temperature=0.5)
    one, other = (functional.normalize(torch.randn(6, 8), dim=1) for _ in range(2))
    distinct = contrasting.contrast_loss(one, other, torch.arange(6))
    logits = one @ other.T / 0.5
    expected = (
        functional.cross_entropy(logits, torch.arange(6)) + functional.cross_entropy(logits.T, torch.arange(6))
    ) / 2
    torch.testing.assert_close(distinct, expected)
    assert float(contrasting.contrast_loss(one, other, torch.zeros(6, dtype=torch.int64))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "settings",
    [{"share": 1.0}, {"span": 0}, {"random": 0.6, "keep": 0.6}, {"over": "none"}, {"weight": 0.0}, {"temperature": 0}],
)
def test_wrong_settings_of_masking_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ClipbioError, match=rf"loss\.{next(iter(settings))}"):
        head(**settings)


def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    spawn(share, tmp_path)
    found, alone = torch.load(tmp_path / "results.pt", weights_only=True), results(0, 1)
    assert found.keys() == alone.keys()
    for name, value in alone.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)
