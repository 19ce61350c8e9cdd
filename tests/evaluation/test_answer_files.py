from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from clipbio.errors import ClipbioError
from clipbio.evaluation.answer_files import read_answers, write_answers
from clipbio.evaluation.answers import Answers
from clipbio.evaluation.retrieval import Retrieval
from clipbio.evaluation.species_intervals import with_species_intervals
from clipbio.evaluation.zero_shot import ZeroShot


def answers(values, species, *, metric="top1", variant="common"):
    ids = tuple(f"id-{row}" for row in range(len(values)))
    return Answers("zero_shot", "test", variant, metric, ids, np.array(values, np.float64), tuple(species))


def test_answers_come_back_from_their_file(tmp_path: Path) -> None:
    given = [answers([1, 0, 0.5], "aab"), answers([0.25], "c", metric="top5"), answers([1, 1], "ab", variant="other")]
    write_answers(tmp_path / "answers.parquet", given)
    found = read_answers(tmp_path / "answers.parquet")
    assert list(found) == [one.key for one in given]
    for one in given:
        again = found[one.key]
        assert (again.ids, again.species) == (one.ids, one.species)
        assert again.value_N.tolist() == one.value_N.tolist()
    columns = {"task", "split", "variant", "metric", "id", "species", "value"}
    assert set(pq.read_table(tmp_path / "answers.parquet").column_names) == columns


def test_no_answers_are_an_empty_file_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    write_answers(tmp_path / "answers.parquet", [])
    assert read_answers(tmp_path / "answers.parquet") == {}
    assert read_answers(tmp_path / "absent.parquet") == {}
    (tmp_path / "answers.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ClipbioError, match="evaluate the run again"):
        read_answers(tmp_path / "answers.parquet")


def test_species_that_are_right_or_wrong_as_a_whole_have_a_wider_interval() -> None:
    # Ten species, five always right: over 200 specimens 0.43 to 0.57, over 10 species 0.2 to 0.8.
    species = [f"s{row // 20}" for row in range(200)]
    values = [float(row // 20 < 5) for row in range(200)]
    key = "zero_shot/test/common/top1"
    found = with_species_intervals({key: 0.5, f"{key}/n": 200}, [answers(values, species)])
    assert found[f"{key}/low_species"] == pytest.approx(0.2, abs=0.05)
    assert found[f"{key}/high_species"] == pytest.approx(0.8, abs=0.05)


def test_the_macro_mean_has_the_interval_of_redrawn_classes() -> None:
    values, species = [1.0] * 90 + [0.0] * 10, ["a"] * 45 + ["b"] * 45 + ["c"] * 5 + ["d"] * 5
    base = "zero_shot/test/common"
    found = with_species_intervals({f"{base}/top1": 0.9, f"{base}/macro_top1": 0.5}, [answers(values, species)])
    assert found[f"{base}/macro_top1/low_species"] == 0
    assert found[f"{base}/macro_top1/high_species"] == 1


def test_one_species_a_wrong_mean_and_an_interval_that_is_there_change_nothing() -> None:
    key = "zero_shot/test/common/top1"
    assert with_species_intervals({key: 0.5}, [answers([1, 0], "aa")]) == {key: 0.5}
    assert with_species_intervals({key: 0.7}, [answers([1, 0], "ab")]) == {key: 0.7}
    known = {key: 0.5, f"{key}/low_species": 0.1, f"{key}/high_species": 0.9}
    assert with_species_intervals(known, [answers([1, 0], "ab")]) == known


def test_the_mean_of_the_answers_is_the_figure(world) -> None:
    one = world()
    for benchmark in (ZeroShot(["common", "description"], bootstrap=0), Retrieval(bootstrap=0)):
        result = benchmark.run(one.split(), one.encode)
        keys = {one.key for one in result.answers}
        assert len(keys) == len(result.answers) >= 5
        for one_answer in result.answers:
            assert one_answer.value_N.mean() == pytest.approx(result.metrics[one_answer.key])
        widened = with_species_intervals(result.metrics, result.answers)
        assert {f"{key}/low_species" for key in keys} <= widened.keys()
