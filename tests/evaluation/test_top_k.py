"""Streaming over classes against the whole matrix sorted at once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clipbio.errors import ClipbioError
from clipbio.evaluation import top_k as module
from clipbio.evaluation.metrics import SCORE_TOLERANCE, target_ranks
from clipbio.evaluation.top_k import top_k


def whole_matrix(images_ND, prototypes_CD, k):
    scores_NC = images_ND @ prototypes_CD.T
    score, order = scores_NC.sort(dim=1, descending=True, stable=True)
    return scores_NC, order[:, :k], score[:, :k]


@st.composite
def problems(draw):
    """Small whole numbers: products are exact in any order, and ties are everywhere; some scores are not numbers."""
    images, classes, size = draw(st.integers(1, 7)), draw(st.integers(1, 40)), draw(st.integers(1, 3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    images_ND = torch.randint(-2, 3, (images, size), generator=generator).float()
    prototypes_CD = torch.randint(-2, 3, (classes, size), generator=generator).float()
    if draw(st.booleans()):
        prototypes_CD[torch.rand(classes, generator=generator) < 0.2] = torch.nan
    if draw(st.booleans()):
        images_ND[torch.rand(images, generator=generator) < 0.2] = torch.nan
    target_N = torch.randint(0, classes, (images,), generator=generator)
    return (
        images_ND,
        prototypes_CD,
        target_N,
        draw(st.integers(1, 50)),
        draw(st.integers(1, 9)),
        draw(st.integers(1, 60)),
    )


@settings(max_examples=200, deadline=None)
@given(problems())
def test_tiles_answer_as_the_whole_matrix(problem):
    images_ND, prototypes_CD, target_N, k, classes_at_once, scores_at_once = problem
    scores_NC, top_NK, top_score_NK = whole_matrix(images_ND, prototypes_CD, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CLASSES_AT_ONCE", classes_at_once)
        patch.setattr(module, "_SCORES_AT_ONCE", scores_at_once)
        found = top_k(images_ND, prototypes_CD, k, target_N=target_N, scale=1.5)
    assert found.num_classes == len(prototypes_CD)
    torch.testing.assert_close(found.top_NK, top_NK)
    torch.testing.assert_close(found.top_score_NK, top_score_NK, equal_nan=True)
    torch.testing.assert_close(found.rank_N, target_ranks(scores_NC, target_N, tolerance=SCORE_TOLERANCE))
    torch.testing.assert_close(found.target_score_N, scores_NC.gather(1, target_N[:, None])[:, 0], equal_nan=True)
    expected = torch.logsumexp(1.5 * scores_NC.double(), dim=1)
    torch.testing.assert_close(found.log_sum_exp_N, expected, equal_nan=True)


def test_tensors_arrays_files_and_chunks_give_the_same_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_CLASSES_AT_ONCE", 13)
    generator = torch.Generator().manual_seed(0)
    images_ND = torch.nn.functional.normalize(torch.randn(20, 16, generator=generator), dim=1)
    prototypes_CD = torch.nn.functional.normalize(torch.randn(100, 16, generator=generator), dim=1).half()
    target_N = torch.arange(20) * 5
    np.save(tmp_path / "taxa.npy", prototypes_CD.numpy())
    forms = {
        "float32": prototypes_CD.float(),
        "array": prototypes_CD.numpy(),
        "file": np.load(tmp_path / "taxa.npy", mmap_mode="r"),
        "chunks": list(prototypes_CD.split([1, 30, 69])),
        "arrays": [prototypes_CD[:50].numpy(), prototypes_CD[50:].numpy()],
    }
    whole = top_k(images_ND, prototypes_CD, 4, target_N=target_N, scale=10.0)
    for form in forms.values():
        found = top_k(images_ND, form, 4, target_N=target_N, scale=10.0)
        torch.testing.assert_close(found.top_NK, whole.top_NK)
        torch.testing.assert_close(found.rank_N, whole.rank_N)
        torch.testing.assert_close(found.log_sum_exp_N, whole.log_sum_exp_N)
    # Without targets one reading is enough.
    torch.testing.assert_close(top_k(images_ND, iter(prototypes_CD.split(7)), 4).top_NK, whole.top_NK)


def test_probabilities_of_all_classes_sum_to_one():
    generator = torch.Generator().manual_seed(0)
    images_ND, prototypes_CD = (torch.randn(n, 8, generator=generator) for n in (5, 300))
    found = top_k(images_ND, prototypes_CD, 300, scale=20.0)
    total_N = (20 * found.top_score_NK.double() - found.log_sum_exp_N[:, None]).exp().sum(dim=1)
    torch.testing.assert_close(total_N, torch.ones(5, dtype=torch.float64), rtol=1e-5, atol=0)


def test_a_target_outside_the_classes_is_behind_all_of_them():
    found = top_k(torch.eye(3), torch.eye(3), 1, target_N=torch.tensor([0, -1, 2]))
    assert found.rank_N.tolist() == [0, 3, 0]
    assert found.target_score_N[1].isnan()


def test_wrong_input_is_told():
    images_ND = torch.eye(3)
    with pytest.raises(ClipbioError, match="k=0"):
        top_k(images_ND, torch.eye(3), 0)
    with pytest.raises(ClipbioError, match="no classes"):
        top_k(images_ND, torch.zeros(0, 3), 1)
    with pytest.raises(ClipbioError, match=r"\(4, 4\) do not match images of 3"):
        top_k(images_ND, torch.eye(4), 1)
    with pytest.raises(ClipbioError, match="targets are 0 to 3, classes 3"):
        top_k(images_ND, torch.eye(3), 1, target_N=torch.tensor([0, 3, 1]))
    with pytest.raises(ClipbioError, match="not a generator"):
        top_k(images_ND, iter([torch.eye(3)]), 1, target_N=torch.zeros(3, dtype=torch.long))
