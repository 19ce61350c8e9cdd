"""What is extracted from real texts, against tables made by hand: no figure may fall."""

import sys
from pathlib import Path

import pytest

from clipbio.traits.agreement import agreement

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def scores(monkeypatch, shared_data):
    monkeypatch.syspath_prepend(str(FOLDER))
    sys.modules.pop("traits", None)
    import traits

    def of(cases, group):
        pairs = []
        for text, true, (start, end) in cases(shared_data):
            pairs.append(([one for one in traits.ours(text, group) if start <= one.start < end], true))
        return agreement(pairs)

    return {"leeds": of(traits.leeds_cases, "insects"), "birds": of(traits.birds_cases, "birds")}


@pytest.mark.parametrize("table", ["leeds", "birds"])
def test_over_all(scores, table):
    assert scores[table][""].precision >= 0.97
    assert scores[table][""].recall >= 0.96


@pytest.mark.parametrize("table", ["leeds", "birds"])
def test_each_property_that_is_told_often(scores, table):
    often = {key: one for key, one in scores[table].items() if one.num_true > 10}
    assert len(often) >= 4
    assert {key: one for key, one in often.items() if one.precision < 0.95 or one.recall < 0.85} == {}


@pytest.mark.parametrize("table", ["leeds", "birds"])
def test_side_and_sex_and_shade(scores, table):
    whole = scores[table][""]
    assert {key: count for key, count in whole.details.items() if count < 0.97 * whole.num_both} == {}
