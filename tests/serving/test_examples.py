"""Example queries out of the texts of an index."""

from __future__ import annotations

from clipbio.search.tokens import analyser
from clipbio.serving.examples import example_queries
from clipbio.virtual.herbarium import VirtualHerbarium

TEXTS = [
    "Leaves opposite, margin serrate. Flowers white. A rare one (1.5 cm tall).",
    "Leaves opposite, hairy below. Flowers white.",
    "The leaves are opposite. Fruit an acorn. Stem with hairs when it is young.",
    "No flowers seen. 3 stamens.",
]


def test_general_clauses_of_one_description_are_joined() -> None:
    assert example_queries(TEXTS, count=2) == ["leaves opposite, flowers white", "fruit an acorn"]


def test_other_forms_of_a_clause_are_the_same_clause() -> None:
    texts = ["The leaves are hairy. Fruit red.", "Hairy leaf. Fruits are red.", "Stem not long."]
    assert example_queries(texts) == ["fruit red, hairy leaf"]


def test_each_example_stands_in_one_description() -> None:
    herbarium = VirtualHerbarium(num_species=40, num_unseen=0, specimens_per_species=4)
    taken = analyser("english")
    texts = [set(taken.bag(one.text)) for species in herbarium.species for one in herbarium.describe(species)]
    queries = example_queries([one.text for species in herbarium.species for one in herbarium.describe(species)])
    assert len(queries) == 5
    for query in queries:
        assert any(set(taken.bag(query)) <= text for text in texts), query


def test_texts_without_clauses_give_none() -> None:
    assert example_queries([]) == []
    assert example_queries(["of the", "12.5 cm", "!"]) == []
