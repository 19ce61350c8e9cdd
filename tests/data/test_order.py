import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.data.order import BatchPlan, epoch_order
from clipbio.errors import ClipbioError

shard_lists = st.lists(st.integers(1, 9), min_size=1, max_size=7)


def shards_of(sizes: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


@given(shard_lists, st.integers(0, 3), st.integers(0, 5), st.integers(1, 4))
def test_an_epoch_is_a_permutation(sizes: list[int], seed: int, epoch: int, window: int) -> None:
    shard_N = shards_of(sizes)
    order = epoch_order(shard_N, seed=seed, epoch=epoch, window=window)
    assert sorted(order) == list(range(len(shard_N)))
    assert np.array_equal(order, epoch_order(shard_N, seed=seed, epoch=epoch, window=window))


@given(shard_lists, st.integers(1, 4))
def test_only_one_window_of_shards_is_open_at_a_time(sizes: list[int], window: int) -> None:
    shard_N = shards_of(sizes)
    order = epoch_order(shard_N, seed=0, epoch=0, window=window)
    visited: list[set[int]] = []
    for shard in shard_N[order]:
        if not visited or (shard not in visited[-1] and len(visited[-1]) == window):
            visited.append(set())
        visited[-1].add(int(shard))
    assert sum(len(shards) for shards in visited) == len(sizes)


def test_epochs_and_seeds_differ() -> None:
    shard_N = shards_of([40, 40])
    orders = [epoch_order(shard_N, seed=seed, epoch=epoch, window=2) for seed in (0, 1) for epoch in (0, 1)]
    assert len({order.tobytes() for order in orders}) == 4


def test_each_specimen_stands_in_an_epoch_at_most_once_and_batches_are_full() -> None:
    plan = BatchPlan(shards_of([7, 5, 8]), batch_size=6, seed=3)
    assert plan.batches_per_epoch == 3
    for epoch in range(3):
        rows = np.concatenate([plan.rows(batch) for batch in range(3 * epoch, 3 * epoch + 3)])
        assert len(rows) == len(set(rows)) == 18


def test_what_an_epoch_drops_differs_between_epochs() -> None:
    plan = BatchPlan(shards_of([20]), batch_size=6, seed=0)
    dropped = [set(range(20)) - {int(row) for b in range(3) for row in plan.rows(3 * e + b)} for e in range(8)]
    assert len({frozenset(rows) for rows in dropped}) > 1


def test_a_place_has_the_same_draw_whoever_asks() -> None:
    plan, other = (BatchPlan(shards_of([30]), batch_size=8, seed=5) for _ in range(2))
    whole = plan.draws(4)
    assert [other.draws(4, [place])[0] for place in (7, 2, 0)] == [whole[7], whole[2], whole[0]]
    assert len({draw.seed for batch in range(6) for draw in plan.draws(batch)}) == 48


def test_a_substitute_is_another_place_of_the_same_epoch() -> None:
    plan = BatchPlan(shards_of([30]), batch_size=8, seed=5)
    wanted = plan.draws(4)[1]
    places = {draw for batch in range(3, 6) for draw in plan.draws(batch)}
    found = [plan.substitute(wanted, 4, attempt) for attempt in range(10)]
    assert set(found) <= places
    assert len(set(found)) > 1


def test_the_order_of_published_runs_stays() -> None:
    plan = BatchPlan(shards_of([7, 5, 8]), batch_size=6, seed=3)
    assert plan.rows(4).tolist() == [2, 9, 3, 13, 8, 17]
    assert plan.draws(4)[2] == (3, 800400874557594023, 8497359787969808498)


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ClipbioError, match=r"data\.batch_size=31 is larger than the 30"):
        BatchPlan(shards_of([30]), batch_size=31, seed=0)
