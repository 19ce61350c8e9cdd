"""Which specimens are the examples: order independent by hashes, as published by Python's `random`, or from a file."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from clipbio.errors import ClipbioError
from clipbio.evaluation.few_shot_draws import hashed_draws, published_draws, read_draws, written_draws
from clipbio.evaluation.labelled import Labelled

CLASS_N = np.array([7] * 9 + [3] * 6 + [5] * 12)


def pool(key_N: np.ndarray = CLASS_N, group_N: np.ndarray | None = None) -> Labelled:
    count = len(key_N)
    group_N = np.arange(count) + 1000 if group_N is None else group_N
    return Labelled(tuple(f"id-{row:02d}" for row in range(count)), torch.eye(count), key_N, ("a",) * count, group_N)


def ids(one: Labelled, draws: dict) -> dict:
    return {k: [{one.ids[row] for row in fold.reshape(-1)} for fold in folds] for k, folds in draws.items()}


def test_the_draw_depends_on_individuals_and_seed_alone():
    one = pool()
    draws = hashed_draws(one, [1, 5], 3, seed=0, spare=1)
    order = np.random.default_rng(0).permutation(len(one))
    shuffled = Labelled(
        tuple(one.ids[row] for row in order), one.vectors_ND, one.key_N[order], one.name_N, one.group_N[order]
    )
    assert ids(one, draws) == ids(shuffled, hashed_draws(shuffled, [1, 5], 3, seed=0, spare=1))
    assert ids(one, draws) != ids(one, hashed_draws(one, [1, 5], 3, seed=1, spare=1))
    assert len({frozenset(fold) for fold in ids(one, draws)[5]}) == 3
    for few, many in zip(draws[1], draws[5], strict=True):
        assert many.shape == (3, 5)
        assert (one.key_N[many] == np.array([[3], [5], [7]])).all()
        assert np.array_equal(few[:, 0], many[:, 0])


def test_other_specimens_change_no_draw_of_a_class():
    one, fewer = pool(), pool(CLASS_N[9:], np.arange(9, len(CLASS_N)) + 1000)
    whole, part = hashed_draws(one, [2], 1, seed=0, spare=1)[2][0], hashed_draws(fewer, [2], 1, seed=0, spare=1)[2][0]
    assert np.array_equal(whole[:2], part + 9)


def test_an_individual_gives_one_example_and_small_classes_take_no_part():
    key_N = np.array([1] * 8 + [2] * 8)
    group_N = np.array([10, 10, 10, 11, 11, 11, 12, 12, *range(20, 28)])
    draws = hashed_draws(pool(key_N, group_N), [2, 3], 4, seed=0, spare=1)
    for fold in draws[2]:
        assert len(set(group_N[fold[0]])) == 2
    assert [fold.shape for fold in draws[3]] == [(1, 3)] * 4
    assert [fold.shape for fold in hashed_draws(pool(key_N, group_N), [3], 1, seed=0, spare=0)[3]] == [(2, 3)]


@pytest.mark.parametrize("in_place", [True, False])
def test_published_draws_are_those_of_shuffled_lists(in_place):
    # The reference shuffles, class by class in order of appearance, after one seeding per fold.
    order = np.random.default_rng(1).permutation(len(CLASS_N))
    key_N = CLASS_N[order]
    lists: dict[int, list[int]] = {}
    for row, key in enumerate(key_N):
        lists.setdefault(key, []).append(row)
    expected: dict[int, list[list[list[int]]]] = {}
    for shots in (1, 5):
        for fold in range(3):
            random.seed(fold)
            chosen = []
            for name in lists:
                rows = lists[name] if in_place else lists[name][:]
                random.shuffle(rows)
                chosen.append(rows[:shots])
            expected.setdefault(shots, []).append(chosen)
    found = published_draws(key_N, [1, 5], 3, in_place=in_place)
    assert {k: [fold.tolist() for fold in folds] for k, folds in found.items()} == expected


def test_the_published_five_shot_depends_on_one_shot_only_in_place():
    def five(shots, in_place):
        return [fold.tolist() for fold in published_draws(CLASS_N, shots, 2, in_place=in_place)[5]]

    assert five([5], False) == five([1, 5], False)
    assert five([5], True) != five([1, 5], True)


def test_the_published_form_stops_at_a_class_with_too_few():
    assert list(published_draws(CLASS_N, [1, 6, 7, 2], 1, in_place=False)) == [1, 6]


def test_draws_come_back_from_a_file(tmp_path: Path):
    one = pool()
    draws = hashed_draws(one, [1, 5], 2, seed=0, spare=1)
    file = tmp_path / "test.json"
    file.write_text(written_draws(draws, one, split="test"))
    assert json.loads(file.read_text())["split"] == "test"
    order = np.arange(len(one))[::-1]
    turned = Labelled(tuple(one.ids[::-1]), one.vectors_ND, one.key_N[order], one.name_N, one.group_N)
    assert ids(turned, read_draws(file, turned, [5], 1)) == {5: ids(one, draws)[5][:1]}


def test_a_file_that_does_not_fit_is_refused(tmp_path: Path):
    one = pool()
    file = tmp_path / "test.json"
    file.write_text(written_draws(hashed_draws(one, [1], 2, seed=0, spare=1), one))
    with pytest.raises(ClipbioError, match="3 folds of 1 shots are asked for, it holds 2 folds of 1 shots"):
        read_draws(file, one, [1], 3)
    with pytest.raises(ClipbioError, match="2 folds of 5 shots are asked for"):
        read_draws(file, one, [5], 2)
    with pytest.raises(ClipbioError, match="of its specimens are not in the data, such as 'id-"):
        read_draws(file, pool(CLASS_N[:2]), [1], 1)
    with pytest.raises(ClipbioError, match="do not have 1 examples each"):
        read_draws(file, pool(np.full(len(CLASS_N), 7)), [1], 1)
    file.write_text("{}")
    with pytest.raises(ClipbioError, match="no draws are in it"):
        read_draws(file, one, [1], 1)
