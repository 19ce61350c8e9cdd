import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from clipbio.evaluation import neighbours
from clipbio.evaluation.neighbours import nearest_keys


def brute(query, key, k, query_group, key_group):
    """Sort all keys of each query by (score, row)."""
    found = []
    for row in range(len(query)):
        scores = [float(query[row] @ key[column]) for column in range(len(key))]
        allowed = [
            column for column in range(len(key)) if query_group[row] < 0 or key_group[column] != query_group[row]
        ]
        best = sorted(allowed, key=lambda column: (-scores[column], column))[:k]
        found.append(best + [-1] * (k - len(best)))
    return torch.tensor(found, dtype=torch.long).reshape(len(query), k)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(0, 7),
    keys=st.integers(0, 30),
    k=st.integers(1, 8),
    levels=st.integers(1, 4),
)
def test_equals_brute_force_with_ties_and_groups(seed, queries, keys, k, levels):
    generator = torch.Generator().manual_seed(seed)
    # Small whole numbers: products are exact, and many of them are equal.
    query = torch.randint(-levels, levels + 1, (queries, 3), generator=generator).float()
    key = torch.randint(-levels, levels + 1, (keys, 3), generator=generator).float()
    query_group = torch.randint(-1, 5, (queries,), generator=generator)
    key_group = torch.randint(-1, 5, (keys,), generator=generator)
    found = nearest_keys(query, key, k=k, query_group_Q=query_group, key_group_K=key_group)
    expected = brute(query, key, k, query_group, key_group)
    assert found.key_Qk.tolist() == expected.tolist()
    products = query @ key.T
    for row, columns in enumerate(expected.tolist()):
        scores = [float(products[row, column]) if column >= 0 else -torch.inf for column in columns]
        assert found.score_Qk[row].tolist() == scores


def test_chunks_change_nothing(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(23, 8, generator=generator), torch.randn(40, 8, generator=generator)
    whole = nearest_keys(query, key, k=5)
    monkeypatch.setattr(neighbours, "_SCORES_AT_ONCE", 100)
    pieces = nearest_keys(query, key, k=5)
    assert torch.equal(whole.key_Qk, pieces.key_Qk)
    torch.testing.assert_close(whole.score_Qk, pieces.score_Qk)


def test_equal_vectors_are_tied_wherever_they_stand():
    generator = torch.Generator().manual_seed(0)
    few = F.normalize(torch.randn(7, 96, generator=generator), dim=1)
    copies = torch.randint(0, 7, (501,), generator=generator)
    query = F.normalize(torch.randn(11, 96, generator=generator), dim=1)
    found = nearest_keys(query, few[copies], k=9)
    best = (query @ few.T).argmax(dim=1)
    for row in range(11):
        assert found.key_Qk[row].tolist() == (copies == best[row]).nonzero()[:9, 0].tolist()


def test_a_score_that_is_no_number_is_no_answer():
    key = torch.tensor([[float("nan"), 0], [0.0, 1.0]])
    found = nearest_keys(torch.tensor([[0.0, 1.0]]), key, k=2)
    assert found.key_Qk.tolist() == [[1, -1]]
    assert found.score_Qk.tolist() == [[1, -torch.inf]]


def test_groups_come_together():
    with pytest.raises(ValueError, match="neither"):
        nearest_keys(torch.ones(1, 2), torch.ones(1, 2), k=1, query_group_Q=torch.zeros(1, dtype=torch.long))
