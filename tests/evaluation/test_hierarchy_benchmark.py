import logging
import math

import numpy as np
import pytest
import torch
from key_worlds import Thing, animal

from clipbio.errors import ClipbioError
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.hierarchy_benchmark import Hierarchy
from clipbio.evaluation.rank_answers import ClassTree, Placed, answer_ranks, fit_temperature
from clipbio.taxonomy import RANKS

# Two families, three genera, four species; a class without a binomial counts as a species of its own.
TAXA = [animal("F", "G", "a"), animal("F", "G", "b"), animal("F", "H", "c"), animal("E", "K", "d")]
DIRECTIONS = {"G a": 0, "G b": 20, "H c": 50, "K d": 100, "F": 20, "E": 100, "F G": 10, "F H": 50, "E K": 100}
QUIET = {"bootstrap": 0, "permutations": 0, "pictures": "none"}


def unit(degrees):
    turn = torch.deg2rad(torch.as_tensor(degrees, dtype=torch.float64))
    return torch.stack([turn.cos(), turn.sin()], dim=-1).float()


def encode(texts):
    """Give "a photo of Animalia P C O F G a." the direction of what stands behind the order."""
    names = [text.removeprefix("a photo of ").removesuffix(".").split(" ") for text in texts]
    keys = [" ".join(name[5:] if len(name) == 7 else name[4:]) for name in names]
    return torch.stack([unit(DIRECTIONS.get(key, 60)) for key in keys])


def split(angles, species, *, name="test", taxa=TAXA):
    things = [Thing(taxa[number]) for number in species]
    return SplitData.build(name, [f"{name}{k}" for k in range(len(things))], vectors_ND=unit(angles), named=things)


def run(data, evaluated=("test",), **settings):
    return Hierarchy(**QUIET | settings).run_across(data, evaluated, encode)


# Right, right, right, right, taken for its sister, for another genus, for another family.
ANGLES, SPECIES = [1, 19, 51, 99, 19, 49, 99], [0, 1, 2, 3, 0, 0, 0]


def test_figures_of_a_table_made_by_hand():
    found = run({"test": split(ANGLES, SPECIES)}, temperature=0.001).metrics
    assert found["hierarchy/test/species/top1"] == pytest.approx(4 / 7)
    assert found["hierarchy/test/genus/top1"] == pytest.approx(5 / 7)
    assert found["hierarchy/test/family/top1"] == pytest.approx(6 / 7)
    # G a: 1 of 4; the others all; G: 3 of 5.
    assert found["hierarchy/test/species/macro_top1"] == pytest.approx((0.25 + 3) / 4)
    assert found["hierarchy/test/genus/macro_top1"] == pytest.approx((3 / 5 + 2) / 3)
    assert found["hierarchy/test/all/distance"] == pytest.approx((1 + 2 + 3) / 7)
    assert found["hierarchy/test/all/distance_wrong"] == pytest.approx(2)
    assert found["hierarchy/test/all/distance_wrong/n"] == 3
    assert found["hierarchy/test/all/wrong_in_genus"] == pytest.approx(1 / 3)
    assert found["hierarchy/test/all/wrong_in_family"] == pytest.approx(2 / 3)
    # All are of one order: nothing to tell apart.
    assert not any("/order/" in key or "in_order" in key for key in found)


def test_chance_is_a_class_drawn_at_random():
    found = run({"test": split(ANGLES, SPECIES)}, temperature=0.001).metrics
    # Distances between the four species, row by row.
    rows = np.array([[0, 1, 2, 3], [1, 0, 2, 3], [2, 2, 0, 3], [3, 3, 3, 0]])
    assert found["hierarchy/test/all/distance/chance"] == pytest.approx(rows.mean(axis=1)[SPECIES].mean())
    assert found["hierarchy/test/all/distance_wrong/chance"] == pytest.approx(rows[0].sum() / 3)
    assert found["hierarchy/test/all/wrong_in_family/chance"] == pytest.approx(2 / 3)
    assert found["hierarchy/test/family/top1/chance"] == pytest.approx((6 * 3 / 4 + 1 / 4) / 7)
    assert found["hierarchy/test/family/macro_top1/chance"] == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert found["hierarchy/test/family/text_top1/chance"] == 0.5
    for metric in ("top1", "top_down_top1", "text_top_down_top1"):
        assert found[f"hierarchy/test/all/{metric}/chance"] == 1 / 4


def test_taxa_are_answered_by_a_text_of_their_own_and_ways_down_may_disagree():
    # Between H c (50) and E (100): the family text of E is nearer than that of F (20), the genus text of H is nearest.
    found = run({"test": split([62, 1, 99], [2, 0, 3])}, temperature=0.001).metrics
    assert found["hierarchy/test/family/text_top1"] == pytest.approx(2 / 3)
    assert found["hierarchy/test/genus/text_top1"] == 1
    assert found["hierarchy/test/all/text_consistent"] == pytest.approx(2 / 3)
    assert found["hierarchy/test/all/consistent"] == 1
    for metric in ("text_top_down_agrees", "text_top_down_top1"):
        assert found[f"hierarchy/test/all/{metric}"] == pytest.approx(2 / 3)
    assert "hierarchy/test/species/text_top1" not in found


def test_probabilities_are_summed_up_the_tree():
    data = split(ANGLES, SPECIES)
    classes = ClassTree.of(data.classes)
    prototypes = encode([f"a photo of {' '.join(one.taxon.ranks)}." for one in data.classes])
    placed = Placed(data.images.vectors_ND, data.images.class_N, prototypes)
    texts = encode([f"a photo of {' '.join(filter(None, one.taxon.ranks))}." for one in classes.taxa])
    found = answer_ranks(classes, placed, texts, temperature=0.5)
    share = torch.softmax((data.images.vectors_ND @ prototypes.T).double() / 0.5, dim=1)
    families = torch.tensor([one.taxon.family == "F" for one in data.classes])
    in_f, in_e = share[:, families].sum(dim=1), share[:, ~families].sum(dim=1)
    place = RANKS.index("family")
    assert torch.allclose(found.confidence_NR[:, place], torch.maximum(in_f, in_e))
    is_f = torch.tensor([number != 3 for number in SPECIES])
    assert torch.allclose(found.true_NR[:, place], torch.where(is_f, in_f, in_e))
    assert torch.allclose(found.square_NR[:, place], in_f**2 + in_e**2)
    assert torch.allclose(found.square_NR[:, -1], (share**2).sum(dim=1))
    metrics = run({"test": data}, temperature=0.5).metrics
    brier = ((in_f - is_f.double()) ** 2 + (in_e - (~is_f).double()) ** 2).mean()
    assert metrics["hierarchy_calibration/test/family/brier"] == pytest.approx(float(brier))
    nll = -torch.where(is_f, in_f, in_e).log().mean()
    assert metrics["hierarchy_calibration/test/family/nll"] == pytest.approx(float(nll))


def test_a_model_that_says_the_same_of_everything_is_never_right():
    flat = Hierarchy(**QUIET, temperature=1.0)
    found = flat.run_across(
        {"test": split(ANGLES, SPECIES)}, ("test",), lambda texts: unit([5.0]).expand(len(texts), -1)
    ).metrics
    assert found["hierarchy/test/species/top1"] == found["hierarchy/test/family/text_top1"] == 0
    # Summed up, F has three of four species.
    assert found["hierarchy/test/family/top1"] == pytest.approx(6 / 7)
    assert found["hierarchy/test/all/distance"] == 7
    # Both ways down end above the species that tie.
    for metric in ("top_down_top1", "text_top_down_top1"):
        assert found[f"hierarchy/test/all/{metric}"] == 0
    assert found["hierarchy/test/back_off/depth"] == 4
    # Each of four species has a quarter, and none is right: that is no calibrated model.
    for metric in ("ece", "ece_equal_mass", "confidence"):
        assert found[f"hierarchy_calibration/test/species/{metric}"] == pytest.approx(0.25)


def test_validation_chooses_temperature_and_depth():
    generator = torch.Generator().manual_seed(0)
    species = torch.randint(4, (400,), generator=generator)
    centre = torch.tensor([0.0, 20, 50, 100])
    angles = centre[species] + 12 * torch.randn(400, generator=generator)
    data = {name: split(angles[rows], species[rows].tolist(), name=name) for name, rows in PARTS.items()}
    found = run(data, accuracy=0.95).metrics
    warm = found["hierarchy_calibration/test/all/temperature"]
    assert found["hierarchy_calibration/test/species/ece"] < 0.1
    for other in (warm / 5, warm * 5):
        worse = run(data, temperature=other).metrics
        assert worse["hierarchy_calibration/test/species/nll"] > found["hierarchy_calibration/test/species/nll"]
    assert found["hierarchy/test/species/top1"] < 0.9 < found["hierarchy/test/back_off/right"]
    assert found["hierarchy/test/back_off/species/answered"] < found["hierarchy/test/back_off/family/answered"] <= 1
    assert 3 < found["hierarchy/test/back_off/depth"] < 7


PARTS = {"val": slice(0, 200), "test": slice(200, 400)}


def test_the_fitted_temperature_is_the_best():
    generator = torch.Generator().manual_seed(2)
    images = torch.nn.functional.normalize(torch.randn(300, 6, generator=generator), dim=1)
    prototypes = torch.nn.functional.normalize(torch.randn(5, 6, generator=generator), dim=1)
    drawn = torch.distributions.Categorical(logits=images @ prototypes.T / 0.2)
    torch.manual_seed(0)
    placed = Placed(images, drawn.sample(), prototypes)

    def loss(temperature):
        return float(torch.nn.functional.cross_entropy(images @ prototypes.T / temperature, placed.class_N))

    found = fit_temperature([placed])
    assert found == pytest.approx(0.2, rel=0.3)
    assert loss(found) <= min(loss(found * 1.02), loss(found / 1.02))


def test_without_validation_the_settings_hold_and_it_is_said(caplog):
    with caplog.at_level(logging.WARNING):
        found = run({"test": split(ANGLES, SPECIES)}, confidence=0.7).metrics
    assert "no validation split: temperature 0.01, back off below 0.7" in caplog.text
    assert found["hierarchy_calibration/test/all/temperature"] == 0.01
    assert found["hierarchy/test/back_off/confidence"] == 0.7


def test_accuracy_by_the_number_of_training_images():
    train = split([0] * 30 + [20] * 3 + [50] * 12, [0] * 30 + [1] * 3 + [2] * 12, name="train")
    found = run({"test": split(ANGLES, SPECIES), "train": train}, many=20, few=5).metrics
    tops = {name: found[f"hierarchy_frequency/test/{name}/top1"] for name in ("many", "medium", "few", "none")}
    assert tops == {"many": 0.25, "medium": 1, "few": 1, "none": 1}
    assert found["hierarchy_frequency/test/many/top1/n"] == 4
    without = run({"test": split(ANGLES, SPECIES), "train": train}, frequency=None).metrics
    assert not any("frequency" in key for key in without)


def test_answers_stand_behind_the_figures():
    result = run({"test": split(ANGLES, SPECIES)})
    for one in result.answers:
        assert result.metrics[one.key] == pytest.approx(float(one.value_N.mean()))
    family = next(one for one in result.answers if one.key == "hierarchy/test/family/top1")
    assert family.ids[-1] == "test6"
    assert family.species == tuple(TAXA[number].scientific_name for number in SPECIES)
    assert family.value_N.tolist() == [1, 1, 1, 1, 1, 1, 0]


def test_gaps_and_labels_leave_a_place_in_the_tree():
    things = [Thing(TAXA[0]), Thing(animal("F", "G"), "sp. 1"), Thing(animal("", "H", "c")), Thing(animal("E"))]
    data = SplitData.build("test", list("abcd"), vectors_ND=unit([0, 10, 50, 100]), named=things)
    metrics = run({"test": data}, bootstrap=20, permutations=5).metrics
    assert metrics["hierarchy/test/species/top1/n"] == 3
    assert metrics["hierarchy/test/family/top1/n"] == 3
    assert all(math.isfinite(number) for number in metrics.values())


def test_intervals_over_specimens_and_over_species():
    metrics = run({"test": split(ANGLES * 3, SPECIES * 3)}, bootstrap=50).metrics
    for key in ("hierarchy/test/species/top1", "hierarchy/test/genus/macro_top1"):
        for kind in ("", "_species"):
            assert metrics[f"{key}/low{kind}"] <= metrics[key] <= metrics[f"{key}/high{kind}"]


def test_needed_are_validation_and_the_counted_split():
    available = ("train", "val", "val_unseen", "test")
    assert Hierarchy(pictures="none").needed(("test",), available) == ("val", "val_unseen", "train")
    assert Hierarchy(pictures="none", frequency=None).needed(("test",), available) == ("val", "val_unseen")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"ranks": ["familly"]}, "did you mean 'family'"),
        ({"pictures": "tnse"}, "did you mean 'tsne'"),
        ({"temperature": 0}, "auto or a number above 0"),
        ({"temperature": "warm"}, "auto or a number above 0"),
        ({"accuracy": 90}, "between 0 and 1"),
        ({"few": 200}, "0 < few <= many"),
        ({"bins": 1}, "at least 2"),
    ],
)
def test_wrong_settings_are_one_line(settings, line):
    with pytest.raises(ClipbioError, match=line):
        Hierarchy(**settings)


def test_a_split_with_one_class_is_left_out(caplog):
    with caplog.at_level(logging.WARNING):
        assert run({"test": split([0, 1], [0, 0])}).metrics == {}
    assert "split test has no images or fewer than two classes" in caplog.text
