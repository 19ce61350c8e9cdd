"""The measures on tables made by hand, and against numpy."""

import math

import numpy as np
import pytest
import torch

from clipbio.losses.targets import deepest_taxon
from clipbio.training.measures import (
    OTHER_TYPE,
    Moments,
    duplicate_share,
    effective_rank,
    mean_gap,
    means_by_type,
    moments,
    sums_by_type,
)


@pytest.mark.parametrize(
    ("labels", "share"),
    [([1, 2, 3, 4], 0.0), ([1, 1, 2, 3], 0.5), ([5, 5, 5, 5], 1.0), ([1, 1, 2, 2, 3], 0.8), ([-1, -1, 7, 7], 0.5), ([], 0.0)],
)  # fmt: skip
def test_duplicates_are_rows_whose_label_comes_again(labels: list[int], share: float) -> None:
    assert duplicate_share(torch.tensor(labels, dtype=torch.int64)) == pytest.approx(share)


def test_the_deepest_known_rank_names_a_row() -> None:
    taxon_BR = torch.tensor([[1, 2, 3], [1, 2, -1], [1, -1, 4], [-1, -1, -1]])
    assert deepest_taxon(taxon_BR, torch.full((len(taxon_BR),), -1)).tolist() == [3, 2, 4, -1]


def outer(vectors: torch.Tensor) -> torch.Tensor:
    return moments(vectors, torch.ones(len(vectors), dtype=torch.bool)).outer_DD


def test_the_effective_rank_of_known_shapes() -> None:
    assert effective_rank(outer(torch.eye(7)[:4])) == pytest.approx(4.0)
    assert effective_rank(outer(torch.ones(9, 5))) == pytest.approx(1.0)
    # Three rows of one direction and one of another: shares 3/4 and 1/4.
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(outer(torch.eye(3)[[0, 0, 0, 1]])) == pytest.approx(math.exp(entropy))
    assert math.isnan(effective_rank(outer(torch.full((2, 3), math.nan))))
    assert math.isnan(effective_rank(torch.zeros(3, 3)))


def test_the_effective_rank_equals_that_of_numpys_singular_values() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 12)) * np.linspace(0.1, 3, 12)
    share = np.linalg.svd(vectors, compute_uv=False) ** 2
    share /= share.sum()
    expected = np.exp(-(share * np.log(share)).sum())
    assert effective_rank(outer(torch.from_numpy(vectors))) == pytest.approx(expected, rel=1e-5)


def test_the_gap_is_the_distance_of_the_means_of_present_rows() -> None:
    one = moments(torch.tensor([[1.0, 0.0], [1.0, 2.0], [9.0, 9.0]]), torch.tensor([True, True, False]))
    other = moments(torch.tensor([[4.0, 5.0]]), torch.tensor([True]))
    assert mean_gap(one, other) == pytest.approx(5.0)
    assert math.isnan(mean_gap(one, moments(torch.ones(1, 2), torch.tensor([False]))))


def test_moments_of_parts_add_up_to_those_of_the_whole() -> None:
    vectors = torch.randn(10, 4, generator=torch.Generator().manual_seed(1))
    present = torch.tensor([True] * 7 + [False] * 3)
    whole = moments(vectors, present)
    parts = [moments(vectors[rows], present[rows]) for rows in (slice(0, 6), slice(6, 10))]
    for mine, sum_of_parts in zip(whole, Moments(*(a + b for a, b in zip(*parts, strict=True))), strict=True):
        torch.testing.assert_close(mine, sum_of_parts)
    assert whole.number.item() == 7


def test_losses_are_averaged_by_kind_of_text_and_rows_that_took_no_part_are_left_out() -> None:
    values = torch.tensor([1.0, 3.0, math.nan, 10.0, 5.0])
    sums = sums_by_type(values, ["common", "common", "common", "taxonomic", "a new kind"])
    assert means_by_type(sums) == {"common": 2.0, "taxonomic": 10.0, OTHER_TYPE: 5.0}
    # A process with other kinds in its share adds to the same table.
    both = sums + sums_by_type(torch.tensor([4.0, 6.0]), ["description", "taxonomic"])
    assert means_by_type(both) == {"common": 2.0, "taxonomic": 8.0, "description": 4.0, OTHER_TYPE: 5.0}
