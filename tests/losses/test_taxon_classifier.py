"""Cross-entropy over taxa: by hand, over processes, and through a checkpoint."""

import math
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from processes import in_group, spawn
from torch import Tensor
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from clipbio.errors import ClipbioError
from clipbio.losses import TaxonClassifier
from clipbio.taxonomy import RANKS

TWO = ("family", "species")


def taxa(families: list[int], species: list[int]) -> Tensor:
    """Taxa of which only family and species are known."""
    taxon_NR = torch.full((len(families), len(RANKS)), -1)
    taxon_NR[:, RANKS.index("family")] = torch.tensor(families)
    taxon_NR[:, RANKS.index("species")] = torch.tensor(species)
    return taxon_NR


TRAINED = taxa([70, 70, 80, 80], [3, 9, 5, -1])


def prepared(ranks: tuple[str, ...] = TWO, *, dim: int = 4) -> TaxonClassifier:
    head = TaxonClassifier(ranks)
    head.prepare(TRAINED, dim=dim)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return head


def vectors(rows: int) -> Tensor:
    return functional.normalize(torch.randn(rows, 4, generator=torch.Generator().manual_seed(1)), dim=1)


def here(rows: int) -> dict[str, Tensor]:
    return {"image": torch.ones(rows, dtype=torch.bool)}


def test_the_loss_is_the_sum_over_ranks_of_the_mean_over_labelled_rows() -> None:
    head, image = prepared(), vectors(5)
    present = torch.tensor([True, True, True, True, False])
    # The third row has no species, the fourth one that was not trained, the last no image.
    output = head({"image": image}, {"image": present}, {"taxon_BR": taxa([70, 80, 70, 80, 80], [9, 5, -1, 4, 5])})

    def cross_entropy(rank: str, classes: list[int], rows: list[int]) -> list[float]:
        linear = head.classifier(rank).linear
        logits = (2.0 * image[rows] @ linear.weight.T + linear.bias).detach()
        return [float(logits[n].exp().sum().log() - logits[n, c]) for n, c in enumerate(classes)]

    family = cross_entropy("family", [0, 1, 0, 1], [0, 1, 2, 3])
    species = cross_entropy("species", [2, 1], [0, 1])
    assert output.loss.item() == pytest.approx(sum(family) / 4 + sum(species) / 2, rel=1e-5)
    assert output.report["loss/species"].item() == pytest.approx(sum(species) / 2, rel=1e-5)
    expected = [family[0] + species[0], family[1] + species[1], family[2], family[3]]
    assert output.row_loss_b[:4].tolist() == pytest.approx(expected, rel=1e-5)
    assert math.isnan(output.row_loss_b[4])


def test_a_new_classifier_guesses_and_classes_are_the_taxa_of_training() -> None:
    head = TaxonClassifier(RANKS)
    head.prepare(TRAINED, dim=4)
    assert set(head.classifiers) == {"family", "species"}
    assert head.classifier("species").keys_C.tolist() == [3, 5, 9]
    output = head({"image": vectors(4)}, here(4), {"taxon_BR": TRAINED})
    assert output.loss.item() == pytest.approx(math.log(2) + math.log(3))


def test_a_batch_without_labels_costs_nothing_and_reaches_every_parameter() -> None:
    head = prepared()
    loss = head({"image": vectors(2)}, here(2), {"taxon_BR": taxa([-1, 99], [-1, -1])}).loss
    loss.backward()
    assert loss.item() == 0
    assert all(torch.equal(parameter.grad, torch.zeros_like(parameter)) for parameter in head.parameters())


def test_answers_name_the_right_class_or_none() -> None:
    head = prepared(("species",))
    logits, place = head.answers(vectors(3), taxa([70, 70, 70], [9, 4, 3]))["species"]
    assert place.tolist() == [2, -1, 0]
    torch.testing.assert_close(logits, head.classifier("species")(vectors(3)))


def test_a_head_that_knows_no_classes_yet_takes_those_of_a_checkpoint() -> None:
    trained, loaded = prepared(), TaxonClassifier(TWO)
    loaded.prepare_like(trained.state_dict())
    loaded.load_state_dict(trained.state_dict())
    batch = ({"image": vectors(4)}, here(4), {"taxon_BR": TRAINED})
    assert torch.equal(loaded(*batch).loss, trained(*batch).loss)


@pytest.mark.parametrize(
    ("ranks", "message"),
    [(["specie"], "did you mean 'species'"), ([], "one or more ranks"), (["genus", "genus"], "each once")],
)
def test_bad_ranks_are_told(ranks: list[str], message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        TaxonClassifier(ranks)


def test_data_without_labels_is_told() -> None:
    with pytest.raises(ClipbioError, match="no train specimen has a genus"):
        TaxonClassifier(["genus"]).prepare(TRAINED, dim=4)


def results(rank: int, world: int) -> dict[str, Tensor]:
    """Return the loss of the global batch and the gradients that training sees; labels are spread unevenly."""
    own = slice(rank * 8 // world, (rank + 1) * 8 // world)
    tower, head = torch.nn.Linear(6, 4), prepared()
    inputs = torch.randn(8, 6, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        tower.weight.copy_(torch.randn(4, 6, generator=torch.Generator().manual_seed(3)))
        tower.bias.zero_()
    labels = taxa([70, 80, 70, 80, -1, 70, -1, -1], [9, 5, 3, 5, -1, -1, -1, -1])[own]

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower, self.head = tower, head

        def forward(self) -> Tensor:
            image = functional.normalize(self.tower(inputs[own]), dim=1)
            loss: Tensor = self.head({"image": image}, here(len(image)), {"taxon_BR": labels}).loss
            return loss

    module = Whole()
    # Under a name: without it the wrapper is gone before the gradients come.
    wrapped = DistributedDataParallel(module) if world > 1 else module
    loss = wrapped()
    loss.backward()
    value = loss.detach().clone()
    if world > 1:
        dist.all_reduce(value)
    return {"loss": value / world} | {name: p.grad.clone() for name, p in module.named_parameters()}


def run_process(rank: int, folder: Path) -> None:
    torch.save(in_group(rank, 2, folder / "meet", lambda: results(rank, 2)), folder / f"{rank}.pt")


def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    spawn(run_process, tmp_path)
    alone = results(0, 1)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        assert found.keys() == alone.keys()
        for name, value in alone.items():
            error = float((found[name] - value).abs().max() / value.abs().max())
            assert error <= 1e-5, (name, error)
