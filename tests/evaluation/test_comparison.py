from dataclasses import replace

import numpy as np
import pytest
from run_folders import KEY, answers, write_run
from scipy.stats import binomtest

from clipbio.errors import ClipbioError
from clipbio.evaluation.comparison import aligned, chosen_keys, compared
from clipbio.evaluation.run_results import read_runs

SCORE = "retrieval/test/text_to_image/mAP"
GOOD = [1.0] * 50 + [0.0] * 10
POOR = [1.0] * 30 + [0.0] * 30
SAME = [1.0] * 49 + [0.0] * 11


def board_of(tmp_path, values, *, keys=None, **options):
    folders = [write_run(tmp_path / name, one) for name, one in values.items()]
    runs = read_runs(folders)
    return compared(runs, keys or chosen_keys(runs, None), **options)


def test_pairs_are_compared_on_the_same_specimens(tmp_path):
    board = board_of(tmp_path, {"good": {KEY: GOOD}, "poor": {KEY: POOR}, "same": {KEY: SAME}})
    assert board.best(KEY) == board.reference(KEY) == "good"
    pair = board.pair(KEY, "poor")
    assert (pair.first, pair.second, pair.test, pair.n, pair.species) == ("poor", "good", "McNemar", 60, 6)
    assert pair.difference == pytest.approx(-20 / 60)
    assert pair.interval.low < -20 / 60 < pair.interval.high < 0
    # Holm over three pairs: 20 against 0, 19 against 0, 1 against 0.
    assert pair.p == pytest.approx(3 * binomtest(20, 20).pvalue)
    assert board.pair(KEY, "same").p == 1
    assert board.is_tied(KEY, "same")
    assert not board.is_tied(KEY, "poor")
    turned = board.pairs[KEY, "good", "poor"]
    assert turned.difference == -pair.difference
    assert turned.interval == (-pair.interval.high, -pair.interval.low)


def test_over_species_six_of_them_are_few(tmp_path):
    values = {"good": {KEY: GOOD}, "poor": {KEY: POOR}}
    over_species = board_of(tmp_path, values, unit="species", alpha=0.01)
    # All six species are better: 2 of 64 sign patterns.
    assert over_species.pair(KEY, "poor").p_species == pytest.approx(2 / 64)
    assert over_species.is_tied(KEY, "poor")
    assert not replace(over_species, unit="specimens").is_tied(KEY, "poor")


def test_scores_are_compared_by_signs_and_only_with_the_baseline(tmp_path):
    generator = np.random.default_rng(0)
    base = generator.random(40)
    values = {"a": {SCORE: base + 0.1}, "b": {SCORE: base}, "c": {SCORE: base + 0.001 * generator.normal(size=40)}}
    board = board_of(tmp_path, values, baseline="b")
    assert {(one.first, one.second) for one in board.pairs.values()} == {("a", "b"), ("b", "a"), ("c", "b"), ("b", "c")}
    pair = board.pair(SCORE, "a")
    assert pair.test == "sign flips"
    assert pair.p < 0.01
    assert board.pair(SCORE, "c").p > 0.05
    assert board.reference(SCORE) == "b"
    assert board.best(SCORE) == "a"


def test_figures_of_other_data_are_refused_or_marked(tmp_path):
    folders = [write_run(tmp_path / "one", {KEY: GOOD}), write_run(tmp_path / "two", {KEY: POOR}, ids_hash="other")]
    folders.append(write_run(tmp_path / "short", {KEY: GOOD[:50]}, with_answers=False))
    runs = read_runs(folders)
    with pytest.raises(
        ClipbioError, match=r"two was not measured on the same data as one .the specimens of test differ"
    ):
        compared(runs, [KEY])
    with pytest.raises(ClipbioError, match="n is 50, there 60"):
        compared([runs[0], runs[2]], [KEY])
    board = compared(runs, [KEY], other_data="mark")
    assert set(board.odd) == {(KEY, "two"), (KEY, "short")}
    assert not board.pairs
    # short has the highest figure, and is not called the best.
    assert board.best(KEY) == "one"
    # The baseline decides which of them is the odd one.
    assert (KEY, "one") in compared(runs, [KEY], other_data="mark", baseline="two").odd


def test_figures_of_errors_have_an_n_of_their_own_and_kin_is_the_better_error(tmp_path):
    kin, far = "hierarchy/test/all/wrong_in_genus", "hierarchy/test/all/distance_wrong"
    runs = read_runs(
        [
            write_run(tmp_path / "few", {kin: [1.0] * 8 + [0.0] * 2, far: [1.0] * 10}, with_answers=False),
            write_run(tmp_path / "many", {kin: [1.0] * 9 + [0.0] * 21, far: [3.0] * 30}, with_answers=False),
        ]
    )
    board = compared(runs, [kin, far])
    assert not board.odd
    assert [board.best(key) for key in (kin, far)] == ["few", "few"]


def test_a_training_run_is_shown_with_what_it_has(tmp_path):
    runs = read_runs(
        [write_run(tmp_path / "one", {KEY: GOOD}), write_run(tmp_path / "two", {KEY: POOR}, with_answers=False)]
    )
    board = compared(runs, chosen_keys(runs, None))
    assert board.figure(KEY, "two").value == 0.5
    assert not board.pairs
    assert "train/loss" not in board.keys
    assert (board.is_best(KEY, "one"), board.is_best(KEY, "two")) == (True, False)


def test_answers_are_matched_by_id(tmp_path):
    first = answers(GOOD)
    order = np.random.default_rng(0).permutation(60)
    shuffled = replace(
        first, ids=tuple(first.ids[n] for n in order), species=tuple(first.species[n] for n in order),
        value_N=first.value_N[order],
    )  # fmt: skip
    both = aligned(first, shuffled)
    assert both.first_N.tolist() == both.second_N.tolist()
    assert sorted(both.ids) == list(both.ids)
    assert aligned(first, answers(GOOD[:-1])) is None


def test_figures_are_chosen_by_pattern(tmp_path):
    other = "zero_shot/unseen/common/top1"
    runs = read_runs([write_run(tmp_path / "one", {KEY: GOOD, other: GOOD, SCORE: GOOD})])
    assert chosen_keys(runs, ["zero_shot/*/common/top1"]) == (KEY, other)
    assert chosen_keys(runs, [SCORE, KEY]) == (SCORE, KEY)
    assert set(chosen_keys(runs, None)) == {KEY, other, SCORE}
    with pytest.raises(ClipbioError, match="no figure of these runs is called zero_shot/test/comon/top1; did you mean"):
        chosen_keys(runs, ["zero_shot/test/comon/top1"])


def test_runs_are_named_by_what_tells_them_apart(tmp_path):
    folders = [write_run(tmp_path / part / "run", {KEY: GOOD}) for part in ("a", "b")]
    assert [run.name for run in read_runs(folders)] == ["a/run", "b/run"]
    with pytest.raises(ClipbioError, match="given twice"):
        read_runs([folders[0], folders[0]])
    with pytest.raises(ClipbioError, match=r"holds no metrics\.json"):
        read_runs([tmp_path])
