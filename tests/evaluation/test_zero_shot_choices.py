"""Prompt sets, ensembles, lists of taxa and higher ranks."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from clipbio.errors import ClipbioError
from clipbio.evaluation.embeddings import Candidates, SplitData
from clipbio.evaluation.prompts import PromptStyle, class_prototypes, class_texts, class_vectors
from clipbio.evaluation.zero_shot import ZeroShot
from clipbio.taxonomy import Taxon, stable_hash


def hashed(texts):
    """Encode each text as a fixed random unit vector."""
    rows = [torch.randn(16, generator=torch.Generator().manual_seed(stable_hash(text) % 2**31)) for text in texts]
    return functional.normalize(torch.stack(rows), dim=1)


def noisy(one, name="test", **kwargs):
    vectors = torch.randn(one.classes * one.per_class, 16, generator=torch.Generator().manual_seed(5))
    return one.split(functional.normalize(vectors, dim=1), name=name, **kwargs)


def test_sets_are_compared_side_by_side_and_each_is_as_it_is_alone(world):
    one = world()
    data = noisy(one)
    metrics = ZeroShot(["common", "taxonomic"], ["photo", "openai_80"]).run(data, hashed).metrics
    for name in ("photo", "openai_80"):
        alone = ZeroShot(["common"], name).run(data, hashed).metrics
        for metric in ("top1", "top5", "macro_top1", "fallbacks"):
            assert metrics[f"zero_shot/test/common@{name}/{metric}"] == alone[f"zero_shot/test/common/{metric}"]
    singles = [
        f"zero_shot/test/{kind}@{name}/top1" for kind in ("common", "taxonomic") for name in ("photo", "openai_80")
    ]
    assert metrics["zero_shot/test/mean/top1"] == pytest.approx(np.mean([metrics[key] for key in singles]))


def test_an_ensemble_is_the_mean_of_the_class_vectors(world):
    one = world(classes=9)
    data = noisy(one)
    result = ZeroShot(["common", "taxonomic"], ensemble=True).run(data, hashed)
    vectors = [
        class_vectors(data.classes, PromptStyle(kind), hashed).prototypes_CD.numpy() for kind in ("common", "taxonomic")
    ]
    together = (vectors[0] + vectors[1]) / 2
    together /= np.linalg.norm(together, axis=1, keepdims=True)
    scores = data.images.vectors_ND.numpy() @ together.T
    detail = result.details[-1]
    assert detail.text_type == "ensemble"
    np.testing.assert_array_equal(detail.predicted_N, scores.argmax(axis=1))
    without = ZeroShot(["common", "taxonomic"]).run(data, hashed).metrics
    assert result.metrics["zero_shot/test/mean/top1"] == without["zero_shot/test/mean/top1"]


def test_a_list_of_taxa_names_the_classes_and_images_of_others_are_counted(world, thing, tmp_path):
    things = [
        thing(
            taxon=Taxon("Plantae", family="Rosaceae", genus="Rosa", species=epithet), common_names=(f"plant{number}",)
        )
        for number, epithet in enumerate(("alba", "canina", "gallica", "rugosa"))
    ]
    named = [one for one in things for _ in range(3)]
    ids = [f"id-{row}" for row in range(12)]
    data = SplitData.build("test", ids, vectors_ND=torch.eye(64)[:4].repeat_interleave(3, dim=0), named=named)
    rows = ["kingdom,family,genus,species,common_name"]
    rows += [f"Plantae,Rosaceae,Rosa,{things[number].taxon.species},plant{number}" for number in (3, 0, 1)]
    rows += [f"Plantae,Fagaceae,Quercus,{epithet},plant{40 + k}" for k, epithet in enumerate(("robur", "petraea"))]
    (tmp_path / "taxa.csv").write_text("\n".join(rows) + "\n")
    result = ZeroShot(["common"], candidates=str(tmp_path / "taxa.csv"), ranks=["family"]).run(data, world.encode)
    key = "zero_shot/test@taxa/common"
    assert result.metrics[f"{key}/outside"] == 3
    assert result.metrics[f"{key}/top1"] == 1
    assert result.metrics[f"{key}/top1/n"] == 9
    assert result.metrics[f"{key}/top1/chance"] == pytest.approx(1 / 5)
    assert result.metrics[f"{key}/family/top1"] == 1
    assert result.metrics[f"{key}/family/top1/chance"] == pytest.approx(3 / 5)
    assert result.details[0].ids == tuple(f"id-{row}" for row in range(12) if row // 3 != 2)
    assert set(result.answers[0].species) == {"Rosa alba", "Rosa canina", "Rosa rugosa"}


def test_a_list_without_any_class_of_the_split_gives_nothing_and_says_so(world, tmp_path, caplog):
    (tmp_path / "taxa.csv").write_text("genus,species\nQuercus,robur\n")
    result = ZeroShot(["common"], candidates=str(tmp_path / "taxa.csv")).run(world().split(), world().encode)
    assert result.metrics == {}
    assert "18 of 18 images are of classes not listed" in caplog.text


def test_answers_at_a_rank_are_those_of_a_table_made_by_hand(world):
    one = world(classes=8)
    data = noisy(one)
    result = ZeroShot(["common"], ranks=["family", "genus"], scale=7.0).run(data, hashed)
    prototypes = class_vectors(data.classes, PromptStyle("common"), hashed).prototypes_CD.numpy()
    scores = data.images.vectors_ND.numpy() @ prototypes.T
    family = np.array([int(name.removeprefix("Family")) for name in data.classes.families])
    true = family[data.images.class_N.numpy()]
    probability = np.exp(7 * scores) / np.exp(7 * scores).sum(axis=1, keepdims=True)
    summed = np.stack([probability[:, family == number].sum(axis=1) for number in range(4)], axis=1)
    key = "zero_shot/test/common/family"
    assert result.metrics[f"{key}/top1"] == pytest.approx((family[scores.argmax(axis=1)] == true).mean())
    assert result.metrics[f"{key}/top1/chance"] == pytest.approx(2 / 8)
    assert result.metrics[f"{key}/summed_top1"] == pytest.approx((summed.argmax(axis=1) == true).mean())
    assert result.metrics[f"{key}/summed_top1/chance"] == pytest.approx(1 / 4)
    # All species are of one genus.
    assert result.metrics["zero_shot/test/common/genus/top1"] == 1


def test_images_without_a_taxon_at_a_rank_are_not_judged_there(world, thing):
    nameless = thing(taxon=Taxon(kingdom="Plantae", genus="Genus", species="odd"), common_names=("plant07",))
    named = [*world(classes=3, per_class=1).things, nameless]
    data = SplitData.build("test", list("abcd"), vectors_ND=torch.eye(64)[[0, 1, 2, 7]], named=named)
    metrics = ZeroShot(["common"], ranks=["family", "order"]).run(data, world().encode).metrics
    assert metrics["zero_shot/test/common/family/top1/n"] == 3
    alone = SplitData.build("test", ["d"], vectors_ND=torch.eye(64)[[7]], named=[nameless])
    metrics = ZeroShot(["common"], ranks=["family"]).run(alone, world().encode).metrics
    assert not any("family" in key for key in metrics)


def test_answers_stand_behind_the_figures(world):
    one = world()
    data = noisy(one)
    result = ZeroShot(["common", "description"], candidates="both", ensemble=True).run(
        noisy(one, table=[*one.things]), hashed
    )
    # Three variants with top1 and top5, and the mean, for both lists of classes.
    assert len(result.answers) == 2 * 7
    for answers in result.answers:
        assert result.metrics[answers.key] == pytest.approx(answers.value_N.mean())
        assert answers.ids == data.images.ids
        assert answers.species[:4] == ("Genus species00",) * 3 + ("Genus species01",)


def test_class_vectors_in_parts_equal_all_at_once(world, monkeypatch):
    candidates = Candidates.from_named(world(classes=11, undescribed=3).things)
    style = PromptStyle("description", ["a {}.", "the {}."])
    texts = class_texts(candidates, style)
    whole = class_prototypes(texts, hashed)
    seen: list[int] = []

    def counted(texts):
        seen.append(len(texts))
        return hashed(texts)

    monkeypatch.setattr("clipbio.evaluation.prompts._PROMPTS_AT_ONCE", 5)
    found = class_vectors(candidates, style, counted)
    torch.testing.assert_close(found.prototypes_CD, whole)
    assert found.fallback_C.equal(texts.fallback_C)
    assert max(seen) <= 5


def test_class_vectors_are_those_of_open_clip():
    """The independent computation: open_clip's own zero-shot classifier with the same templates."""
    import open_clip
    from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

    torch.manual_seed(0)
    text = {"context_length": 32, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    vision = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}
    model = open_clip.CLIP(16, vision, text).eval()
    tokenizer = open_clip.SimpleTokenizer(context_length=32)
    names = ["Pica hudsonia", "Quercus robur", "dog_rose"]
    theirs_DC = open_clip.build_zero_shot_classifier(model, tokenizer, names, OPENAI_IMAGENET_TEMPLATES)

    def encode(texts):
        with torch.no_grad():
            return functional.normalize(model.encode_text(tokenizer(texts)), dim=-1)

    things = [
        type("T", (), {"taxon": Taxon(), "common_names": (), "descriptions": (), "label": name}) for name in names
    ]
    candidates = Candidates.from_named(things)
    ours_CD = class_vectors(candidates, PromptStyle("label", "openai_80"), encode).prototypes_CD
    order = [names.index(name) for name in candidates.names]
    torch.testing.assert_close(ours_CD, theirs_DC.T[order], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": ["photo", "opnai_80"]}, "did you mean 'openai_80'"),
        ({"template": ["photo", "a {}."]}, "must hold"),
        ({"template": []}, "is empty"),
        ({"candidates": "nowhere.csv"}, "candidates=nowhere.csv: there is no such file"),
        ({"ranks": ["gnus"]}, "did you mean 'genus'"),
        ({"scale": 0}, "a number above 0"),
        ({"protocol": "bioclip"}, "did you mean 'bioclip_v2'|did you mean 'bioclip_v1'"),
    ],
)
def test_wrong_choices_are_told_before_anything_runs(options, message):
    with pytest.raises(ClipbioError, match=message):
        ZeroShot(["common"], **options)
