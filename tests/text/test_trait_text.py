"""Captions made of traits: drawn out of descriptions, whole for evaluation, prose where there is no trait."""

from __future__ import annotations

import pickle

from things import MAGPIE, Thing

from clipbio.taxonomy import Taxon
from clipbio.text import TextRegime, lint, render
from clipbio.traits import captions

MAPLE = Taxon("Plantae", "Tracheophyta", "Magnoliopsida", "Sapindales", "Sapindaceae", "Acer", "rubrum")
LEAVES = "Leaves ovate, 4-6 cm long, with serrate margins."
DESCRIBED = Thing(MAPLE, ("red maple",), (LEAVES, "Leaves ovate. Petals yellow. Grows along brooks."))


def drawn(thing: Thing, regime: TextRegime, count: int = 200) -> set[tuple[str, str]]:
    found = (regime.draw(thing, sample_seed=seed, batch_seed=0) for seed in range(count))
    return {(one.type, one.text) for one in found}


def test_evaluation_reads_all_traits_in_order_without_template() -> None:
    rendered = render(DESCRIBED, "traits", template="a photo of {}.")
    assert rendered.type == "traits"
    assert rendered.text == "leaves ovate, 4-6 cm long, with serrate margins; petals yellow"


def test_a_few_traits_are_drawn_in_their_wordings() -> None:
    texts = {text for _, text in drawn(DESCRIBED, TextRegime({"traits": 1}, min_traits=1, max_traits=2))}
    assert {"ovate leaves", "leaves are ovate", "yellow petals", "leaves ovate; petals yellow"} <= texts
    assert set(captions("leaf margin", "serrate")) <= texts
    assert all(text.count(";") + text.count(",") <= 1 for text in texts)


def test_a_draw_is_a_pure_function_that_survives_pickling() -> None:
    regime = TextRegime({"traits": 1}, name_probability=0.5)
    assert drawn(DESCRIBED, regime) == drawn(DESCRIBED, pickle.loads(pickle.dumps(regime)))
    assert any(text.startswith("Acer rubrum: ") for _, text in drawn(DESCRIBED, regime))


def test_without_traits_sentences_stand_in_and_without_descriptions_names() -> None:
    plain = Thing(MAPLE, ("red maple",), ("It was found by a brook.",))
    assert drawn(plain, TextRegime({"traits": 1})) == {("description", "It was found by a brook.")}
    assert drawn(MAGPIE, TextRegime({"traits": 1})) == {("common", "a photo of black-billed magpie.")}
    assert render(MAGPIE, "traits").type == "common"


def test_the_regime_tells_how_many_traits_are_drawn() -> None:
    assert "traits: 2 to 4" in TextRegime({"traits": 1}, max_traits=4).describe()
    assert "descriptions" not in TextRegime({"traits": 1}).describe()


def test_lint_counts_what_has_no_traits() -> None:
    def tokenize(texts: object) -> list[list[int]]:
        return [[*text.encode()[:60], *[0] * (60 - len(text.encode()))] for text in texts]  # type: ignore[attr-defined]

    (row,) = lint([DESCRIBED, MAGPIE], TextRegime({"traits": 1}), tokenize, 60).findings  # type: ignore[arg-type]
    assert (row.text_type, row.species, row.fallbacks) == ("traits", 2, 1)
