import numpy as np
import pytest
import torch
from annotated_worlds import Noted, no_text, noted_split
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, log_loss

from clipbio.errors import ClipbioError
from clipbio.evaluation import traits, traits_heads
from clipbio.evaluation.traits import Traits
from clipbio.evaluation.traits_figures import f1_scores, precisions, resampled_f1, resampled_precision
from clipbio.evaluation.traits_heads import held_out, one_vs_rest, published_head

DIM, NAMES = 10, ("black", "furry", "white")


def trait_images(split, size, seed, *, species=("s",), names=NAMES):
    """Each trait has a direction of its own; the first one is nearly always seen, the last one hardly."""
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(size, DIM, generator=generator)
    noise = 0.3 * torch.randn(size, len(names), generator=generator)
    labels = (vectors[:, : len(names)] + noise > 0.3).tolist()
    named = [Noted({"traits": dict(zip(names, map(int, row)))}, label=species[k % len(species)])
             for k, row in enumerate(labels)]  # fmt: skip
    return noted_split(split, vectors, named)


@pytest.fixture(scope="module")
def world():
    return {"train": trait_images("train", 120, 1), "test": trait_images("test", 60, 2)}


def arrays(data):
    """Return vectors and traits of a split."""
    found = data.specimens
    rows = [list(one.metadata["traits"].values()) for one in found.named]
    return found.vectors["image"].numpy(), np.array(rows, bool)


def by_hand(world):
    """Return probabilities by scikit-learn, step by step."""
    (train, trait), (test, _) = (arrays(world[split]) for split in ("train", "test"))
    held = held_out(list(world["train"].specimens.ids), seed=0)
    mean = train.mean(axis=0)
    length = np.sqrt(((train - mean) ** 2).sum(axis=1).mean())
    train, test = (train - mean) / length, (test - mean) / length
    columns = []
    for one in trait.T:
        fitted = {
            C: LogisticRegression(C=C, tol=1e-4, max_iter=1000).fit(train[~held], one[~held])
            for C in (0.1, 1, 10, 100, 1000)
        }
        losses = {C: log_loss(one[held], model.predict_proba(train[held])[:, 1]) for C, model in fitted.items()}
        best = LogisticRegression(C=min(losses, key=losses.get), tol=1e-4, max_iter=1000).fit(train, one)
        columns.append(best.predict_proba(test)[:, 1])
    return np.stack(columns, axis=1)


def test_figures_are_those_of_scikit_learn(world):
    result = Traits(bootstrap=60).run_across(world, ("train", "test"), no_text)
    score, (_, trait) = by_hand(world), arrays(world["test"])
    said = score >= 0.5
    path, found = "traits/test/all", result.metrics
    assert found[f"{path}/macro_f1"] == pytest.approx(f1_score(trait, said, average="macro"), abs=1e-9)
    assert found[f"{path}/micro_f1"] == pytest.approx(f1_score(trait, said, average="micro"), abs=1e-9)
    assert found[f"{path}/mAP"] == pytest.approx(average_precision_score(trait, score, average="macro"), abs=1e-9)
    assert found[f"{path}/all_right"] == pytest.approx((said == trait).all(axis=1).mean())
    assert 0.5 < found[f"{path}/all_right"] < 1
    for metric, n in (("all_right", 60), ("macro_f1", 3), ("micro_f1", 60), ("mAP", 3)):
        key = f"{path}/{metric}"
        assert found[f"{key}/n"] == n
        assert found[f"{key}/low"] < found[key] < found[f"{key}/high"]
    assert found[f"{path}/mAP/chance"] == pytest.approx(trait.mean(), abs=0.05)
    answers, detail = result.answers[0], result.details[0]
    assert answers.value_N.mean() == found[answers.key]
    assert detail.names == NAMES
    np.testing.assert_allclose(detail.f1_L, f1_score(trait, said, average=None))
    np.testing.assert_allclose(detail.share_L, trait.mean(axis=0))


def test_validation_holds_out_species_where_the_judged_ones_are_new(monkeypatch):
    asked = []
    monkeypatch.setattr(traits, "held_out", lambda units, seed: asked.append(units) or held_out(units, seed=seed))
    train = trait_images("train", 40, 1, species=("a", "b", "c", "d", "e"))
    for species in (("f", "g"), ("a", "g")):
        data = {"train": train, "test": trait_images("test", 20, 2, species=species)}
        Traits(bootstrap=0).run_across(data, ("test",), no_text)
    assert set(asked[0]) == {"a", "b", "c", "d", "e"}
    assert asked[1] == list(train.specimens.ids)


def test_a_constant_trait_keeps_its_share_and_traits_nobody_has_do_not_count():
    vectors = np.eye(4, dtype=np.float32)
    label = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1], [1, 0, 0]], bool)
    probability = one_vs_rest(vectors, label, np.zeros(4, bool), vectors)
    assert probability[:, 0].tolist() == [1] * 4
    assert probability[:, 1].tolist() == [0] * 4
    assert 0 < probability[:, 2].min() < probability[:, 2].max() < 1
    data = {"train": trait_images("train", 40, 1),
            "test": noted_split("test", torch.eye(DIM)[:4], [Noted({"traits": {"black": k % 2, "furry": "1", "white": "0"}})
                                                            for k in range(4)])}  # fmt: skip
    metrics = Traits(bootstrap=5).run_across(data, ("test",), no_text).metrics
    assert [metrics[f"traits/test/all/{one}"] for one in ("macro_f1/n", "traits")] == [2, 3]


def test_resampled_figures_are_those_of_images_repeated():
    generator = np.random.default_rng(0)
    trait, score = generator.random((12, 3)) < 0.5, generator.random((12, 3))
    said = score > 0.4
    drawn = np.random.default_rng(4).multinomial(12, np.full(12, 1 / 12), size=5)
    macro, micro = resampled_f1(said, trait, seed=4, resamples=5)
    precision = resampled_precision(score, trait, seed=4, resamples=5)
    for place, weights in enumerate(drawn):
        rows = np.repeat(np.arange(12), weights)
        assert macro[place] == pytest.approx(f1_score(trait[rows], said[rows], average="macro", zero_division=0))
        assert micro[place] == pytest.approx(f1_score(trait[rows], said[rows], average="micro"))
        wanted = [average_precision_score(trait[:, k], score[:, k], sample_weight=weights) for k in range(3)]
        assert precision[place] == pytest.approx(np.mean(wanted))


def test_equal_scores_count_against_the_model():
    trait = np.array([[1], [0], [1], [0]], bool)
    same = np.ones((4, 1))
    assert precisions(same, trait)[0] == pytest.approx((1 / 3 + 2 / 4) / 2)
    drawn = np.random.default_rng(0).multinomial(4, np.full(4, 1 / 4), size=20)
    found = resampled_precision(same, trait, seed=0, resamples=20)
    for (first, one, second, other), value in zip(drawn.tolist(), found):
        # Both without the trait stand before both with it.
        hits = first * first / max(first + one + other, 1) + second * (first + second) / 4
        wanted = hits / (first + second) if first + second else np.nan
        assert value == pytest.approx(wanted, nan_ok=True)


def test_a_trait_that_no_redrawn_image_has_does_not_pull_the_interval_down():
    # Each of twelve traits is seen on one image of 24, and all are told right: every resample is perfect.
    trait = np.concatenate([np.eye(12, dtype=bool), np.zeros((12, 12), bool)])
    macro, _ = resampled_f1(trait, trait, seed=0, resamples=50)
    precision = resampled_precision(trait.astype(float), trait, seed=0, resamples=50)
    assert macro == pytest.approx(np.ones(50))
    assert precision == pytest.approx(np.ones(50))
    # As scikit-learn counts it is 0.
    assert resampled_f1(trait, trait, seed=0, resamples=50, absent=True)[0].max() < 1


def test_a_split_whose_images_have_no_trait_has_no_means_over_traits(world, caplog):
    named = [Noted({"traits": {"black": 0, "furry": 0, "white": 0}})] * 4
    data = {"train": world["train"], "test": noted_split("test", torch.eye(DIM)[:4], named)}
    found = Traits(bootstrap=5).run_across(data, ("test",), no_text).metrics
    assert found["traits/test/all/all_right/n"] == 4
    assert "traits/test/all/macro_f1" not in found
    assert "no image of split test has any trait" in caplog.text


def test_the_published_head_is_that_of_a_plain_loop(monkeypatch):
    monkeypatch.setattr(traits_heads, "EPOCHS", 23)
    generator = torch.Generator().manual_seed(0)
    vectors, asked = torch.randn(70, 6, generator=generator), torch.randn(5, 6, generator=generator)
    label = vectors[:, :2] > 0
    torch.manual_seed(9)
    first, second, dropout = torch.nn.Linear(6, 512), torch.nn.Linear(512, 2), torch.nn.Dropout(0.5)
    parameters = [*first.parameters(), *second.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    for epoch in range(23):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (0.5 if epoch >= 20 else 1)
        order = torch.randperm(70)
        for rows in (order[:64], order[64:]):
            probability = torch.sigmoid(second(dropout(first(vectors[rows])))).clamp(1e-7, 1 - 1e-7)
            loss = torch.nn.functional.binary_cross_entropy(probability, label[rows].float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    before = torch.random.get_rng_state()
    found = published_head(vectors, label, asked, lr=1e-2, seed=9)
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_allclose(found, second(first(asked)).detach().numpy(), atol=1e-3)


def test_published_figures_have_both_quirks(world, monkeypatch):
    monkeypatch.setattr(traits_heads, "EPOCHS", 6)
    settings = {"protocol": "bioclip_v2", "lr": 1e-2, "bootstrap": 30, "seed": 3}
    result = Traits(f1_columns=["black", "white"], **settings).run_across(world, ("test",), no_text)
    (train, label), (test, trait) = (arrays(world[split]) for split in ("train", "test"))
    tensors = (torch.from_numpy(train), torch.from_numpy(label), torch.from_numpy(test))
    logits = [published_head(*tensors, lr=1e-2, seed=seed) for seed in (3, 4, 5)]
    # scikit-learn selects columns by `labels`: here black and white are the first and the third of three.
    f1 = [f1_score(trait, one > 0.5, average="macro", labels=[0, 2]) for one in logits]
    right = [((one > 0.5) == trait).all(axis=1).mean() for one in logits]
    path, found = "traits_bioclip_v2/test/all", result.metrics
    assert found[f"{path}/macro_f1"] == pytest.approx(np.mean(f1))
    assert found[f"{path}/macro_f1_std"] == pytest.approx(np.std(f1))
    assert found[f"{path}/all_right"] == pytest.approx(np.mean(right))
    assert found[f"{path}/all_right_std"] == pytest.approx(np.std(right))
    assert found[f"{path}/macro_f1/low"] <= found[f"{path}/macro_f1"] <= found[f"{path}/macro_f1/high"]
    # The threshold on logits is no threshold on probabilities.
    assert any(((one > 0.5) != (one > 0)).any() for one in logits)
    first_two = Traits(**settings).run_across(world, ("test",), no_text).metrics
    wanted = np.mean([f1_score(trait, one > 0.5, average="macro", labels=[0, 1]) for one in logits])
    assert first_two[f"{path}/macro_f1"] == pytest.approx(wanted)


def test_images_with_unknown_traits_are_left_out_and_told(world):
    named = [Noted({"traits": {"black": 1, "furry": "true", "white": 0.0}}), Noted({"traits": {"black": 1}}), Noted()]
    data = {"train": world["train"], "test": noted_split("test", torch.eye(3, DIM), named)}
    metrics = Traits(bootstrap=0).run_across(data, ("test",), no_text).metrics
    assert [metrics[f"traits/test/all/{one}"] for one in ("all_right/n", "unlabelled")] == [1, 2]
    data["test"] = noted_split("test", torch.eye(1, DIM), named[1:2])
    with pytest.raises(ClipbioError, match=r"no image of split 'test' has all 3 traits as 0 or 1.* lacks furry"):
        Traits(bootstrap=0).run_across(data, ("test",), no_text)


def test_f1_of_nothing_is_nought():
    nothing = np.zeros((3, 1), bool)
    assert f1_scores(nothing, nothing).tolist() == [0]


@pytest.mark.parametrize(("settings", "line"), [({"lr": 0}, "above 0"), ({"protocol": "clibd"}, "no choice")])
def test_wrong_settings_are_one_line(settings, line):
    with pytest.raises(ClipbioError, match=line):
        Traits(**settings)


def test_an_unknown_column_is_one_line(world):
    with pytest.raises(ClipbioError, match="no trait 'blck'; did you mean 'black'"):
        Traits(protocol="bioclip_v2", f1_columns=["blck"]).run_across(world, ("test",), no_text)
