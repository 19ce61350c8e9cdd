"""Answers at a higher rank against the whole matrix of scores."""

import numpy as np
import pytest
import torch

from clipbio.evaluation import roll_up as module
from clipbio.evaluation import top_k as top_k_module
from clipbio.evaluation.roll_up import roll_up, taxon_numbers
from clipbio.evaluation.top_k import top_k


def problem(classes=60, images=25, size=12):
    generator = torch.Generator().manual_seed(3)
    vectors = torch.nn.functional.normalize(torch.randn(classes + images, size, generator=generator), dim=1)
    taxon_C = torch.randint(-1, 7, (classes,), generator=generator)
    target_N = torch.randint(0, 7, (images,), generator=generator)
    return vectors[classes:], vectors[:classes], taxon_C, target_N


@pytest.mark.parametrize("small", [False, True])
def test_both_forms_are_those_of_the_whole_matrix(monkeypatch, small):
    if small:
        monkeypatch.setattr(top_k_module, "_CLASSES_AT_ONCE", 7)
        monkeypatch.setattr(module, "_IMAGES_AT_ONCE", 4)
    images_ND, prototypes_CD, taxon_C, target_N = problem()
    scores = (images_ND @ prototypes_CD.T).double().numpy()
    highest_N = top_k(images_ND, prototypes_CD, 1).top_score_NK[:, 0]
    found = roll_up(images_ND, prototypes_CD, taxon_C, target_N, highest_N=highest_N, scale=20.0)

    best = taxon_C.numpy()[scores.argmax(axis=1)]
    np.testing.assert_array_equal(found.best_N.numpy() == 0, best == target_N.numpy())
    probability = np.exp(20 * scores) / np.exp(20 * scores).sum(axis=1, keepdims=True)
    summed = np.stack([probability[:, taxon_C.numpy() == taxon].sum(axis=1) for taxon in range(7)], axis=1)
    order = np.argsort(-summed, axis=1)
    expected = [list(row).index(target) for row, target in zip(order, target_N.tolist(), strict=True)]
    assert found.summed_N.tolist() == expected


def test_many_weak_classes_together_outweigh_one_strong_class():
    images_ND = torch.tensor([[1.0, 0.0]])
    prototypes_CD = torch.tensor([[0.9, 0.0], [0.85, 0.0], [0.85, 0.0], [0.85, 0.0]])
    taxon_C, target_N = torch.tensor([0, 1, 1, 1]), torch.tensor([1])
    found = roll_up(images_ND, prototypes_CD, taxon_C, target_N, highest_N=torch.tensor([0.9]), scale=10.0)
    assert (found.best_N.tolist(), found.summed_N.tolist()) == ([1], [0])


def test_ties_between_taxa_count_against_and_ties_within_a_taxon_do_not():
    images_ND, same = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.0], [0.5, 0.0], [0.1, 0.0]])
    target_N, highest_N = torch.tensor([0]), torch.tensor([0.5])
    within = roll_up(images_ND, same, torch.tensor([0, 0, 1]), target_N, highest_N=highest_N, scale=100.0)
    between = roll_up(images_ND, same, torch.tensor([0, 1, 1]), target_N, highest_N=highest_N, scale=100.0)
    assert (within.best_N.item(), within.summed_N.item()) == (0, 0)
    assert (between.best_N.item(), between.summed_N.item()) == (1, 1)


def test_scores_that_are_no_numbers_are_wrong():
    images_ND, prototypes_CD, taxon_C, target_N = problem()
    images_ND[0] = torch.nan
    highest_N = top_k(images_ND, prototypes_CD, 1).top_score_NK[:, 0]
    found = roll_up(images_ND, prototypes_CD, taxon_C, target_N, highest_N=highest_N, scale=20.0)
    assert (found.best_N[0].item(), found.summed_N[0].item()) == (1, 6)


def test_unknown_taxa_have_no_number():
    numbers, count = taxon_numbers([70, -1, 5, 70])
    assert (numbers.tolist(), count) == ([0, -1, 1, 0], 2)
