"""The benchmark equals the protocol in plain loops, and gives the numbers of a table worked out by hand."""

import numpy as np
import pytest
from key_query_reference import encode as encode_text
from key_query_reference import prototype_reference, random_specimens, reference, split_data

from clipbio.evaluation.key_query import KeyQuery

FORMS = ("image", "dna", "text", "fused")


def run(splits, evaluated, **settings):
    data = {name: split_data(name, one) for name, one in splits.items()}
    return KeyQuery(bootstrap=0, **settings).run_across(data, evaluated, encode_text).metrics


def expect(metrics, split, variant, expected, task="key_query"):
    found = {key: metrics.get(f"{task}/{split}/{variant}/{key}") for key in expected}
    assert found == pytest.approx(expected, abs=1e-9), variant


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("protocol", ["clipbio", "clibd"])
def test_records_equal_plain_loops(seed, protocol):
    generator = np.random.default_rng(seed)
    train, test = (random_specimens(generator, name, count, 9) for name, count in (("train", 40), ("test", 15)))
    keys = (*FORMS, "all", "all_normalised")
    task = "key_query" if protocol == "clipbio" else "key_query_clibd"
    metrics = run({"train": train, "test": test}, ["test"], keys=keys, protocol=protocol)
    for query in FORMS:
        for key in keys:
            expected = reference([train], test, query, key, (1, 3, 5), protocol)
            if key.startswith("all"):
                expected = {name: value for name, value in expected.items() if not name.endswith("/tied")}
            expect(metrics, "test", f"{query}_to_{key}", expected, task)


@pytest.mark.parametrize("seed", range(3))
def test_distinct_taxa_equal_plain_loops(seed, monkeypatch):
    # A short first search, so that the deeper one is needed.
    monkeypatch.setattr("clipbio.evaluation.key_query_pairs._TAXA_DEPTH", 5)
    generator = np.random.default_rng(100 + seed)
    train, test = (random_specimens(generator, name, count, 9) for name, count in (("train", 90), ("test", 12)))
    metrics = run({"train": train, "test": test}, ["test"], distinct=True)
    for query in FORMS:
        for key in FORMS:
            expected = reference([train], test, query, key, (1, 3, 5), distinct=True)
            expected = {name: value for name, value in expected.items() if not name.endswith("/tied")}
            expect(metrics, "test", f"{query}_to_{key}_distinct", expected)


@pytest.mark.parametrize("seed", range(3))
def test_mean_prototypes_leave_the_own_individual_out(seed):
    generator = np.random.default_rng(200 + seed)
    train, unseen = (random_specimens(generator, name, count, 9) for name, count in (("train", 20), ("unseen", 20)))
    metrics = run(
        {"train": train, "unseen": unseen}, ["unseen"], keys=["image_prototype", "dna_prototype", "fused_prototype"]
    )
    for query in ("image", "dna", "fused", "text"):
        for form in ("image", "dna", "fused"):
            expected = prototype_reference([train, unseen], unseen, query, form, (1, 3, 5))
            expect(metrics, "unseen", f"{query}_to_{form}_prototype", expected)
