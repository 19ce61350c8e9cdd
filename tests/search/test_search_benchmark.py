"""Search as a benchmark: halves of descriptions, rankings, figures."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from clipbio.data.specimen import Specimen
from clipbio.errors import ClipbioError
from clipbio.evaluation.embeddings import Candidates, SplitData
from clipbio.search import benchmark
from clipbio.search.benchmark import SentenceSearch
from clipbio.search.halves import Halves
from clipbio.search.index import Index
from clipbio.search.manifest import About
from clipbio.search.new_rows import NewRows
from clipbio.search.writing import IndexWriter
from clipbio.seeding import rng
from clipbio.taxonomy import Taxon

ORGANS = ("Leaves", "Flowers", "Fruits", "Stems", "Roots", "Bark")
LOOKS = ("hairy and long", "smooth and round", "red with white spots", "toothed at the margin", "thick and dark brown")


@dataclass(frozen=True)
class Plant:
    taxon: Taxon
    descriptions: tuple[str, ...] = ()
    common_names: tuple[str, ...] = ()
    label: str = ""


def plant(number, sentences):
    text = " ".join(sentences)
    return Plant(Taxon(kingdom="Plantae", genus="Genus", species=f"species{number:02d}"), (text,) if text else ())


def written(number):
    """Sentences of a species, drawn from few words so that species share them."""
    return [f"{organ} {rng(number, organ).choice(LOOKS)}." for organ in ORGANS]


def split(plants, vectors, per_class=3):
    named = [one for one in plants for _ in range(per_class)]
    return SplitData.build("val", [f"id-{row}" for row in range(len(named))], vectors_ND=vectors, named=named)


def unit(rows, seed=0, dim=16):
    vectors = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors, dim=1)


def encode(texts):
    """Give a text a vector of its own, always the same."""
    return torch.cat([unit(1, seed=rng(text).integers(1 << 31).item()) for text in texts])


def test_halves_are_apart_and_of_equal_size():
    plants = [plant(number, written(number)) for number in range(4)] + [plant(7, ["Only one sentence."]), plant(8, [])]
    halves = Halves.cut(Candidates.from_named(plants), seed=0, most_queries=1000)
    assert np.bincount(halves.class_Q, minlength=6).tolist() == [3, 3, 3, 3, 0, 0]
    assert np.bincount(halves.class_S, minlength=6).tolist() == [3, 3, 3, 3, 1, 0]
    for number in range(4):
        of = [{text for text, place in zip(texts, places) if place == number}
              for texts, places in ((halves.sentences, halves.class_S), (halves.queries, halves.class_Q))]  # fmt: skip
        assert of[0] | of[1] == set(written(number))
        assert not of[0] & of[1]


def test_halves_of_a_species_depend_on_the_seed_alone():
    plants = [plant(number, written(number)) for number in range(4)]
    alone, among, other = (
        Halves.cut(Candidates.from_named(chosen), seed=seed, most_queries=1000)
        for chosen, seed in ((plants[3:], 5), (plants, 5), (plants[3:], 6))
    )
    assert alone.queries == among.queries[-3:]
    assert alone.queries != other.queries
    few = Halves.cut(Candidates.from_named(plants), seed=5, most_queries=5)
    assert len(few.queries) == 5
    assert set(zip(few.queries, few.class_Q.tolist())) <= set(zip(among.queries, among.class_Q.tolist()))
    assert few.sentences == among.sentences


def test_sentences_of_a_repeated_description_are_cut_once():
    one = plant(0, ["Leaves hairy beneath.", "Flowers red and small."])
    twice = Plant(one.taxon, (*one.descriptions, "Flowers red and small. Leaves hairy beneath."))
    cut = [Halves.cut(Candidates.from_named([thing]), seed=0, most_queries=9) for thing in (one, twice)]
    assert cut[0].queries == cut[1].queries
    assert cut[0].sentences == cut[1].sentences


def reciprocal(scores, weight, shown):
    """Weighted reciprocal dense ranks."""
    levels = sorted({score for score, one in zip(scores, shown) if one}, reverse=True)
    return [weight / (11 + levels.index(score)) if one else 0.0 for score, one in zip(scores, shown)]


def test_rankings_equal_those_of_naive_code(monkeypatch):
    plants = [plant(number, written(number)) for number in range(5)] + [plant(9, [])]
    images = unit(18, seed=3)
    found = {}
    scored = benchmark._Searched.orders

    def spy(self, text, query_D, engines):
        orders = scored(self, text, query_D, engines)
        words = benchmark.Words(text, (), ())
        found[text] = (self, query_D, orders, self.lexicon.document_scores(words), self.lexicon.sentence_scores(words))
        return orders

    monkeypatch.setattr(benchmark._Searched, "orders", spy)
    data = split(plants, images)
    result = SentenceSearch(bootstrap=0).run(data, encode)
    halves = Halves.cut(data.classes, seed=0, most_queries=1000)
    precision = []
    for text, wanted in zip(halves.queries, halves.class_Q.tolist()):
        searched, query_D, orders, documents, bm25_S = found[text]
        assert_allclose(query_D, encode([text])[0].numpy(), atol=1e-6)
        meaning, sentence, image = [], [], []
        for place in range(6):
            own = [row for row in range(len(halves.sentences)) if halves.class_S[row] == place]
            vectors = encode([halves.sentences[row] for row in own]).numpy() if own else np.zeros((0, 16))
            meaning.append(max((vectors @ query_D).tolist(), default=-9.0))
            sentence.append(max((float(bm25_S[row]) for row in own), default=0.0))
            image.append(float(np.mean(images.numpy()[3 * place : 3 * place + 3] @ query_D)))
        described = [True] * 5 + [False]
        fused = np.sum([
            reciprocal([float(one) for one in documents], 4 * max(documents), [one > 0 for one in documents]),
            reciprocal(sentence, 4 * max(sentence), [one > 0 for one in sentence]),
            reciprocal(meaning, 1, described),
            reciprocal(image, 0.25, [True] * 6),
        ], axis=0)  # fmt: skip
        own = images.numpy() @ query_D
        rows = sorted(range(18), key=lambda row: (-round(fused[row // 3], 9), -own[row]))
        assert [searched.class_N[row] for row in orders["fused"]] == [row // 3 for row in rows]
        places = [place for place, row in enumerate(rows) if row // 3 == wanted]
        precision.append(np.mean([(number + 1) / (place + 1) for number, place in enumerate(places)]))
    assert result.metrics["search/val/fused/mAP"] == pytest.approx(np.mean(precision))
    assert result.metrics["search/val/fused/mAP/n"] == 15
    assert result.metrics["search/val/queries/unasked"] == 1


class Encoder:
    modalities = frozenset({"text", "image"})

    def text(self, texts):
        return encode(texts).numpy()


@pytest.mark.parametrize("engine", ["fused", "vector", "lexical"])
def test_rankings_equal_those_of_the_search_engine(engine, tmp_path):
    images = unit(15, seed=3)
    # Equal sentences would have equal cosines but for rounding.
    own = [[f"{one[:-1]} number{number}." for one in written(number)] for number in range(5)]
    data = split([plant(number, one) for number, one in enumerate(own)], images)
    halves = Halves.cut(data.classes, seed=0, most_queries=1000)
    specimens = [
        Specimen(id=f"{row}", taxon=data.classes.items[row // 3].taxon, descriptions=(" ".join(
            text for text, place in zip(halves.sentences, halves.class_S) if place == row // 3),))
        for row in range(15)
    ]  # fmt: skip
    with IndexWriter.create(tmp_path / "index", About("plants")) as writer:
        writer.append([NewRows(specimens, {"image": (np.ones(15, bool), images.numpy())})], Encoder().text)
    index = Index.open(tmp_path / "index", Encoder())
    searched = benchmark._Searched.build(data, halves, encode, "english", tmp_path / "words", 0)
    for text, vector in zip(halves.queries, encode(halves.queries).numpy(), strict=True):
        hits = index.search(text, k=15, engine=engine).hits
        order = searched.orders(text, vector, [engine])[engine]
        assert len(order) == len(hits) == (15 if engine != "lexical" else len(hits))
        # Where species have the same score in words, neither knows which comes first.
        level = [round(hit.score, 9) for hit in hits] if engine == "lexical" else range(15)
        assert sorted(zip(level, [int(hit.id) // 3 for hit in hits])) == sorted(zip(level, searched.class_N[order]))


def test_perfect_vectors_find_everything_and_words_what_they_name():
    plants = [plant(number, [f"Leaves of kind{number} alone.", f"Flowers of kind{number} too."]) for number in range(6)]
    axis = torch.eye(6)

    def perfect(texts):
        return axis[[int(text.partition("kind")[2][0]) for text in texts]]

    metrics = SentenceSearch(ks=(1, 5), bootstrap=20).run(split(plants, axis.repeat_interleave(3, 0)), perfect).metrics
    for ranking in ("fused", "vector", "lexical", "description", "sentence", "meaning", "image", "images"):
        for metric in ("mAP", "recall@1", "recall@5"):
            key = f"search/val/{ranking}/{metric}"
            assert [metrics[key], metrics[f"{key}/low"], metrics[f"{key}/high_species"]] == [1, 1, 1], key
            assert metrics[f"{key}/n"] == 6
    assert metrics["search/val/fused/recall@1/chance"] == pytest.approx(3 / 18)


def test_what_words_do_not_name_is_found_by_vectors_alone():
    plants = [plant(n, [f"Alpha{k} beta{k} gamma{k}.", f"Delta{k} theta{k} zeta{k}."]) for n, k in enumerate("bdfgkp")]
    axis = torch.eye(6)

    def perfect(texts):
        return axis[["bdfgkp".index(text.rstrip(".")[-1]) for text in texts]]

    metrics = SentenceSearch(bootstrap=0).run(split(plants, axis.repeat_interleave(3, 0)), perfect).metrics
    assert metrics["search/val/lexical/mAP"] == 0
    assert metrics["search/val/lexical/recall@10"] == 0
    assert metrics["search/val/fused/mAP"] == 1


@pytest.mark.parametrize("vectors", ["random", "constant"])
def test_a_model_that_knows_nothing_is_at_chance(vectors):
    plants = [plant(number, [f"Leaves of kind {number} and {one}." for one in range(20)]) for number in range(12)]
    images = unit(60) if vectors == "random" else torch.ones(60, 16) / 4
    encoded = encode if vectors == "random" else (lambda texts: torch.ones(len(texts), 16) / 4)
    metrics = SentenceSearch(["images"], bootstrap=0).run(split(plants, images, 5), encoded).metrics
    assert metrics["search/val/images/mAP"] == pytest.approx(metrics["search/val/images/mAP/chance"], abs=0.05)


def test_answers_stand_behind_every_figure():
    data = split([plant(number, written(number)) for number in range(6)], unit(18))
    result = SentenceSearch(["fused", "image"], ks=(1, 3), bootstrap=50).run(data, encode)
    assert len(result.answers) == 2 * 3
    for found in result.answers:
        assert found.value_N.mean() == pytest.approx(result.metrics[found.key])
        assert len(set(found.ids)) == len(found.ids) == result.metrics[f"{found.key}/n"] == 18
        assert set(found.species) == set(data.classes.names)
        low, high = (result.metrics[f"{found.key}/{side}_species"] for side in ("low", "high"))
        assert low <= result.metrics[found.key] <= high


def test_without_two_sentences_nothing_is_measured():
    data = split([plant(number, ["One sentence is all."]) for number in range(3)], unit(9))
    assert SentenceSearch().run(data, encode).metrics == {}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"engines": ["fuse"]}, "engines has no choice 'fuse'"),
        ({"engines": []}, "leaves nothing to measure"),
        ({"ks": [0]}, "ks="),
        ({"queries": 0}, "queries=0"),
        ({"language": "klingon"}, "klingon"),
    ],
)
def test_wrong_settings_are_refused(settings, told):
    with pytest.raises(ClipbioError, match=told):
        SentenceSearch(**settings)
