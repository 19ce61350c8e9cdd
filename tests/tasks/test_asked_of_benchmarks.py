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


def test_settings_of_a_benchmark_that_is_not_chosen_are_told_and_not_used(caplog):
    config = plain(compose("train", ["experiment=grounding_virtual", "benchmark=[zero_shot]"]))
    assert list(build_benchmarks(config)) == ["zero_shot"]
    (told,) = caplog.messages
    assert told.startswith("benchmark.grounding is set, but that benchmark is not chosen and not run")
    assert "benchmark=[zero_shot,grounding] adds it" in told
    assert build_benchmarks(plain(compose("train", ["experiment=traits", "benchmark=[]"]))) == {}
    with pytest.raises(
        ClipbioError, match=r"validation.benchmarks: 'grounding' is not among benchmark=\['zero_shot'\]"
    ):
        build_benchmarks(config, ["grounding"])


def test_settings_of_a_benchmark_that_does_not_exist_are_refused():
    with pytest.raises(ClipbioError, match=r"benchmark.few_shott: there is no such benchmark; did you mean 'few_shot'"):
        build_benchmarks(config_of("+benchmark.few_shott.shots=[1]"))


def test_settings_of_a_task_that_a_set_does_not_have_are_told(caplog):
    tasks = {"benchmark": {"retrieval": {"bootstrap": 0}}}
    assert build_benchmarks(tasks, place="benchmark.nabirds.tasks") == {}
    assert "+benchmark@benchmark.nabirds.tasks.retrieval=retrieval adds it" in caplog.text


def test_data_that_nothing_names_are_refused_before_a_model_is_made():
    config = plain(compose("train", ["experiment=bioscan_clip_5m"]))
    with pytest.raises(ClipbioError, match=r"data\.root is missing"):
        build_data(config, World())
