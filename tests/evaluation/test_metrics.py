import itertools

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clipbio.evaluation.metrics import (
    average_precision,
    bootstrap_interval,
    chance_average_precision,
    chance_recall,
    first_hits,
    macro_mean,
    permuted_accuracy,
    stratified_interval,
    target_ranks,
)


def test_rank_is_the_number_of_better_classes():
    scores = torch.tensor([[0.9, 0.1, 0.5], [0.9, 0.1, 0.5], [0.9, 0.1, 0.5]])
    assert target_ranks(scores, torch.tensor([0, 1, 2])).tolist() == [0, 2, 1]


def test_a_tie_counts_against_the_model():
    constant = torch.zeros(4, 5)
    assert target_ranks(constant, torch.tensor([0, 1, 2, 4])).tolist() == [4, 4, 4, 4]


def test_a_tie_within_tolerance_counts_against_the_model():
    scores = torch.tensor([[0.5, 0.5 - 1e-7]])
    assert target_ranks(scores, torch.tensor([0])).item() == 0
    assert target_ranks(scores, torch.tensor([0]), tolerance=1e-6).item() == 1


@pytest.mark.parametrize("row", [[float("nan"), 0.1, 0.2], [float("nan")] * 3, [0.5, float("nan"), float("nan")]])
def test_nan_never_helps(row):
    scores = torch.tensor([row])
    assert target_ranks(scores, torch.tensor([0])).item() == 2
    relevant = torch.tensor([[True, False, False]])
    assert first_hits(scores, relevant).item() == 2
    assert average_precision(scores, relevant).item() == pytest.approx(1 / 3)


@given(st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=4), min_size=1, max_size=6), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_ranks_agree_with_counting(rows, target):
    ranks = target_ranks(torch.tensor(rows, dtype=torch.float32), torch.full((len(rows),), target))
    counted = [sum(score >= row[target] for place, score in enumerate(row) if place != target) for row in rows]
    assert ranks.tolist() == counted


def test_topk_agrees_with_scikit_learn():
    scores = torch.randn(200, 7, generator=torch.Generator().manual_seed(0))
    target = torch.arange(200) % 7
    for k in (1, 3, 5):
        ours = (target_ranks(scores, target) < k).double().mean().item()
        assert ours == pytest.approx(sklearn.metrics.top_k_accuracy_score(target, scores, k=k))


def test_macro_mean_weighs_classes_equally():
    correct = np.array([True, True, True, True, False])
    classes = np.array([0, 0, 0, 0, 3])
    assert macro_mean(correct, classes) == 0.5


def test_macro_mean_agrees_with_scikit_learn():
    generator = np.random.default_rng(0)
    true, predicted = generator.integers(0, 6, 300), generator.integers(0, 6, 300)
    assert macro_mean(true == predicted, true) == pytest.approx(
        sklearn.metrics.balanced_accuracy_score(true, predicted)
    )


def test_average_precision_of_a_table_made_by_hand():
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.6]])
    relevant = torch.tensor([[False, True, False, True]])
    assert average_precision(scores, relevant).item() == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_average_precision_agrees_with_scikit_learn():
    generator = torch.Generator().manual_seed(1)
    scores, relevant = torch.randn(20, 50, generator=generator), torch.rand(20, 50, generator=generator) < 0.2
    theirs = [sklearn.metrics.average_precision_score(row, score) for row, score in zip(relevant, scores, strict=True)]
    assert average_precision(scores, relevant).tolist() == pytest.approx(theirs)


def test_average_precision_ranks_ties_against_the_model():
    relevant = torch.tensor([[True, False, True, False]])
    assert average_precision(torch.zeros(1, 4), relevant).item() == pytest.approx((1 / 3 + 2 / 4) / 2)
    close = torch.tensor([[0.5, 0.5 - 1e-7, 0.9, 0.1]])
    assert average_precision(close, relevant, tolerance=1e-6).item() == pytest.approx((1 + 2 / 3) / 2)


def test_average_precision_without_anything_relevant_is_zero():
    assert average_precision(torch.rand(1, 3), torch.zeros(1, 3, dtype=torch.bool)).item() == 0


def test_first_hit_counts_irrelevant_items_before_the_best_relevant_one():
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.7], [0.1, 0.2, 0.3, 0.4]])
    relevant = torch.tensor([[False, False, True, False], [True, False, False, True]])
    assert first_hits(scores, relevant).tolist() == [3, 0]
    assert first_hits(scores, torch.zeros(2, 4, dtype=torch.bool)).tolist() == [4, 4]


@pytest.mark.parametrize(("relevant", "total"), [(1, 4), (2, 5), (3, 5), (4, 4)])
def test_chance_of_retrieval_equals_the_mean_over_all_rankings(relevant, total):
    rankings = torch.tensor(list(itertools.permutations(range(total))), dtype=torch.float32)
    marked = torch.zeros_like(rankings, dtype=torch.bool)
    marked[:, :relevant] = True
    precision = average_precision(rankings, marked).mean().item()
    assert chance_average_precision(np.array([relevant]), total) == pytest.approx(precision)
    for k in (1, 2, total, total + 3):
        recall = (first_hits(rankings, marked) < k).double().mean().item()
        assert chance_recall(np.array([relevant]), total, k) == pytest.approx(recall)


def test_bootstrap_interval_agrees_with_the_normal_approximation():
    values = (np.arange(1000) < 300).astype(float)
    low, high = bootstrap_interval(values, seed=1)
    half = 1.96 * np.sqrt(0.3 * 0.7 / 1000)
    assert (low, high) == (pytest.approx(0.3 - half, abs=0.005), pytest.approx(0.3 + half, abs=0.005))


def test_bootstrap_of_many_distinct_values_is_drawn_in_pieces_and_covers_the_mean():
    values = np.random.default_rng(0).normal(size=20_000)
    low, high = bootstrap_interval(values, seed=1, resamples=300)
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(20_000), rel=0.2)
    assert low < values.mean() < high


def test_bootstrap_is_seeded():
    values = np.arange(10.0)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


def test_bootstrap_of_equal_values_has_no_width():
    assert bootstrap_interval(np.ones(5), seed=0) == (1.0, 1.0)


def test_stratified_interval_is_narrower_than_the_plain_one_where_classes_differ():
    classes = np.repeat([0, 1], 50)
    correct = classes == 0
    assert stratified_interval(correct, classes, seed=0) == (0.5, 0.5)
    low, high = bootstrap_interval(correct.astype(float), seed=0)
    assert high - low > 0.1


def test_permuted_accuracy_of_perfect_predictions_is_chance_on_average():
    classes = np.repeat(np.arange(20), 4)
    accuracies = permuted_accuracy(classes, classes, num_classes=20, permutations=4000, seed=0)
    assert accuracies.mean() == pytest.approx(1 / 20, abs=0.004)


def test_permuted_accuracy_equals_permuting_the_texts_themselves():
    generator = np.random.default_rng(5)
    scores, classes = generator.normal(size=(60, 8)), np.arange(60) % 8
    accuracy = permuted_accuracy(scores.argmax(axis=1), classes, num_classes=8, permutations=1, seed=9)[0]
    order = np.random.default_rng(9).permutation(8)
    assert accuracy == (scores[:, order].argmax(axis=1) == classes).mean()


def test_permuted_accuracy_never_counts_a_tie():
    nothing = np.full(10, -1)
    assert permuted_accuracy(nothing, np.arange(10), num_classes=10, permutations=50, seed=0).max() == 0
