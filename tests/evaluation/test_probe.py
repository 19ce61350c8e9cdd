import numpy as np
import pytest

from clipbio.evaluation.probe import STRENGTHS, draw_shots, linear_probe, logistic_regression

UNITS = [f"barcode {number}" for number in range(120)]


def test_examples_are_distinct_barcodes_of_named_specimens_and_none_chooses_what_it_fits():
    generator = np.random.default_rng(0)
    class_N = generator.integers(-1, 6, 400)
    unit_N = generator.integers(0, 40, 400) + 100 * class_N
    units = list(map(str, unit_N))
    drawn = draw_shots(class_N, units, shots=5, seed=0)
    for rows in (drawn.fit_M, drawn.validation_M):
        assert (class_N[rows] >= 0).all()
    both = np.concatenate([drawn.fit_M, drawn.validation_M])
    assert len(np.unique(unit_N[both])) == len(both) == 6 * 10
    assert np.bincount(class_N[drawn.fit_M]).tolist() == [5] * 6
    again, other = (draw_shots(class_N, units, shots=5, seed=seed) for seed in (0, 1))
    assert np.array_equal(again.fit_M, drawn.fit_M)
    assert not np.array_equal(np.sort(other.fit_M), np.sort(drawn.fit_M))


def test_the_draw_does_not_depend_on_the_order_of_the_rows():
    generator = np.random.default_rng(0)
    class_N = np.repeat(np.arange(4), 30)
    order = generator.permutation(120)
    drawn = draw_shots(class_N, UNITS, shots=5, seed=0)
    shuffled = draw_shots(class_N[order], [UNITS[row] for row in order], shots=5, seed=0)
    assert order[shuffled.fit_M].tolist() == drawn.fit_M.tolist()
    assert order[shuffled.validation_M].tolist() == drawn.validation_M.tolist()


def test_a_class_with_few_barcodes_gives_what_it_has():
    class_N = np.array([3] * 7 + [4] * 2 + [5] * 9)
    units = list("012345678999999999")
    drawn = draw_shots(class_N, units, shots=5, seed=0)
    assert sorted(class_N[drawn.fit_M].tolist()) == [3] * 5 + [4] * 2 + [5]
    assert class_N[drawn.validation_M].tolist() == [3, 3]
    everything = draw_shots(class_N, units, shots=None, seed=0)
    assert sorted(class_N[everything.fit_M].tolist()) == [3] * 6 + [4] * 2 + [5]
    assert class_N[everything.validation_M].tolist() == [3]


@pytest.fixture
def blobs():
    generator = np.random.default_rng(0)
    class_N = np.repeat(np.arange(4) * 10, 30)
    centres = generator.normal(size=(40, 12))
    vectors = centres[class_N] + 0.8 * generator.normal(size=(120, 12)) + 5
    return vectors, class_N


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_probe_tells_blobs_apart_whatever_their_scale(blobs, scale):
    vectors, class_N = blobs
    drawn = draw_shots(class_N, UNITS, shots=8, seed=0)
    asked = np.setdiff1d(np.arange(120), np.concatenate([drawn.fit_M, drawn.validation_M]))
    predicted, strength = linear_probe(scale * vectors, class_N, drawn, scale * vectors[asked])
    assert (predicted == class_N[asked]).mean() > 0.85
    assert strength in STRENGTHS


def test_the_strength_is_the_best_on_the_validation_rows(blobs):
    vectors, class_N = blobs
    # Of nine useless directions of huge variance only strong regularisation makes the best; ask each strength by itself.
    noise = np.concatenate([vectors, 30 * np.random.default_rng(1).normal(size=(120, 9))], axis=1)
    drawn = draw_shots(class_N, UNITS, shots=8, seed=0)
    _, chosen = linear_probe(noise, class_N, drawn, noise)
    mean, rows = noise[drawn.fit_M].mean(axis=0), drawn.validation_M
    scale = np.sqrt(((noise[drawn.fit_M] - mean) ** 2).sum(axis=1).mean())
    scores = {
        strength: logistic_regression((noise[drawn.fit_M] - mean) / scale, class_N[drawn.fit_M], strength).score(
            (noise[rows] - mean) / scale, class_N[rows]
        )
        for strength in STRENGTHS
    }
    assert len(set(scores.values())) > 1
    assert chosen == max(scores, key=lambda strength: (scores[strength], -strength))


def test_equal_vectors_are_answered_without_a_word(blobs):
    _, class_N = blobs
    drawn = draw_shots(class_N, UNITS, shots=8, seed=0)
    predicted, _ = linear_probe(np.ones((120, 3)), class_N, drawn, np.ones((5, 3)))
    assert set(predicted.tolist()) <= set(class_N.tolist())


def test_hundreds_of_classes_are_fitted_to_the_end():
    generator = np.random.default_rng(0)
    class_M = np.repeat(np.arange(300), np.where(np.arange(300) % 3, 5, 1))
    centres = generator.normal(size=(300, 32)) / 32**0.5
    vectors_MD = centres[class_M] + 0.05 * generator.normal(size=(len(class_M), 32)) / 32**0.5
    model = logistic_regression(vectors_MD, class_M, 1000.0)
    gradient_CD = (model.predict_proba(vectors_MD) - np.eye(300)[class_M]).T @ vectors_MD + model.coef_ / 1000.0
    assert np.abs(gradient_CD).max() < 1e-2
    assert (model.predict(vectors_MD) == class_M).all()
