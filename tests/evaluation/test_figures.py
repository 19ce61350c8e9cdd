import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbio.errors import ClipbioError
from clipbio.evaluation.figures import Figure, flatten, parse, read_metrics, write_metrics

WORD = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="@_"), min_size=1).filter(
    lambda word: word not in ("low", "high", "n", "chance")
)
SHARE = st.none() | st.floats(0, 1)


def test_keys_are_those_of_the_design():
    figure = Figure("zero_shot", "unseen", "common", "top1", 0.5, 0.4, 0.6, 30, 0.025)
    assert flatten([figure]) == {
        "zero_shot/unseen/common/top1": 0.5,
        "zero_shot/unseen/common/top1/low": 0.4,
        "zero_shot/unseen/common/top1/high": 0.6,
        "zero_shot/unseen/common/top1/n": 30,
        "zero_shot/unseen/common/top1/chance": 0.025,
    }


@given(
    st.builds(
        Figure, WORD, WORD, WORD, WORD | st.just("species/macro@1"), st.floats(0, 1), SHARE, SHARE,
        st.none() | st.integers(0, 10**9), SHARE,
    )
)  # fmt: skip
def test_flat_numbers_are_read_back(figure):
    assert parse(flatten([figure])) == [figure]


def test_numbers_of_another_shape_are_no_figures():
    assert parse({"train/loss": 1.0, "a/b/c": 2.0, "a/b/c/d": math.nan}) == []


def test_written_numbers_are_strict_json_without_nan(tmp_path, caplog):
    path = tmp_path / "run" / "metrics.json"
    write_metrics(path, {"b/loss": math.nan, "a/loss": math.inf, "z/s/v/top1": 0.5, "z/s/v/top1/n": 4.0})

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(path.read_text(), parse_constant=refuse) == {"z/s/v/top1": 0.5, "z/s/v/top1/n": 4}
    assert "b/loss" in caplog.text
    assert "a/loss" in caplog.text
    assert read_metrics(path) == {"z/s/v/top1": 0.5, "z/s/v/top1/n": 4.0}


@pytest.mark.parametrize("content", ["", "[1]", '{"a": "b"}', "{"])
def test_damaged_metrics_are_told_in_one_line(tmp_path, content):
    path = tmp_path / "metrics.json"
    path.write_text(content)
    with pytest.raises(ClipbioError, match=r"metrics\.json") as error:
        read_metrics(path)
    assert "\n" not in str(error.value)


def test_the_interval_over_species_stands_beside_that_over_specimens():
    figure = Figure.measured(
        ("few_shot", "test", "1_shot"), "mean", value=0.5, interval=(0.4, 0.6), n=9, species_interval=(0.2, 0.8)
    )
    flat = flatten([figure])
    assert flat["few_shot/test/1_shot/mean/low_species"] == 0.2
    assert parse(flat) == [figure]
