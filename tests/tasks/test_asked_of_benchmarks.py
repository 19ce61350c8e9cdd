"""What benchmarks and data are asked for is judged before anything is encoded."""

import pytest

from clipbio.config import compose, plain
from clipbio.distributed import World
from clipbio.errors import ClipbioError
from clipbio.tasks.parts import build_benchmarks, build_data, check_splits


def config_of(*overrides):
    return plain(compose("evaluate", ["data=virtual", *overrides]))


def test_resamples_below_zero_are_refused():
    with pytest.raises(ClipbioError, match=r"benchmark.barcode.bootstrap=-1; give a number of resamples, 0 for none"):
        build_benchmarks(config_of("benchmark=barcode", "benchmark.barcode.bootstrap=-1"))


def test_a_benchmark_none_of_whose_splits_is_evaluated_is_refused():
    benchmarks = build_benchmarks(config_of("benchmark=[key_query,bzsl]", "benchmark.key_query.splits=[tset]"))
    with pytest.raises(
        ClipbioError, match=r"key_query.splits=\[tset\]: none of them is evaluated; did you mean 'test'"
    ):
        check_splits(benchmarks, ["val", "test"])
    benchmarks["key_query"].splits = ("tset", "val")
    check_splits(benchmarks, ["val", "test"])


def test_data_that_nothing_names_are_refused_before_a_model_is_made():
    config = plain(compose("train", ["experiment=bioscan_clip_5m"]))
    with pytest.raises(ClipbioError, match=r"data\.root is missing"):
        build_data(config, World())
