import math

import open_clip
import pytest
import torch
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.losses import InfoNCE, infonce_head, open_clip_head, positive_labels


def batch(size: int = 6, *, taxa: list[int] | None = None, texts: list[int] | None = None) -> dict[str, torch.Tensor]:
    species = torch.tensor(taxa if taxa is not None else list(range(size)))
    taxon_BR = torch.stack([torch.full_like(species, 100), species], dim=1)
    return {
        "taxon_BR": taxon_BR,
        "text_B": torch.tensor(texts if texts is not None else list(range(1000, 1000 + size))),
    }


def embeddings(size: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pair = [functional.normalize(torch.randn(size, 5, generator=generator), dim=1).requires_grad_() for _ in range(2)]
    return pair[0], pair[1]


def slow_loss(first: torch.Tensor, second: torch.Tensor, scale: float, groups: list[int], present: list[bool]) -> float:
    """Written as in the paper: over each row, over its positives, over all keys."""
    rows = [row for row in range(len(groups)) if present[row]]
    total = 0.0
    for queries, keys in ((first, second), (second, first)):
        for row in rows:
            positives = [other for other in rows if groups[other] == groups[row]]
            score = {other: math.exp(scale * float(queries[row] @ keys[other])) for other in rows}
            total -= sum(math.log(score[other] / sum(score.values())) for other in positives) / len(positives) / 2
    return total / len(rows)


@pytest.mark.parametrize("groups", [[0, 1, 2, 3, 4, 5], [0, 0, 1, 1, 1, 2], [7] * 6])
@pytest.mark.parametrize("present", [[True] * 6, [True, False, True, True, False, True]])
def test_the_loss_equals_the_slow_form(groups: list[int], present: list[bool]) -> None:
    first, second = embeddings()
    loss = InfoNCE("taxon")(
        first, second, torch.tensor([7.0]), present_b=torch.tensor(present), batch=batch(taxa=groups)
    )
    assert loss.item() == pytest.approx(slow_loss(first, second, 7.0, groups, present), rel=1e-5)


def test_instance_targets_equal_open_clip_in_value_and_gradient() -> None:
    results = []
    for head in (infonce_head(targets="instance"), open_clip_head()):
        first, second = embeddings()
        present = torch.ones(6, dtype=torch.bool)
        output = head({"image": first, "text": second}, {"image": present, "text": present}, batch(taxa=[1] * 6))
        output.loss.backward()
        results.append((output.loss.item(), first.grad, second.grad, head.logit_scale.grad))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    for ours, theirs in zip(results[0][1:], results[1][1:], strict=True):
        torch.testing.assert_close(ours, theirs)
    assert open_clip.ClipLoss is not None


def test_a_row_that_is_absent_gets_no_gradient_and_an_empty_batch_is_zero() -> None:
    first, second = embeddings()
    present = torch.tensor([True, True, False, True, True, True])
    InfoNCE("taxon")(first, second, torch.tensor([5.0]), present_b=present, batch=batch()).backward()
    assert first.grad is not None
    assert torch.equal(first.grad[2], torch.zeros(5))
    assert (first.grad[[0, 1, 3, 4, 5]].abs().sum(dim=1) > 0).all()
    first, second = embeddings()
    loss = InfoNCE("taxon")(
        first, second, torch.tensor([5.0]), present_b=torch.zeros(6, dtype=torch.bool), batch=batch()
    )
    loss.backward()
    assert loss.item() == 0.0
    assert torch.isfinite(first.grad).all()


def test_positives_by_instance_text_and_deepest_known_taxon() -> None:
    taxon_BR = torch.tensor([[5, 7], [5, 7], [5, -1], [5, -1], [6, 8], [-1, -1], [-1, -1]])
    labels = {"taxon_BR": taxon_BR, "text_B": torch.tensor([1, 2, 3, 4, 5, 9, 9])}
    assert positive_labels(labels, "taxon").tolist() == [7, 7, 5, 5, 8, 9, 9]
    assert positive_labels(labels, "text").tolist() == [1, 2, 3, 4, 5, 9, 9]
    assert positive_labels(labels, "instance", offset=10).tolist() == list(range(10, 17))


def test_label_smoothing_moves_weight_to_all_present_rows() -> None:
    first, second = embeddings()
    present = torch.ones(6, dtype=torch.bool)
    scale = torch.tensor([4.0])
    loss = InfoNCE("instance", label_smoothing=0.3)(first, second, scale, present_b=present, batch=batch())
    expected = (
        functional.cross_entropy(4.0 * first @ second.T, torch.arange(6), label_smoothing=0.3)
        + functional.cross_entropy(4.0 * second @ first.T, torch.arange(6), label_smoothing=0.3)
    ) / 2
    torch.testing.assert_close(loss, expected)


def test_the_temperature_is_clamped_and_taken_over() -> None:
    head = infonce_head(max_scale=50.0)
    head.start_from(math.log(20.0))
    assert head.logit_scale.exp().item() == pytest.approx(20.0)
    head.start_from(math.log(80.0))
    assert head.logit_scale.exp().item() == pytest.approx(50.0)
    given = infonce_head(temperature=0.05)
    given.start_from(math.log(3.0))
    assert given.logit_scale.exp().item() == pytest.approx(20.0)
    assert head.logit_scale.shape == (1,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"targets": "taxa"}, "did you mean 'taxon'"),
        ({"temperature": 0.0}, "loss.temperature=0.0"),
        ({"pairs": ["image"]}, "'image' must name two"),
        ({"max_scale": 0.5}, "loss.max_scale"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
    ],
)
def test_bad_settings_are_told(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        infonce_head(**arguments)


def test_the_plain_loss_refuses_missing_modalities() -> None:
    first, second = embeddings()
    here = torch.tensor([True] * 5 + [False])
    with pytest.raises(ClipbioError, match="missing modality"):
        open_clip_head()({"image": first, "text": second}, {"image": here, "text": here}, batch())
