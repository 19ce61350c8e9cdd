import itertools
import math

import numpy as np
import pytest
import torch
from annotated_worlds import Noted, noted_split
from sklearn.metrics import average_precision_score, ndcg_score

from clipbio.errors import ClipbioError
from clipbio.evaluation.metrics import average_precision
from clipbio.evaluation.rerank import Rerank, relevant_places

DIM = 8
KINDS = ("behavior", "context")


def encode(texts):
    """Give each text a direction of its own."""
    return torch.stack([torch.randn(DIM, generator=torch.Generator().manual_seed(len(text))) for text in texts])


def candidates(queries=6, size=20, seed=0):
    """Every third candidate is relevant; those of the first query are not."""
    generator = torch.Generator().manual_seed(seed)
    named = [
        Noted({"query": "x" * (query + 1), "query_type": KINDS[query % 2], "relevant": int(query > 0 and row % 3 == 0)})
        for query in range(queries)
        for row in range(size)
    ]
    return noted_split("test", torch.randn(len(named), DIM, generator=generator), named)


def by_hand(data):
    """Return AP, nDCG and reciprocal rank of each query but the first, by scikit-learn and by sorting."""
    found = {}
    for query in range(1, 6):
        rows = slice(query * 20, (query + 1) * 20)
        text = torch.nn.functional.normalize(encode(["x" * (query + 1)]), dim=1)[0]
        score = (data.specimens.vectors["image"][rows] @ text).numpy()
        relevant = np.array([one.metadata["relevant"] for one in data.specimens.named[rows]])
        first = 1 + relevant[np.argsort(-score)].tolist().index(1)
        found["x" * (query + 1)] = (
            average_precision_score(relevant, score),
            ndcg_score([relevant], [score]),
            1 / first,
        )
    return found


def test_figures_are_those_of_scikit_learn_query_by_query():
    data = candidates()
    result = Rerank(bootstrap=30).run(data, encode)
    wanted, path, found = by_hand(data), "rerank/test", result.metrics
    for place, metric in enumerate(("mAP", "nDCG", "MRR")):
        mean = np.mean([one[place] for one in wanted.values()])
        assert found[f"{path}/all/{metric}"] == pytest.approx(mean)
        odd = np.mean([one[place] for text, one in wanted.items() if len(text) % 2 == 0])
        assert found[f"{path}/context/{metric}"] == pytest.approx(odd)
        assert found[f"{path}/all/{metric}/n"] == 5
        assert found[f"{path}/all/{metric}/low"] <= mean <= found[f"{path}/all/{metric}/high"]
        answers = next(one for one in result.answers if one.key == f"{path}/all/{metric}")
        assert dict(zip(answers.ids, answers.value_N)) == pytest.approx(
            {text: one[place] for text, one in wanted.items()}
        )
    assert found[f"{path}/all/without_relevant"] == 1


def test_chance_is_the_mean_over_all_orders():
    named = [Noted({"query": "a", "relevant": row < 2}) for row in range(5)]
    found = Rerank(bootstrap=0).run(noted_split("test", torch.eye(5), named), lambda texts: torch.ones(1, 5)).metrics
    orders = list(itertools.permutations([1, 1, 0, 0, 0]))
    places = [[1 + place for place, hit in enumerate(order) if hit] for order in orders]
    wanted = {
        "mAP": [(1 / a + 2 / b) / 2 for a, b in places],
        "nDCG": [sum(1 / math.log2(1 + p) for p in pair) / (1 + 1 / math.log2(3)) for pair in places],
        "MRR": [1 / a for a, _ in places],
    }
    for metric, values in wanted.items():
        assert found[f"rerank/test/none/{metric}/chance"] == pytest.approx(np.mean(values))
    # All five score the same: the relevant two stand last.
    assert found["rerank/test/all/MRR"] == pytest.approx(1 / 4)
    assert found["rerank/test/all/mAP"] == pytest.approx((1 / 4 + 2 / 5) / 2)


def test_places_give_the_average_precision_of_the_house():
    generator = np.random.default_rng(0)
    for _ in range(20):
        score, relevant = generator.integers(0, 6, 15).astype(float), generator.random(15) < 0.4
        relevant[0] = True
        place = relevant_places(score, relevant)
        wanted = average_precision(torch.from_numpy(score)[None], torch.from_numpy(relevant)[None])
        assert (np.arange(1, len(place) + 1) / place).mean() == pytest.approx(float(wanted))


def test_what_has_no_label_is_told():
    named = [Noted({"query": "a", "relevant": "1"}), Noted({"query": "a", "relevant": "maybe"}), Noted()]
    found = Rerank(bootstrap=0).run(noted_split("test", torch.eye(3), named), lambda texts: torch.ones(1, 3)).metrics
    assert found["rerank/test/all/unlabelled"] == 2
    with pytest.raises(ClipbioError, match="none of the 1 queries of split 'test' has an image with relevant=1"):
        Rerank().run(noted_split("test", torch.eye(1), [Noted({"query": "a", "relevant": 0})]), encode)
    with pytest.raises(ClipbioError, match="none of the 1 images of split 'test' has 'query'"):
        Rerank().run(noted_split("test", torch.eye(1), [Noted()]), encode)
