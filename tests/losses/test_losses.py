import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from dense import dense_head, random_labels, random_presence, random_vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.loss import SigLipLoss

from clipbio.errors import ClipbioError
from clipbio.losses import TARGETS, ContrastiveHead, infonce_head, open_clip_head, sigmoid_head, tiles
from clipbio.losses.labels import LabelTable
from clipbio.losses.targets import classes, relation
from clipbio.taxonomy import Taxon

PAIRS = {"image-text": 1.0, "image-dna": 0.5, "dna-text": 2.0}
MODALITIES = ("image", "text", "dna")
HEADS = [
    *((infonce_head, {"targets": targets, "pairs": PAIRS}) for targets in TARGETS),
    *((sigmoid_head, {"targets": targets, "pairs": PAIRS, "bias": -2.0}) for targets in TARGETS),
    (infonce_head, {"targets": "taxon", "pairs": PAIRS, "label_smoothing": 0.3}),
    (infonce_head, {"targets": "text", "pairs": PAIRS, "label_smoothing": 0.3}),
]
everyone = pytest.mark.parametrize(("build", "options"), HEADS, ids=lambda part: getattr(part, "__name__", str(part)))


def gradients(head: ContrastiveHead, vectors: dict[str, torch.Tensor], loss: torch.Tensor) -> dict[str, torch.Tensor]:
    named = vectors | dict(head.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {
        name: torch.zeros_like(vector) if g is None else g
        for (name, vector), g in zip(named.items(), found, strict=True)
    }


def compare(
    build, options, *, size: int, seed: int, dtype: torch.dtype = torch.float32, tolerance: float = 1e-6
) -> None:
    """Value and gradients of the tiled form against the form with full matrices in float64.

    The tolerance is relative to the largest gradient that a row can have: all of its weight on one wrong key.
    """
    exact = dtype == torch.float64
    head, reference = build(**options).to(torch.float64 if exact else torch.float32), build(**options).double()
    labels, present = random_labels(size, seed), random_presence(size, seed + 1, MODALITIES)
    plain = {name: value.to(dtype) for name, value in random_vectors(size, seed + 2, MODALITIES).items()}
    vectors = {name: value.clone().requires_grad_() for name, value in plain.items()}
    wide = {name: value.double().requires_grad_() for name, value in plain.items()}
    output, expected = head(vectors, present, labels), dense_head(reference, wide, present, labels)
    ours, theirs = gradients(head, vectors, output.loss), gradients(reference, wide, expected)
    largest = float(reference.logit_scale.detach().exp() * sum(reference.pairs.values()))
    assert output.loss.item() == pytest.approx(expected.item(), rel=tolerance * 10, abs=tolerance * 10)
    for name, gradient in theirs.items():
        error = float((ours[name].double() - gradient).abs().max())
        assert error <= tolerance * max(largest, float(gradient.abs().max())), (name, error)


@everyone
@settings(max_examples=8, deadline=None)
@given(size=st.integers(1, 20), seed=st.integers(0, 10**6))
def test_the_tiled_loss_equals_the_dense_form(build, options, size: int, seed: int) -> None:
    compare(build, options, size=size, seed=seed)


@everyone
def test_in_float64_nothing_but_its_rounding_is_between_them(build, options) -> None:
    compare(build, options, size=23, seed=6, dtype=torch.float64, tolerance=1e-8)


@everyone
@pytest.mark.parametrize("elements", [1, 30, 64])
def test_any_tile_gives_the_same(build, options, elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "TILE_ELEMENTS", elements)
    compare(build, options, size=23, seed=4)


@everyone
def test_vectors_in_bfloat16_lose_only_the_rounding_of_their_own_gradient(build, options) -> None:
    compare(build, options, size=23, seed=5, dtype=torch.bfloat16, tolerance=2**-10)


@everyone
def test_autocast_does_not_reach_the_logits(build, options) -> None:
    head = build(**options)
    vectors = {name: value.requires_grad_() for name, value in random_vectors(12, 0, MODALITIES).items()}
    arguments = random_presence(12, 1, MODALITIES), random_labels(12, 2)
    plain = head(vectors, *arguments).loss
    with torch.autocast("cpu", torch.bfloat16):
        mixed = head(vectors, *arguments).loss
    assert torch.equal(plain, mixed)
    for one, other in zip(*(gradients(head, vectors, loss).values() for loss in (plain, mixed)), strict=True):
        assert torch.equal(one, other)


def full(size: int) -> dict[str, torch.Tensor]:
    return dict.fromkeys(("image", "text"), torch.ones(size, dtype=torch.bool))


@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_instance_targets_equal_open_clip_in_value_and_gradient(scale: float) -> None:
    results = []
    for build in (infonce_head, open_clip_head):
        head = build(temperature=1 / scale, **({"targets": "instance"} if build is infonce_head else {}))
        vectors = {name: value.requires_grad_() for name, value in random_vectors(9, 3, ("image", "text")).items()}
        loss = head(vectors, full(9), random_labels(9, 0)).loss
        results.append((loss, gradients(head, vectors, loss)))
    torch.testing.assert_close(results[0][0], results[1][0])
    for name, gradient in results[1][1].items():
        assert (results[0][1][name] - gradient).abs().max() <= 1e-5 * gradient.abs().max()


def test_the_sigmoid_loss_equals_siglip_of_open_clip() -> None:
    head = sigmoid_head(targets="instance")
    vectors = {name: value.requires_grad_() for name, value in random_vectors(9, 3, ("image", "text")).items()}
    loss = head(vectors, full(9), random_labels(9, 0)).loss
    theirs = SigLipLoss()(vectors["image"], vectors["text"], head.logit_scale.exp(), head.logit_bias)
    torch.testing.assert_close(loss, theirs)
    ours, expected = gradients(head, vectors, loss), gradients(head, vectors, theirs)
    for name, gradient in expected.items():
        torch.testing.assert_close(ours[name], gradient)


def test_missing_rows_get_no_gradient_and_an_empty_batch_is_zero() -> None:
    head = infonce_head()
    vectors = {name: value.requires_grad_() for name, value in random_vectors(6, 0, ("image", "text")).items()}
    present = full(6) | {"image": torch.tensor([True, True, False, True, True, True])}
    gradient = gradients(head, vectors, head(vectors, present, random_labels(6, 0)).loss)["image"]
    assert (gradient.abs().sum(dim=1) > 0).tolist() == present["image"].tolist()
    nothing = dict.fromkeys(("image", "text"), torch.zeros(6, dtype=torch.bool))
    output = head(vectors, nothing, random_labels(6, 0))
    assert output.loss.item() == 0.0
    assert all(torch.isfinite(value).all() for value in gradients(head, vectors, output.loss).values())


def test_an_image_without_text_learns_from_the_text_of_its_species() -> None:
    """What `instance` targets cannot do: a query whose own key is absent still has the keys of its kind."""
    vectors = {name: value.requires_grad_() for name, value in random_vectors(3, 0, ("image", "text")).items()}
    present = full(3) | {"text": torch.tensor([False, True, True])}
    labels = random_labels(3, 0) | {"taxon_BR": torch.tensor([[1, 5], [1, 5], [1, 6]]), "bin_B": torch.full((3,), -1)}
    for targets, moved in (("instance", False), ("taxon", True)):
        head = infonce_head(targets=targets)
        output = head(vectors, present, labels)
        assert output.row_loss_b is not None
        assert bool(torch.isfinite(output.row_loss_b[0])) == moved


def test_the_loss_of_each_row_makes_up_the_loss() -> None:
    head = infonce_head(targets="instance")
    vectors = random_vectors(7, 0, ("image", "text"))
    row_loss_b = head(vectors, full(7), random_labels(7, 0)).row_loss_b
    logits = head.logit_scale.exp() * vectors["image"] @ vectors["text"].T
    torch.testing.assert_close(row_loss_b, torch.nn.functional.cross_entropy(logits, torch.arange(7), reduction="none"))


# A family F with genera G and H, species g1, g2 in G and h1 in H; a record of F alone, one of G alone, one of nothing.
TREE = {
    "g1": [1, 2, 4],
    "g1 too": [1, 2, 4],
    "g2": [1, 2, 5],
    "h1": [1, 3, 6],
    "G": [1, 2, -1],
    "F": [1, -1, -1],
    "other": [9, 8, 7],
    "nothing": [-1, -1, -1],
}


def weights(
    targets: str, bins: Sequence[int] = (0, -1, 0, -1, -1, -1, -1, -1), second: str = "text"
) -> tuple[torch.Tensor, torch.Tensor | None]:
    size = len(TREE)
    labels = {
        "taxon_BR": torch.tensor(list(TREE.values())),
        "bin_B": torch.tensor(bins),
        "text_B": 100 + torch.arange(size),
    }
    present = {name: torch.ones(size, dtype=torch.bool) for name in ("image", "text", "dna")}
    table = LabelTable.gather(labels, present)
    found = relation(table, table.pair("image", second), targets, rank_decay=0.1)(slice(0, size))
    return found.positive_cM, found.ignored_cM


def test_rank_targets_are_graded_and_no_record_is_a_negative_of_its_own_lineage() -> None:
    positive, ignored = weights("rank")
    names = list(TREE)
    row = dict(zip(names, positive[0].tolist(), strict=True))
    assert row == pytest.approx({"g1": 1, "g1 too": 1, "g2": 0.1, "h1": 0.01, "G": 0, "F": 0, "other": 0, "nothing": 0})
    assert ignored is not None
    doubtful = {name: {names[i] for i in ignored[place].nonzero()[:, 0].tolist()} for place, name in enumerate(names)}
    assert doubtful["g1"] == {"G", "F"}
    assert doubtful["G"] == {"g1", "g1 too", "g2", "F"}
    assert doubtful["F"] == {"g1", "g1 too", "g2", "h1", "G"}
    assert doubtful["other"] == doubtful["nothing"] == set()
    assert torch.equal(positive.diagonal(), torch.ones(len(names)))
    # The record of genus G is a certain relative of H's species: they share the family, and differ below.
    assert positive[names.index("G"), names.index("h1")] == pytest.approx(0.01)


def test_bins_decide_what_the_lineage_leaves_open() -> None:
    names = list(TREE)
    bins = dict(zip(names, (0, 0, 0, -1, 0, 1, 2, 0), strict=True))
    apart, ignored = weights("rank", list(bins.values()), "dna")
    assert ignored is not None
    g1, g2, genus, family, nothing = (names.index(name) for name in ("g1", "g2", "G", "F", "nothing"))
    assert apart[g1, genus] == 1  # one BIN, and nothing speaks against one species
    assert apart[g1, g2] == pytest.approx(0.1)  # one BIN, two known species
    assert apart[g1, nothing] == 1
    assert apart[g1, family] == pytest.approx(0.01)  # two BINs tell two specimens apart
    assert not ignored[g1, family]
    assert ignored[names.index("h1"), family]
    with_text = weights("rank", list(bins.values()))
    assert with_text[0][g1, genus] == 1
    assert with_text[1] is not None
    assert with_text[1][g1, family]  # a picture may well show what the family's name says


def test_taxon_targets_join_the_same_deepest_taxon_and_the_same_bin() -> None:
    positive, ignored = weights("taxon")
    assert ignored is None
    assert {tuple(pair) for pair in positive.nonzero().tolist() if pair[0] < pair[1]} == {(0, 1), (0, 2)}


def test_classes_by_instance_text_and_deepest_known_taxon() -> None:
    taxon_BR = torch.tensor([[5, 7], [5, 7], [5, -1], [5, -1], [6, 8], [-1, -1], [-1, -1]])
    labels = {"taxon_BR": taxon_BR, "text_B": torch.tensor([1, 2, 3, 4, 5, 9, 9]), "bin_B": torch.full((7,), -1)}
    table = LabelTable.gather(labels, full(7))
    assert classes(table, "taxon").tolist() == [1, 1, 0, 0, 2, 3, 3]
    assert classes(table, "text").tolist() == [0, 1, 2, 3, 4, 5, 5]
    assert classes(table, "instance").tolist() == list(range(7))
    assert classes(table, "rank") is None


def test_the_temperature_is_clamped_and_taken_over() -> None:
    head = infonce_head(max_scale=50.0)
    head.start_from(math.log(20.0))
    assert head.logit_scale.exp().item() == pytest.approx(20.0)
    head.start_from(math.log(80.0))
    assert head.logit_scale.exp().item() == pytest.approx(50.0)
    given = infonce_head(temperature=0.05)
    given.start_from(math.log(3.0))
    assert given.logit_scale.exp().item() == pytest.approx(20.0)
    assert head.logit_scale.shape == (1,)


def test_a_temperature_of_the_config_wins_over_loaded_weights() -> None:
    given, free = infonce_head(temperature=0.14, learn_temperature=False), infonce_head(max_scale=20.0)
    for head in (given, free):
        head.load_state_dict({"logit_scale": torch.full((1,), math.log(100.0))})
        head.settle()
    assert given.logit_scale.exp().item() == pytest.approx(1 / 0.14)
    assert free.logit_scale.exp().item() == pytest.approx(20.0)


def test_a_published_siglip_keeps_its_scale() -> None:
    head = sigmoid_head()
    head.start_from(math.log(117.33), -12.93)
    head.clamp()
    assert head.logit_scale.exp().item() == pytest.approx(117.33)


def test_a_sigmoid_head_takes_over_only_what_was_trained_with_a_bias() -> None:
    head = sigmoid_head()
    head.start_from(math.log(50.0), None)
    assert head.logit_scale.exp().item() == pytest.approx(10.0)
    assert head.logit_bias.item() == -10.0
    head.start_from(math.log(50.0), -12.0)
    assert head.logit_scale.exp().item() == pytest.approx(50.0)
    assert head.logit_bias.item() == -12.0


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (infonce_head, {"targets": "taxa"}, "did you mean 'taxon'"),
        (sigmoid_head, {"targets": "taxa"}, "did you mean 'taxon'"),
        (infonce_head, {"temperature": 0.0}, "loss.temperature=0.0"),
        (infonce_head, {"temperature": 0.005}, r"between 1 / loss.max_scale \(0.01\) and 1"),
        (infonce_head, {"temperature": 5.0}, "loss.temperature=5.0"),
        (infonce_head, {"pairs": {"image": 1}}, "'image' must name two"),
        (infonce_head, {"pairs": {"dna-dna": 1}}, "pairs dna with itself: .* trained by loss=masked_tokens"),
        (infonce_head, {"pairs": {"image-text": 1, "text-image": 1}}, "once more"),
        (infonce_head, {"pairs": {"image-text": -1}}, "must not be negative"),
        (infonce_head, {"pairs": {"image-text": 0}}, "no pair with a weight above 0"),
        (infonce_head, {"max_scale": 0.5}, "loss.max_scale"),
        (infonce_head, {"label_smoothing": 1.0}, "label_smoothing"),
        (infonce_head, {"label_smoothing": 0.1, "targets": "rank"}, "label_smoothing"),
        (infonce_head, {"rank_decay": 1.0}, "rank_decay"),
        (open_clip_head, {"gather_with_grad": False}, "wrong gradient"),
    ],
)
def test_bad_settings_are_told(build, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        build(**arguments)


def test_a_modality_that_is_not_there_is_named() -> None:
    head = infonce_head(pairs={"image-dna": 1.0})
    with pytest.raises(ClipbioError, match="needs 'dna', but the batch has image, text"):
        head(random_vectors(4, 0, ("image", "text")), full(4), random_labels(4, 0))


def test_the_plain_loss_refuses_missing_modalities() -> None:
    present = full(6) | {"text": torch.tensor([True] * 5 + [False])}
    with pytest.raises(ClipbioError, match="missing modality"):
        open_clip_head()(random_vectors(6, 0, ("image", "text")), present, random_labels(6, 0))


def test_a_rank_that_one_record_leaves_out_parts_no_species() -> None:
    whole = Taxon("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "major")
    records = [whole, replace(whole, order=""), replace(whole, order="", species=""), replace(whole, species="minor")]
    labels = {
        "taxon_BR": torch.tensor([taxon.rank_keys for taxon in records]),
        "bin_B": torch.full((4,), -1),
        "text_B": torch.arange(4),
    }
    table = LabelTable.gather(labels, full(4))
    assert classes(table, "taxon").tolist()[0] == classes(table, "taxon").tolist()[1]
    found = relation(table, table.pair("image", "text"), "rank", rank_decay=0.1)(slice(0, 4))
    assert found.positive_cM[0].tolist() == pytest.approx([1, 1, 0, 0.1])
    assert found.ignored_cM is not None
    assert found.ignored_cM[2].tolist() == [True, True, False, True]
