import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.data.order import BatchPlan
from clipbio.data.sampling import SAMPLING, sample_rows

COUNTS = st.lists(st.integers(1, 60), min_size=1, max_size=8)
TAIL = [400, 90, 9, 1]


def classes(counts: list[int]) -> np.ndarray:
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))


@given(COUNTS, st.sampled_from(sorted(SAMPLING)), st.integers(0, 3), st.integers(0, 3))
def test_each_class_has_its_share_rounded_up_or_down(counts: list[int], sampling: str, seed: int, epoch: int) -> None:
    class_N = classes(counts)
    rows = sample_rows(class_N, sampling=sampling, seed=seed, epoch=epoch)
    assert len(rows) == len(class_N)
    wanted = np.array(counts, dtype=float) ** SAMPLING[sampling]
    wanted *= len(class_N) / wanted.sum()
    assert (np.abs(np.bincount(class_N[rows], minlength=len(counts)) - wanted) < 1 + 1e-6).all()
    assert np.array_equal(rows, sample_rows(class_N, sampling=sampling, seed=seed, epoch=epoch))


@given(COUNTS, st.sampled_from(["sqrt", "balanced"]))
def test_inside_a_class_the_turns_are_even(counts: list[int], sampling: str) -> None:
    class_N = classes(counts)
    times = np.bincount(sample_rows(class_N, sampling=sampling, seed=1, epoch=0), minlength=len(class_N))
    assert all(np.ptp(times[class_N == number]) <= 1 for number in range(len(counts)))


@pytest.mark.parametrize(("sampling", "shares"), [("sqrt", [0.599, 0.284, 0.09, 0.03]), ("balanced", [0.25] * 4)])
def test_the_shares_hold_over_the_batches_of_a_plan(sampling: str, shares: list[float]) -> None:
    class_N = classes(TAIL)
    plan = BatchPlan(np.arange(500) // 50, batch_size=50, seed=0, sampling=sampling, class_N=class_N)
    assert plan.batches_per_epoch == 10
    rows = np.concatenate([plan.rows(batch) for batch in range(20)])
    assert np.bincount(class_N[rows]) / 1000 == pytest.approx(shares, abs=0.005)
    # A large class shows other specimens in another epoch.
    assert len(set(rows[:500][class_N[rows[:500]] == 0]) & set(rows[500:][class_N[rows[500:]] == 0])) < 240


def test_the_order_of_a_sampled_stream_is_a_pure_function_of_seed_and_epoch() -> None:
    def plan(seed: int) -> BatchPlan:
        return BatchPlan(
            np.arange(500) // 50, batch_size=50, seed=seed, sampling="sqrt", class_N=classes(TAIL), window=3
        )

    first, second, other = plan(0), plan(0), plan(1)
    backwards = {batch: second.rows(batch) for batch in reversed(range(25))}
    assert all(np.array_equal(first.rows(batch), backwards[batch]) for batch in range(25))
    assert not np.array_equal(first.rows(0), other.rows(0))
    assert not np.array_equal(first.rows(0), first.rows(10))
    # Three of the ten shards are read at a time, as in any other stream.
    assert len(set(first.rows(0) // 50)) <= 6


def test_uniform_sampling_needs_no_classes_and_changes_nothing() -> None:
    shard_N = np.arange(60) // 7
    plain, uniform = (
        BatchPlan(shard_N, batch_size=8, seed=4),
        BatchPlan(shard_N, batch_size=8, seed=4, class_N=classes([30, 30])),
    )
    assert all(np.array_equal(plain.rows(batch), uniform.rows(batch)) for batch in range(20))
