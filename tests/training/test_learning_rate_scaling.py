import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from clipbio.errors import ClipbioError
from clipbio.training.durations import RunLength
from clipbio.training.optimizer import AdamWRecipe

BATCHES = st.integers(1, 2**20)


def length(batch_size: int) -> RunLength:
    return RunLength(batch_size, 10, 100)


@given(BATCHES, BATCHES, st.floats(1e-8, 1))
def test_rates_follow_the_batch_as_they_are_told(batch: int, base: int, lr: float) -> None:
    rates = {
        how: AdamWRecipe(lr=lr, scale_lr=how, base_batch_size=base).rate(None, length(batch))
        for how in ("none", "linear", "sqrt")
    }
    assert rates["none"] == lr
    assert rates["linear"] == pytest.approx(lr * batch / base)
    assert rates["sqrt"] ** 2 == pytest.approx(lr * rates["linear"])


@given(BATCHES, st.sampled_from(["none", "linear", "sqrt"]))
def test_a_batch_of_the_base_size_changes_nothing(batch: int, how: str) -> None:
    assert AdamWRecipe(lr=3e-4, scale_lr=how, base_batch_size=batch).rate(None, length(batch)) == 3e-4


def test_a_tower_with_a_rate_of_its_own_and_depths_are_scaled_once() -> None:
    recipe = AdamWRecipe(lr=1e-3, scale_lr="linear", base_batch_size=64, warmup="0 steps", schedule="constant")
    parts = [("image", nn.Linear(2, 2), 1e-5), ("text", nn.Linear(2, 2), None)]
    optimizer, scheduler = recipe.build(parts, length(256))
    for _ in range(2):
        rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
        assert rates == pytest.approx({"image": 4e-5, "image/no_decay": 4e-5, "text": 4e-3, "text/no_decay": 4e-3})
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale_lr": "liner"}, r"optim\.scale_lr='liner' is unknown; did you mean 'linear'"),
        ({"base_batch_size": 0}, r"optim\.base_batch_size=0 must be at least 1"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        AdamWRecipe(lr=1e-3, **settings)  # type: ignore[arg-type]
