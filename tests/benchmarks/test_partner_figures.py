"""Figures of the study of DNA as a training partner."""

from pathlib import Path

import numpy as np
import pytest

from clipbio.config import check_signatures, compose, plain
from clipbio.training.validity import check_config

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import partner_figures

    return partner_figures


def rates(seen, unseen):
    return {
        "seen": {f"Seen {number}": value for number, value in enumerate(seen)},
        "unseen": {f"Unseen {number}": value for number, value in enumerate(unseen)},
    }


def test_harmonic_means_are_those_of_a_hand_made_table(figures):
    runs = [rates([1.0, 0.5, 0.0], [0.5, 0.0]), rates([0.6, 0.6, 0.6], [0.2, 0.4])]
    found = figures.estimate(runs)
    assert found.seeds == pytest.approx([2 * 0.5 * 0.25 / 0.75, 2 * 0.6 * 0.3 / 0.9])
    assert found.value == pytest.approx(np.mean(found.seeds))
    assert found.low < found.value < found.high


def test_a_group_without_any_right_answer_has_a_harmonic_mean_of_zero(figures):
    assert figures.estimate([rates([0.0, 0.0], [0.0])]).value == 0


def test_differences_are_paired_by_species_whatever_their_order(figures):
    """Rates vary much between species and little between runs: only a paired interval excludes zero."""
    random = np.random.default_rng(0)
    base = [(random.random(80) * 0.9, random.random(50) * 0.9) for _ in range(3)]
    reference = [rates(*one) for one in base]
    better = [rates(seen + 0.05, unseen + 0.05) for seen, unseen in base]
    shuffled = [{group: dict(reversed(list(one[group].items()))) for group in one} for one in better]
    gain = figures.difference(shuffled, reference)
    assert gain.seeds == pytest.approx([0.05] * 3, abs=0.002)
    assert gain.seeds == pytest.approx(figures.difference(better, reference).seeds)
    assert 0.045 < gain.low <= gain.value <= gain.high < 0.055
    whole = figures.estimate(reference)
    assert whole.high - whole.low > 10 * (gain.high - gain.low)


def test_the_same_runs_do_not_differ(figures):
    runs = [rates([0.2, 0.9], [0.4, 0.1])] * 3
    gain = figures.difference(runs, runs)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)


def test_seeds_that_disagree_widen_the_interval(figures):
    reference = [rates([0.5] * 60, [0.5] * 60)] * 3
    mixed = [rates([0.5 + step] * 60, [0.5 + step] * 60) for step in (-0.1, 0.0, 0.1)]
    gain = figures.difference(mixed, reference)
    assert gain.value == pytest.approx(0)
    assert gain.low < -0.05 < 0.05 < gain.high


def test_runs_of_other_species_are_refused(figures):
    with pytest.raises(ValueError, match="species differ"):
        figures.difference([rates([0.5], [0.5])], [rates([0.5, 0.5], [0.5])])


def test_arms_differ_in_barcodes_tower_and_pairs_alone(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    from partner_arms import ARMS, REFERENCE, Size, overrides

    size = Size()
    reference = set(overrides(ARMS[REFERENCE], size, 1))
    for name, arm in ARMS.items():
        for override in set(overrides(arm, size, 1)) ^ reference:
            assert override.lstrip("+~").startswith(("data.source.barcodes=", "model=", "model.dna.", "loss.pairs.")), (
                name,
                override,
            )
    assert ARMS[REFERENCE].variants == ("image_to_image", "image_to_text")
    assert ARMS["image_dna/typical"].variants == ("image_to_image", "image_to_dna")


def test_the_settings_of_every_arm_exist(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    from partner_arms import ARMS, Size, overrides

    for name, arm in ARMS.items():
        config = plain(compose("train", overrides(arm, Size(), 0)))
        check_signatures(config)
        check_config(config)
        assert {pair for pair, weight in config["loss"]["pairs"].items() if weight == 1.0} == set(arm.pairs), name


def test_answers_are_grouped_by_the_species_that_was_asked(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import torch

    from clipbio.evaluation.key_query import KeyQueryDetail

    import partner_runs

    right = torch.tensor([[True], [False], [True]])
    detail = KeyQueryDetail("key_query", "test", "image_to_image", ("species",), right, torch.tensor([7, 7, 9]))
    assert partner_runs._by_species(detail) == {"7": 0.5, "9": 1.0}
