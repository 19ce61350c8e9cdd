"""Lists and their fusion against dictionaries and loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.search.fusion import (
    ENGINE_WEIGHTS,
    Ranked,
    best_rows,
    competition_ranks,
    dense_ranks,
    fuse,
    rank_lists,
    segment_best,
    unit_means,
)

# Few distinct values, so that ties are the rule.
few = st.integers(-3, 3).map(float)
scored = st.lists(st.tuples(few, few, st.booleans()), max_size=40)


def columns(rows):
    table = np.array(rows, np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2].astype(bool)


def slow_candidates(scores, takes, limit):
    values = sorted((s for s, t in zip(scores, takes) if t), reverse=True)
    return [s for s in values if s >= values[min(limit, len(values)) - 1]]


@given(scored, st.integers(1, 10))
def test_ranks_equal_counts_of_what_is_higher(rows, limit):
    scores, _, takes = columns(rows)
    inside = slow_candidates(scores, takes, limit)
    dense, competition = dense_ranks(scores, takes, limit), competition_ranks(scores, takes, limit)
    for place, (score, part) in enumerate(zip(scores, takes)):
        stands = part and score in inside
        assert dense[place] == (1 + len({s for s in inside if s > score}) if stands else 0)
        assert competition[place] == (1 + sum(s > score for s in inside) if stands else 0)


@given(scored, st.none() | st.integers(0, 50))
def test_best_rows_are_the_head_of_the_full_order(rows, count):
    score, own, takes = columns(rows)
    order = sorted(np.flatnonzero(takes), key=lambda row: (-score[row], -own[row], row))
    assert best_rows(score, own, takes, count).tolist() == order[:count]
    order.sort(key=lambda row: (-score[row], row))
    assert best_rows(score, None, takes, count).tolist() == order[:count]


def test_rows_without_an_own_score_come_last_in_their_group():
    score, own = np.array([1.0, 1, 1, 2]), np.array([-np.inf, 0.5, -np.inf, -np.inf])
    for count in (2, 3, 4, None):
        assert best_rows(score, own, np.ones(4, bool), count).tolist() == [3, 1, 0, 2][:count]


@given(st.lists(st.lists(few, max_size=4), max_size=8))
def test_segment_best_is_the_maximum_of_each(segments):
    values = np.array([value for segment in segments for value in segment], np.float32)
    offsets = np.cumsum([0, *map(len, segments)])
    assert segment_best(values, offsets).tolist() == [max(segment, default=-np.inf) for segment in segments]


@given(st.lists(st.tuples(st.integers(0, 4), few, st.booleans()), max_size=20))
def test_unit_means_are_those_of_the_rows_that_take_part(rows):
    unit, cosine, takes = (np.array(column) for column in (zip(*rows) if rows else ((), (), ())))
    means = unit_means(cosine.astype(np.float32), unit.astype(np.int32), takes.astype(bool), 5)
    for code in range(5):
        own = [c for u, c, t in rows if t and u == code]
        assert means[code] == pytest.approx(np.mean(own)) if own else np.isnan(means[code])


def test_unit_means_leave_out_the_cosines_of_rows_without_a_vector():
    cosine = np.array([np.nan, 0.5, -np.inf], np.float32)
    assert unit_means(cosine, np.zeros(3, np.int32), np.array([False, True, False]), 1).tolist() == [0.5]


def test_fusion_adds_weighted_reciprocal_ranks():
    lists = [Ranked("a", 1.0, np.array([1, 2, 0, 0])), Ranked("b", 0.5, np.array([0, 1, 2, 0]))]
    np.testing.assert_allclose(fuse(lists, 4), [1 / 11, 1 / 12 + 0.5 / 11, 0.5 / 12, 0])


def test_only_what_shares_a_word_stands_in_lists_of_words_and_only_what_has_a_vector_in_the_others():
    scores = {"description": np.array([0.0, 2, 3]), "meaning": np.array([-0.5, -np.inf, 0.1]), "other": np.ones(3)}
    lists = rank_lists(scores, np.array([True, True, False]), "fused")
    assert {entry.name: entry.ranks_G.tolist() for entry in lists} == {"description": [0, 1, 0], "meaning": [1, 0, 0]}
    assert [entry.name for entry in rank_lists(scores, np.ones(3, bool), "lexical")] == ["description"]


def test_a_list_of_words_counts_as_much_as_its_best_entry_that_passes():
    scores = {"sentence": np.array([0.9, 0.2, 0.1]), "meaning": np.array([0.9, 0.2, 0.1])}
    lists = rank_lists(scores, np.array([False, True, True]), "fused")
    assert {entry.name: entry.weight for entry in lists} == {"sentence": pytest.approx(4 * 0.2), "meaning": 1}
    assert [entry.weight for entry in rank_lists(scores, np.zeros(3, bool), "lexical")] == [0]


def test_engines_weigh_their_lists_as_measured():
    fused, vector, lexical = (ENGINE_WEIGHTS[engine] for engine in ("fused", "vector", "lexical"))
    assert fused == {"description": 1, "sentence": 1, "meaning": 1, "image": 0.25, "dna": 0.25}
    assert vector == {"meaning": 1, "image": 0.25, "dna": 0.25}
    assert lexical == {"description": 1, "sentence": 1}
