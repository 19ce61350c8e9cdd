"""IoU of organs: sums over specimens, intervals, chance, and what the layout alone gives."""

import numpy as np
import pytest

from clipbio.evaluation.figures import flatten
from clipbio.organs.measures import OrganScores


def mask(*cells: int) -> np.ndarray:
    mask_HW = np.zeros(10, bool)
    mask_HW[list(cells)] = True
    return mask_HW.reshape(2, 5)


def metrics(scores: OrganScores) -> dict[str, float]:
    return flatten(scores.figures("organs", "unseen"))


def test_intersections_and_unions_are_summed_over_specimens() -> None:
    scores = OrganScores(["leaf", "root"], resamples=200)
    for truth, found in (((0, 1, 2, 3), (0, 1, 2, 3)), ((5,), (6,)), ((), (9,))):
        scores.add(
            {"leaf": mask(*truth), "root": mask()},
            {"leaf": mask(*found), "root": mask()},
            {"leaf": mask(0), "root": mask()},
        )
    numbers = metrics(scores)
    assert numbers["organs/unseen/leaf/iou"] == pytest.approx(4 / 7)
    assert numbers["organs/unseen/leaf/iou/chance"] == pytest.approx(5 / 30)
    assert numbers["organs/unseen/leaf/iou/n"] == 3
    assert numbers["organs/unseen/leaf/iou/low"] < 4 / 7 < numbers["organs/unseen/leaf/iou/high"]
    assert numbers["organs/unseen/leaf/prior_iou"] == pytest.approx(1 / 7)
    # No specimen shows a root: it has no figure and is not in the mean.
    assert {key.split("/")[2] for key in numbers} == {"leaf", "mean"}
    assert numbers["organs/unseen/mean/iou"] == pytest.approx(4 / 7)


def test_a_perfect_answer_is_one_and_nothing_is_zero() -> None:
    for found, expected in (((0, 1), 1.0), ((), 0.0)):
        scores = OrganScores(["leaf"], resamples=0)
        scores.add({"leaf": mask(0, 1)}, {"leaf": mask(*found)}, {"leaf": mask()})
        numbers = metrics(scores)
        assert numbers["organs/unseen/leaf/iou"] == expected
        assert "organs/unseen/leaf/iou/low" not in numbers


def test_nothing_measured_gives_nothing() -> None:
    assert metrics(OrganScores(["leaf"])) == {}
