"""The published forms of zero-shot classification against a computation by hand."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.specimens import Specimens
from clipbio.evaluation.zero_shot import ZeroShot
from clipbio.taxonomy import Taxon, stable_hash
from clipbio.text import templates


@dataclass(frozen=True)
class Row:
    """One line of a classification CSV."""

    label: str
    taxon: Taxon = field(
        default_factory=lambda: Taxon("Animalia", "Chordata", "Aves", "O", "F", "Anas", "platyrhynchos")
    )
    common_names: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    metadata: dict = field(default_factory=dict)


def encode(texts):
    rows = [torch.randn(8, generator=torch.Generator().manual_seed(stable_hash(text) % 2**31)) for text in texts]
    return functional.normalize(torch.stack(rows), dim=1)


def split(rows, vectors=None):
    generator = torch.Generator().manual_seed(1)
    vectors_ND = torch.randn(len(rows), 8, generator=generator) if vectors is None else vectors
    ids = tuple(f"id-{number}" for number in range(len(rows)))
    specimens = Specimens(
        ids, tuple(rows), {"image": vectors_ND}, {"image": torch.ones(len(rows), dtype=torch.bool)},
        torch.full((len(rows), 7), -1), torch.arange(len(rows)),
    )  # fmt: skip
    return SplitData.build("test", ids, vectors_ND=vectors_ND, named=rows, specimens=specimens)


def weights(names):
    """Return the class vectors as the published code makes them."""
    found = []
    for name in names:
        vectors = encode([template.replace("{}", name) for template in templates("bioclip_81")])
        mean = functional.normalize(vectors, dim=-1).mean(dim=0)
        found.append(mean / mean.norm())
    return torch.stack(found)


# Plumages of one species: the class key of this house is the species, that of the published code is the string.
ROWS = [Row(f"Mallard_({plumage})") for plumage in ("male", "female", "female", "juvenile", "male", "eclipse")] * 4


@pytest.mark.parametrize("protocol", ["bioclip_v1", "bioclip_v2"])
def test_classes_are_the_strings_and_the_figures_those_of_the_whole_matrix(protocol):
    data = split(ROWS)
    result = ZeroShot(["label"], protocol=protocol, bootstrap=50).run(data, encode)
    names = list(dict.fromkeys(row.label for row in ROWS))
    target = np.array([names.index(row.label) for row in ROWS])
    order = (data.images.vectors_ND @ weights(names).T).numpy().argsort(axis=1)[:, ::-1]
    key = f"zero_shot_{protocol}/test/label"
    for k in (1, 3, 5):
        expected = (order[:, :k] == target[:, None]).any(axis=1).mean()
        assert result.metrics[f"{key}/top{k}"] == pytest.approx(expected)
    assert result.metrics[f"{key}/top1/chance"] == 1 / 4
    assert result.metrics[f"{key}/top1/n"] == len(ROWS)
    assert f"{key}/mislabelled" not in result.metrics
    assert result.answers[0].species == tuple(row.label for row in ROWS)
    assert result.answers[0].value_N.mean() == pytest.approx(result.metrics[f"{key}/top1"])


def test_v1_takes_a_given_number_for_the_target_while_names_stand_in_order_of_appearance():
    names = ["b", "a", "c"]
    vectors = weights(names)
    rows = [Row(name, metadata={"class_idx": number}) for name, number in zip(names, ["1", "0", 2.0], strict=True)]
    first = ZeroShot(["label"], protocol="bioclip_v1", bootstrap=0).run(split(rows, vectors), encode).metrics
    second = ZeroShot(["label"], protocol="bioclip_v2", bootstrap=0).run(split(rows, vectors), encode).metrics
    assert first["zero_shot_bioclip_v1/test/label/top1"] == pytest.approx(1 / 3)
    assert first["zero_shot_bioclip_v1/test/label/mislabelled"] == 2
    assert second["zero_shot_bioclip_v2/test/label/top1"] == 1
    partly = [*rows[:2], replace(rows[2], metadata={})]
    unnumbered = ZeroShot(["label"], protocol="bioclip_v1", bootstrap=0).run(split(partly, vectors), encode).metrics
    assert unnumbered["zero_shot_bioclip_v1/test/label/top1"] == 1


def test_species_of_one_common_name_are_one_class():
    others = [
        Row("x", Taxon(genus="Anas", species=f"s{number}"), common_names=(name,))
        for number, name in enumerate(["duck", "duck", "teal"])
    ]
    vectors = weights(["duck", "duck", "teal"])
    published = ZeroShot(["common"], protocol="bioclip_v2").run(split(others, vectors), encode).metrics
    assert published["zero_shot_bioclip_v2/test/common/top1"] == 1
    own = ZeroShot(["common"], "bioclip_81").run(split(others, vectors), encode).metrics
    assert own["zero_shot/test/common/top1"] == pytest.approx(1 / 3)


def test_the_first_of_equal_scores_wins_even_if_right():
    def constant(texts):
        return torch.ones(len(texts), 8) / 8**0.5

    metrics = ZeroShot(["label"], protocol="bioclip_v1", bootstrap=0).run(split(ROWS), constant).metrics
    male = np.mean([row.label == ROWS[0].label for row in ROWS])
    assert metrics["zero_shot_bioclip_v1/test/label/top1"] == pytest.approx(male)
    assert (
        ZeroShot(["label"], bootstrap=0)
        .run(split([*ROWS[:1], Row("x", Taxon())]), constant)
        .metrics["zero_shot/test/label/top1"]
        == 0
    )


def test_text_types_it_lacks_are_left_out_and_none_left_is_told():
    assert ZeroShot(["common", "description"], protocol="bioclip_v1").text_types == ("common",)
    with pytest.raises(ClipbioError, match=r"none of text_types=\[description\]; it has: label"):
        ZeroShot(["description"], protocol="bioclip_v1")
