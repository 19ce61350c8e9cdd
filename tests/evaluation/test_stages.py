import numpy as np
import pytest
import torch
from key_worlds import animal, random_splits, split_data, unit
from sklearn.linear_model import LogisticRegression

from clipbio.evaluation.pools import side_of
from clipbio.evaluation.stages import Classifier, Stage, Staged, best_split_threshold, nearest_stage

A, B, C = (animal("F", "G", one) for one in "abc")


def drawn(seed: int, queries: int, *, levels: int = 20) -> Staged:
    """Draw stages over ten taxa whose scores tie and reach below 0, with empty slots."""
    generator = torch.Generator().manual_seed(seed)

    def stage() -> Stage:
        score = (torch.randn(queries, 5, generator=generator) * 0.4 * levels).round() / levels
        taxon = torch.randint(-1, 10, (queries, 5), generator=generator)
        return Stage(score.sort(dim=1, descending=True).values, taxon)

    return Staged(stage(), stage(), torch.randint(10, (queries,), generator=generator))


def slow_place(staged: Staged, threshold: float) -> list[int]:
    places = []
    for row, true in enumerate(staged.true_Q.tolist()):
        slots = []
        for slot in range(5):
            kept = float(staged.first.score_Qk[row, slot]) > threshold
            slots.append(int((staged.first if kept else staged.second).taxon_Qk[row, slot]))
        places.append(slots.index(true) if true in slots else 5)
    return places


@pytest.mark.parametrize("threshold", [-5.0, 0.0, 0.25, 0.3, 5.0])
def test_slots_are_those_of_a_loop(threshold):
    staged = drawn(1, 200)
    assert staged.place(threshold).tolist() == slow_place(staged, threshold)


def test_the_threshold_is_that_of_a_loop_over_a_thousand_values():
    # With 999 levels scores lie on the thresholds themselves.
    for seed, levels in ((2, 20), (4, 999), (6, 3)):
        seen, unseen = drawn(seed, 60, levels=levels), drawn(seed + 1, 40, levels=levels)
        best, best_mean = 0.0, -1.0
        for threshold in np.linspace(0, 1, 1000):
            first, second = (float((one.place(float(threshold)) == 0).double().mean()) for one in (seen, unseen))
            mean = 2 * first * second / (first + second) if first * second else 0.0
            if mean > best_mean + 1e-12:
                best, best_mean = float(threshold), mean
        assert best_split_threshold(seen, unseen) == best


def test_accuracy_at_all_thresholds_at_once():
    staged, thresholds = drawn(8, 150), np.linspace(-0.5, 1, 31)
    slow = [(staged.place(float(one)) == 0).double().mean() for one in thresholds]
    assert staged.accuracy(thresholds).tolist() == pytest.approx([float(one) for one in slow])


def test_the_nearest_keys_name_the_slots():
    data = {"train": split_data("train", [A, B], {"image": unit(0, 90)}),
            "test": split_data("test", [A], {"image": unit(60)})}  # fmt: skip
    stage = nearest_stage(side_of(data, ["test"], "image"), side_of(data, ["train"], "image"), "species", k=3)
    assert stage.taxon_Qk.tolist() == [[B.rank_keys[-1], A.rank_keys[-1], -1]]
    assert stage.score_Qk[0].tolist() == pytest.approx([3**0.5 / 2, 0.5, -np.inf])


def test_the_classifier_is_logistic_regression_with_its_classes_sorted():
    data = random_splits(7, {"train": (80, range(6)), "test": (30, range(6))})
    keys, query = side_of(data, ["train"], "image"), side_of(data, ["test"], "image")
    stage = Classifier(keys, "species", strength=1.0, seed=0).stage(query, k=5)
    mean, scale = keys.vectors_ND.mean(dim=0), (keys.vectors_ND - keys.vectors_ND.mean(dim=0)).numpy().std()
    model = LogisticRegression(C=1.0, max_iter=2000).fit((keys.vectors_ND - mean) / scale, keys.key_N("species"))
    probability = model.predict_proba((query.vectors_ND - mean) / scale)
    np.testing.assert_allclose(stage.score_Qk, -np.sort(-probability)[:, :5], atol=0.01)
    assert (stage.taxon_Qk[:, 0].numpy() == model.predict((query.vectors_ND - mean) / scale)).all()
    wide = Classifier(keys, "genus", strength=1.0, seed=0).stage(query, k=5)
    assert (wide.taxon_Qk[:, 2:] == -1).all()
    assert torch.isinf(wide.score_Qk[:, 2:]).all()
