"""Benchmarks that compare splits with each other, and the specimens that they see."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pytest
import torch

from clipbio.errors import ClipbioError
from clipbio.evaluation.benchmark import EncodeText, Result, further_splits, run_benchmarks
from clipbio.evaluation.embeddings import SplitData
from clipbio.evaluation.specimens import Specimens


class Across:
    """Tell what was handed over."""

    def __init__(self, splits: tuple[str, ...] | None = None) -> None:
        self.splits = splits

    def needed(self, evaluated: Sequence[str], available: Collection[str]) -> tuple[str, ...]:
        return tuple(name for name in ("train", "test") if name in available and evaluated)

    def run_across(self, data: Mapping[str, SplitData], evaluated: Sequence[str], encode_text: EncodeText) -> Result:
        del encode_text
        return Result({}, (tuple(sorted(data)), tuple(evaluated)))


class Alone:
    splits: tuple[str, ...] | None = None

    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        del encode_text
        return Result({data.split: float(len(data.images))})


def test_keys_are_embedded_once_and_shown_to_the_benchmark_that_asks_for_them(world: Callable[..., Any]) -> None:
    one = world()
    benchmarks = {"alone": Alone(), "across": Across()}
    assert further_splits(benchmarks, ["test", "val"], ["train", "val", "test"]) == ("train",)
    assert further_splits({"alone": Alone()}, ["test"], ["train", "test"]) == ()
    evaluated = [one.split(name=name) for name in ("test", "val")]
    result = run_benchmarks(benchmarks, evaluated, one.encode, further=[one.split(name="train")])
    assert result.metrics == {"test": 18.0, "val": 18.0}
    assert result.details == (("test", "train", "val"), ("test", "val"))


class Impossible(Alone):
    def run(self, data: SplitData, encode_text: EncodeText) -> Result:
        raise ClipbioError("benchmark impossible: no DNA was encoded")


def test_a_benchmark_that_is_not_possible_takes_no_other_along(
    world: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    one = world()
    benchmarks = {"impossible": Impossible(), "alone": Alone()}
    with caplog.at_level(logging.WARNING):
        result = run_benchmarks(benchmarks, [one.split(name="test")], one.encode)
    assert result.metrics == {"test": 18.0}
    assert "benchmark impossible is left out: benchmark impossible: no DNA was encoded" in caplog.text
    with pytest.raises(ClipbioError, match="no DNA was encoded"):
        run_benchmarks({"impossible": Impossible()}, [one.split(name="test")], one.encode)


def test_a_benchmark_judges_the_splits_that_it_names(
    world: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    one = world()
    with caplog.at_level(logging.WARNING):
        result = run_benchmarks({"across": Across(("val", "tset"))}, [one.split(name="val")], one.encode)
    assert result.details == (("val",), ("val",))
    assert "benchmark across: no split tset among val" in caplog.text
    # Nothing to judge, nothing to embed for it.
    assert further_splits({"across": Across(("unseen",))}, ["val"], ["train", "val"]) == ()
    assert run_benchmarks({"across": Across(("unseen",))}, [one.split(name="val")], one.encode).details == ()


def specimens(**more: Any) -> Specimens:
    values: dict[str, Any] = {
        "ids": ("a", "b", "c"),
        "named": (None, None, None),
        "vectors": {"dna": torch.eye(3)},
        "present": {"dna": torch.tensor([True, False, True])},
        "taxon_NR": torch.arange(21).reshape(3, 7),
        "group_N": torch.tensor([5, 6, 7]),
        "barcodes": ("AC", "", "GT"),
    }
    return Specimens(**values | more)


def test_rows_of_specimens_stay_together() -> None:
    for rows in (torch.tensor([0, 2]), torch.tensor([True, False, True])):
        kept = specimens(bin_N=torch.tensor([1, -1, 3])).take(rows)
        assert (kept.ids, kept.barcodes, kept.group_N.tolist()) == (("a", "c"), ("AC", "GT"), [5, 7])
        assert torch.equal(kept.vectors["dna"], torch.eye(3)[[0, 2]])
        assert kept.taxon_NR[1, 0] == 14
        assert kept.bin_N is not None
        assert kept.bin_N.tolist() == [1, 3]


@pytest.mark.parametrize(
    "wrong", [{"ids": ("a",)}, {"barcodes": ("A",)}, {"present": {}}, {"group_N": torch.tensor([1])}]
)
def test_specimens_that_do_not_match_are_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="specimens do not match"):
        specimens(**wrong)
