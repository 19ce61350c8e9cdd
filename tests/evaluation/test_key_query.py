"""The benchmark equals the protocol in plain loops, and gives the numbers of a table worked out by hand."""

import numpy as np
import pytest
import torch
from key_query_reference import encode as encode_text
from key_query_reference import prototype_reference, random_specimens, reference, split_data

from clipbio.evaluation.key_query import KeyQuery
from clipbio.evaluation.key_query_answers import NEVER, Search, taxon_places
from clipbio.evaluation.neighbours import score_chunks

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


@pytest.mark.parametrize("coarse", [False, True])
def test_distinct_places_beyond_the_first_records_are_those_of_a_loop(coarse):
    generator = torch.Generator().manual_seed(4)
    draw = lambda *shape: torch.randint(-2, 3, shape, generator=generator).float()  # noqa: E731
    query_QD, key_KD = draw(40, 3), draw(200, 3)
    if not coarse:
        key_KD = key_KD + torch.rand(200, 3, generator=generator)
    label_QR, label_KR = (torch.randint(-3, 12, (rows, 2), generator=generator).clamp(min=-1) for rows in (40, 200))
    own_Q, own_K = torch.arange(40), torch.arange(200) // 3
    search = Search(query_QD, key_KD, own_Q, own_K)
    found = taxon_places(search, search.nearest(3), label_QR, label_KR, 8)
    order = search.nearest(200)
    for query in range(40):
        for rank in range(2):
            near = [key for key in order.key_Qk[query].tolist() if key >= 0]
            taxa = list(dict.fromkeys(one for one in label_KR[near, rank].tolist() if one >= 0))
            label = int(label_QR[query, rank])
            place = taxa.index(label) if label in taxa else NEVER
            assert int(found[query, rank]) == place if place < 8 else int(found[query, rank]) >= 8


def test_only_queries_that_can_be_right_are_searched_deeper(monkeypatch):
    generator = torch.Generator().manual_seed(4)
    query_QD, key_KD = torch.randn(30, 4, generator=generator), torch.randn(300, 4, generator=generator)
    search = Search(query_QD, key_KD, torch.full((30,), -1), torch.full((300,), -1))
    near = search.nearest(50)
    searched: list[int] = []

    def watched(query_QD, *others, **settings):
        searched.append(len(query_QD))
        return score_chunks(query_QD, *others, **settings)

    for name in ("score_chunks", "nearest_keys"):
        monkeypatch.setattr(f"clipbio.evaluation.key_query_answers.{name}", watched)
    # Ranks without labels, with queries of other taxa, and with fewer taxa than the depth, all of which are near.
    label_QR = torch.tensor([[-1, 7, 0]]).repeat(30, 1)
    label_KR = torch.stack([torch.full((300,), -1), torch.zeros(300, dtype=torch.long), torch.arange(300) % 2], dim=1)
    found = taxon_places(search, near, label_QR, label_KR, 5)
    assert searched == []
    assert (found[:, :2] == NEVER).all()
    assert set(found[:, 2].tolist()) == {0, 1}
    label_KR[:, 2] = 1
    label_KR[5, 2] = 0
    found = taxon_places(search, near, label_QR, label_KR, 5)
    assert 0 < sum(searched) < 30
    assert set(found[:, 2].tolist()) == {1}


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
