import math

import torch
from torch import Tensor

from clipbio.evaluation.classification import Classification
from clipbio.taxonomy import RANKS


def classifier(known: list[int], answer: Tensor):
    """Answer species by the given class numbers; `known` holds the keys of the classes."""

    def answers(vectors_ND: Tensor, taxon_NR: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        keys = taxon_NR[:, RANKS.index("species")].tolist()
        place = torch.tensor([known.index(key) if key in known else -1 for key in keys])
        return {"species": (torch.eye(len(known))[answer], place)}

    return answers


def test_accuracy_counts_known_taxa_and_tells_how_many_are_not(world) -> None:
    data = world(classes=4, per_class=2).split()
    keys = [candidate.taxon.rank_keys[-1] for candidate in data.classes]
    # Species 3 was not trained. Of the others five of six images are placed right.
    answer = torch.tensor([0, 0, 1, 1, 2, 0, 0, 1])
    metrics = Classification(classifier(keys[:3], answer)).run(data, world().encode).metrics
    path = "classification/test/species"
    assert metrics[f"{path}/top1"] == 5 / 6
    assert metrics[f"{path}/top1/n"] == 6
    assert metrics[f"{path}/top1/chance"] == 1 / 3
    assert metrics[f"{path}/top1/low"] < 5 / 6 < metrics[f"{path}/top1/high"]
    assert (metrics[f"{path}/unseen_images"], metrics[f"{path}/unseen_taxa"]) == (2, 1)


def test_a_split_of_unseen_species_has_no_accuracy_and_a_tie_is_wrong(world) -> None:
    data = world(classes=2, per_class=1).split(name="unseen")
    metrics = Classification(classifier([5, 6], torch.tensor([0, 1]))).run(data, world().encode).metrics
    assert metrics == {
        "classification/unseen/species/unseen_images": 2,
        "classification/unseen/species/unseen_taxa": 2,
        "classification/unseen/species/top1/n": 0,
    }

    def undecided(vectors_ND: Tensor, taxon_NR: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        return {
            "family": (torch.zeros(2, 3), torch.tensor([0, 1])),
            "genus": (torch.full((2, 3), math.nan), torch.tensor([0, 1])),
        }

    tied = Classification(undecided).run(data, world().encode).metrics
    assert tied["classification/unseen/family/top1"] == 0
    assert tied["classification/unseen/genus/top1"] == 0
