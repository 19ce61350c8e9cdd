import numpy as np
import pytest
import torch
from annotated_worlds import Noted, noted_split

from clipbio.errors import ClipbioError
from clipbio.evaluation import retrieval
from clipbio.evaluation.retrieval import Retrieval, rank_items


def test_perfect_vectors_are_found_both_ways(world):
    one = world()
    metrics = Retrieval(ks=(1, 5)).run(one.split(), one.encode).metrics
    for direction, queries in (("text_to_image", 12), ("image_to_text", 18)):
        for metric in ("recall@1", "recall@5", "mAP"):
            key = f"retrieval/test/{direction}/{metric}"
            assert [metrics[key], metrics[f"{key}/low"], metrics[f"{key}/high"]] == [1, 1, 1]
            assert metrics[f"{key}/n"] == queries
    assert metrics["retrieval/test/text_to_image/recall@1/chance"] == pytest.approx(3 / 18)
    assert metrics["retrieval/test/image_to_text/recall@1/chance"] == pytest.approx(2 / 12)
    assert metrics["retrieval/test/text_to_image/fallbacks"] == 0


def test_every_image_of_the_species_is_relevant(world):
    one = world(classes=2, per_class=2)
    # Texts of class 0 point along axis 0: one of its images is nearest, the other is behind both images of class 1.
    cosines = torch.tensor([0.9, 0.1, 0.5, 0.4])
    vectors = torch.zeros(4, 64)
    vectors[:, 0], vectors[:, 1] = cosines, -((1 - cosines**2) ** 0.5)
    detail = Retrieval().run(one.split(vectors), one.encode).details[0]
    assert detail.texts.class_T.tolist() == [0, 0, 1, 1]
    assert detail.ranking.precision_Q[0].item() == pytest.approx((1 / 1 + 2 / 4) / 2)
    assert detail.ranking.first_hit_Q[0].item() == 0


def test_random_vectors_are_near_chance(world):
    one = world(classes=10, per_class=10)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(100, 64, generator=generator)
    metrics = Retrieval().run(one.split(images), lambda texts: torch.randn(len(texts), 64, generator=generator)).metrics
    for metric in ("recall@1", "recall@10", "mAP"):
        key = f"retrieval/test/image_to_text/{metric}"
        assert metrics[key] == pytest.approx(metrics[f"{key}/chance"], abs=0.12)


def test_a_constant_model_finds_nothing_first(world):
    one = world()
    data = one.split(torch.ones(18, 64) / 8)
    metrics = Retrieval().run(data, lambda texts: torch.ones(len(texts), 64) / 8).metrics
    assert metrics["retrieval/test/text_to_image/recall@10"] == 0
    assert metrics["retrieval/test/image_to_text/recall@10"] == 0


def test_species_without_description_is_counted(world):
    one = world(undescribed=2)
    metrics = Retrieval().run(one.split(), one.encode).metrics
    assert metrics["retrieval/test/text_to_image/fallbacks"] == 2
    assert metrics["retrieval/test/text_to_image/mAP/n"] == 2 + 8


def test_rankings_in_chunks_equal_rankings_at_once(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    queries, items = torch.randn(20, 8, generator=generator), torch.randn(30, 8, generator=generator)
    classes = (torch.arange(20) % 5, torch.arange(30) % 5)
    whole = rank_items(queries, items, *classes)
    monkeypatch.setattr(retrieval, "_SCORES_AT_ONCE", 70)
    pieces = rank_items(queries, items, *classes)
    for name in ("first_hit_Q", "precision_Q", "top_QK", "relevant_Q"):
        torch.testing.assert_close(getattr(pieces, name), getattr(whole, name))


@pytest.mark.parametrize("classes", [0, 1])
def test_empty_and_one_class_splits_do_not_fail(world, classes):
    one = world(classes=classes)
    metrics = Retrieval().run(one.split(torch.eye(64)[: 3 * classes]), one.encode).metrics
    assert bool(metrics) == bool(classes)
    assert all(np.isfinite(number) for number in metrics.values())


def test_wrong_depth_is_refused():
    with pytest.raises(ClipbioError, match="ks="):
        Retrieval(ks=(0, 5))


def test_answers_stand_behind_every_figure(world):
    one = world()
    result = Retrieval().run(one.split(torch.randn(18, 64)), one.encode)
    assert len(result.answers) == 2 * 4
    for found in result.answers:
        assert found.value_N.mean() == pytest.approx(result.metrics[found.key])
        assert len(set(found.ids)) == len(found.ids)
    assert set(result.answers[0].species) == set(one.split().classes.names)


def test_the_published_form_pairs_each_image_with_its_own_caption():
    generator = torch.Generator().manual_seed(0)
    vectors, captions = torch.randn(40, 5, generator=generator), torch.randn(40, 5, generator=generator) * 0.7
    captions += vectors
    named = [Noted(label="a bird", descriptions=(f"caption {row}", "another")) for row in range(40)] + [
        Noted(label="a bird")
    ]
    asked = []

    def encode(texts):
        asked.extend(texts)
        return captions[[int(text.rpartition(" ")[2]) for text in texts]]

    data = noted_split("test", torch.cat([vectors, vectors[:1]]), named)
    result = Retrieval(protocol="bioclip_v2", bootstrap=20).run(data, encode)
    assert asked[0] == "a photo ofcaption 0"
    images, texts = ((one / one.norm(dim=1, keepdim=True)).numpy() for one in (vectors, captions))
    for direction, scores in (("image_to_text", images @ texts.T), ("text_to_image", texts @ images.T)):
        order = np.argsort(-scores, axis=1)
        for k in (1, 5, 10):
            hits = [row in order[row, :k] for row in range(40)]
            key = f"retrieval_bioclip_v2/test/{direction}/recall@{k}"
            assert result.metrics[key] == pytest.approx(np.mean(hits))
            assert result.metrics[f"{key}/n"] == 40
    assert 0.2 < result.metrics["retrieval_bioclip_v2/test/image_to_text/recall@1"] < 0.9
    assert result.metrics["retrieval_bioclip_v2/test/text_to_image/without_caption"] == 1


def test_the_published_form_needs_captions(world):
    with pytest.raises(ClipbioError, match="none of the 0 images of split 'test' has a description"):
        Retrieval(protocol="bioclip_v2").run(world().split(), world.encode)
    with pytest.raises(ClipbioError, match="protocol has no choice"):
        Retrieval(protocol="clibd")
