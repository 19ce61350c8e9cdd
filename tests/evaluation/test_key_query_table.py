"""A table whose numbers were worked out by hand, and the rules at the edges: ties, missing labels, keys, texts."""

import math

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from key_query_reference import Record, encode, specimens, split_data, unit

from clipbio.errors import ClipbioError
from clipbio.evaluation.key_query import KeyQuery
from clipbio.taxonomy import Taxon

IMAGES = {"queries": ["image"], "keys": ["image"]}


def taxon(genus, epithet="", *, order="Diptera", family="Fam"):
    return Taxon("Animalia", "Arthropoda", "Insecta", order, family, genus, epithet)


def beetle(degrees, genus, epithet=""):
    """Return a name and an image vector at an angle."""
    return Record(taxon(genus, epithet)), [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def split(name, *rows, groups=None, dna=None):
    records, images = [row[0] for row in rows], [row[1] for row in rows]
    groups = [-1] * len(rows) if groups is None else groups
    ids = [f"{name}-{number}" for number in range(len(rows))]
    return split_data(name, specimens(ids, records, groups, image=images, dna=dna or [None] * len(rows)))


def table(**changed):
    """Return keys and queries on a circle. Genus One holds a, b and e, genus Two c and f; e and f are unseen."""
    splits = {
        "train": [beetle(0, "One", "a"), beetle(10, "One", "a"), beetle(40, "One", "b"), beetle(90, "Two", "c"),
                  beetle(100, "Two")],
        "key_unseen": [beetle(60, "One", "e"), beetle(130, "Two", "f")],
        "test": [beetle(2, "One", "a"), beetle(28, "One", "a"), beetle(97, "One", "b"), beetle(92, "Two")],
        "unseen": [beetle(55, "One", "e"), beetle(105, "Two", "f"), beetle(85, "One", "e")],
    } | changed  # fmt: skip
    return {name: split(name, *rows) for name, rows in splits.items()}


def measure(data, evaluated, encode_text=encode, **settings):
    return KeyQuery(**{"bootstrap": 0, "ks": (1, 3), **settings}).run_across(data, evaluated, encode_text).metrics


def test_the_table_worked_out_by_hand():
    metrics = measure(table(), ["test", "unseen"], **IMAGES)
    expected = {
        # 2 degrees meets a; 28 meets b, then a; 97 meets Two, c, f and never its b; 92 has no species.
        "test/species/micro@1": 1 / 3, "test/species/macro@1": (1 / 2 + 0) / 2,
        "test/species/micro@3": 2 / 3, "test/species/macro@3": (1 + 0) / 2,
        "test/genus/micro@1": 3 / 4, "test/genus/macro@1": (2 / 3 + 1) / 2,
        "test/species/micro@1/chance": (2 / 7 + 2 / 7 + 1 / 7) / 3, "test/species/macro@1/chance": (2 / 7 + 1 / 7) / 2,
        # Three keys of seven without any of two: C(5, 3) / C(7, 3).
        "test/species/micro@3/chance": (2 * (1 - 10 / 35) + 3 / 7) / 3,
        "test/species/unlabelled": 1, "test/species/keyless": 0, "test/species/micro@1/n": 3, "test/species/macro@1/n": 2,
        # 55 meets e; 105 meets Two, c, then f; 85 meets c, Two, then e.
        "unseen/species/micro@1": 1 / 3, "unseen/species/macro@1": (1 / 2 + 0) / 2, "unseen/species/micro@3": 1,
        "unseen/genus/micro@1": 2 / 3,
        "test+unseen/species/micro@1": 1 / 3, "test+unseen/species/micro@3": 4 / 5,
        "test+unseen/species/macro@3": 2 / 3, "test+unseen/genus/micro@1": 12 / 17, "test+unseen/genus/micro@1/n": 7,
        "test/queries": 4, "test/without_image": 0, "test/keys": 7,
    }  # fmt: skip
    found = {key: metrics["key_query/" + key.replace("/", "/image_to_image/", 1)] for key in expected}
    assert found == pytest.approx(expected)


def test_harmonic_mean_is_zero_where_one_side_is():
    data = table(unseen=[beetle(105, "Two", "f")])
    metrics = measure(data, ["test", "unseen"], bootstrap=200, **IMAGES)
    key = "key_query/test+unseen/image_to_image/species/micro@1"
    assert [metrics[key + end] for end in ("", "/low", "/high")] == [0, 0, 0]
    seen = "key_query/test/image_to_image/species/micro@1"
    assert metrics[f"{seen}/low"] == 0 < metrics[seen] < metrics[f"{seen}/high"]


def test_a_collapsed_model_gets_the_share_of_one_label_and_says_that_all_is_tied():
    data = table()
    same = {name: split(name, *((record, [1.0, 0.0]) for record in one.specimens.named)) for name, one in data.items()}
    metrics = measure(same, ["test", "unseen"], **IMAGES)
    # The first key is an a: two of three seen queries are, and no unseen one.
    assert metrics["key_query/test/image_to_image/species/micro@1"] == pytest.approx(2 / 3)
    assert metrics["key_query/test/image_to_image/species/tied"] == 3
    assert metrics["key_query/unseen/image_to_image/species/micro@1"] == 0
    prototypes = measure(same, ["test"], queries=["image"], keys=["image_prototype"])
    assert prototypes["key_query/test/image_to_image_prototype/species/micro@1"] == 0


def test_the_own_individual_is_never_met_and_other_specimens_of_the_unseen_split_are():
    rows = [beetle(10, "One", "e"), beetle(11, "One", "e"), beetle(80, "One", "e"), beetle(70, "Two", "f")]
    data = {"train": split("train", beetle(75, "Two", "c")), "unseen": split("unseen", *rows, groups=[5, 5, 6, 7])}
    metrics = measure(data, ["unseen"], **IMAGES)
    # Both images of individual 5 meet the f at 70 before the e at 80; the e at 80 meets c.
    assert metrics["key_query/unseen/image_to_image/species/micro@1"] == 0
    assert metrics["key_query/unseen/image_to_image/species/micro@3"] == pytest.approx(3 / 4)
    assert metrics["key_query/unseen/image_to_image/species/keyless"] == 1
    without = measure(data, ["unseen"], unseen_keys="none", **IMAGES)
    assert without["key_query/unseen/image_to_image/keys"] == 1
    assert without["key_query/unseen/image_to_image/species/keyless"] == 4


@pytest.mark.parametrize(
    ("evaluated", "available", "needed"),
    [
        (["test"], ["train", "val", "test", "unseen"], ("train", "unseen")),
        (["test"], ["train", "key", "key_unseen", "test", "unseen"], ("key", "key_unseen")),
        (["val", "val_unseen"], ["train", "val", "val_unseen", "unseen"], ("train", "val_unseen")),
        (["val"], ["train", "val", "unseen"], ("train",)),
    ],
)
def test_key_splits_follow_from_the_table_alone(evaluated, available, needed):
    assert KeyQuery().needed(evaluated, available) == needed


def test_specimens_without_a_modality_are_dropped_and_counted():
    rows = [beetle(0, "One", "a"), beetle(50, "One", "b")]
    data = {
        "train": split("train", *rows, dna=[[0.0, 1.0], None]),
        "test": split("test", *rows, dna=[None, [0.0, 1.0]]),
    }
    metrics = measure(data, ["test"], queries=["image", "dna", "fused"], keys=["image", "dna", "fused"])
    counts = ("queries", "keys", "species/keyless")
    found = {
        name: [metrics[f"key_query/test/{name}/{key}"] for key in counts]
        for name in ("image_to_dna", "dna_to_dna", "fused_to_fused")
    }
    assert found == {"image_to_dna": [2, 1, 1], "dna_to_dna": [1, 1, 1], "fused_to_fused": [2, 2, 0]}
    assert metrics["key_query/test/dna_to_dna/without_dna"] == 1


def test_text_prototypes_are_one_text_per_taxon_cut_at_its_rank():
    wanted = {
        "order": "Animalia Arthropoda Insecta Diptera",
        "genus": "Animalia Arthropoda Insecta Diptera Fam One",
        "species": "Animalia Arthropoda Insecta Diptera Fam One a",
    }
    asked = []

    def listening(texts):
        asked.extend(texts)
        return encode(texts)

    image = unit(sum(unit(encode([text])[0].numpy()) for text in wanted.values()))
    keys = [(Record(taxon("One", "a")), image), (Record(taxon("One", "a")), image), (Record(taxon("Two", "c")), -image)]
    data = {"train": split("train", *keys), "test": split("test", (Record(taxon("One", "a")), image))}
    metrics = measure(data, ["test"], listening, queries=["image"], keys=["text_prototype"])
    variant = "key_query/test/image_to_text_prototype"
    assert [metrics[f"{variant}/{rank}/micro@1"] for rank in wanted] == [1, 1, 1]
    assert [metrics[f"{variant}/{rank}/micro@1/chance"] for rank in wanted] == [1, 1 / 2, 1 / 2]
    assert metrics[f"{variant}/keys"] == 2
    assert set(wanted.values()) < set(asked)
    assert len(asked) == len(set(asked)) == 7 - 1


def test_a_model_without_texts_is_measured_without_them(caplog):
    def silent(texts):
        raise ClipbioError("the model has no text tower")

    metrics = measure(table(), ["test"], silent)
    assert {key.split("/")[2] for key in metrics} == {
        "image_to_image",
        "image_to_fused",
        "fused_to_image",
        "fused_to_fused",
    }
    assert "no text tower" in caplog.text


def test_the_published_form_takes_a_missing_name_for_a_name():
    rows = [beetle(0, "One"), beetle(90, "One", "a")]
    data = {"train": split("train", *rows), "test": split("test", *rows)}
    asked = []

    def listening(texts):
        asked.extend(texts)
        return torch.randn(len(texts), 2)

    metrics = measure(data, ["test"], listening, protocol="clibd", queries=["image"], keys=["image", "text"])
    assert metrics["key_query_clibd/test/image_to_image/species/micro@1"] == 1
    assert metrics["key_query_clibd/test/image_to_image/species/micro@1/n"] == 2
    assert set(asked) == {"Diptera Fam One not_classified", "Diptera Fam One One a"}


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"queries": ["imag"]}, "queries has no choice 'imag'; did you mean 'image'"),
        ({"keys": ["text_prototypes"]}, "did you mean 'text_prototype'"),
        ({"ks": (0,)}, "ks="),
        ({"protocol": "clibd", "keys": ["text_prototype"]}, "protocol=clibd has no text_prototype; give other keys"),
        ({"unseen_keys": "all"}, "unseen_keys has no choice 'all'"),
        ({"unseen_keys": "some"}, "has no choice 'some'; valid are: auto, none$"),
        ({"text_type": "taxonomy"}, "text_type has no choice 'taxonomy'; did you mean 'taxonomic'"),
        ({"template": "a photo"}, "template='a photo' must hold '{}' exactly once"),
        ({"queries": []}, r"queries=\[\] leaves nothing to measure; valid are: image"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(settings, line):
    with pytest.raises(ClipbioError, match=line) as caught:
        KeyQuery(**settings)
    assert "\n" not in str(caught.value)


def test_both_forms_compose_beside_each_other(pytestconfig):
    with initialize_config_dir(str(pytestconfig.rootpath / "conf"), version_base=None):
        configs = compose(overrides=["+benchmark=[key_query,key_query_clibd]"]).benchmark
    assert instantiate(configs.key_query).task == "key_query"
    assert instantiate(configs.key_query_clibd).task == "key_query_clibd"
