"""What images say for or against what is written: evidence for single statements.

Shape suffixes: N images, S states of one character.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbio.characters.describer import Describer, Scored, Verdict
from clipbio.characters.statements import Saying, Statement

__all__ = ["Evidence", "evidence"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What images say about one statement.

    Args:
        character: What it is about.
        state: What it says.
        verdict: `not visible` where images do not tell, or nothing is known about the character or the state.
        score: The mean over images of the logarithm of the odds of the state, less that without any image, in nats:
            positive speaks for it, negative against it; None where nothing is known.
        spread: The standard deviation of that over the images.
        probability: The mean probability of what is said.
        prior: How probable it is without any image.
        images: How many images took part.
        reason: Why nothing can be said, empty if something can.
    """

    character: str
    state: str
    verdict: Verdict
    score: float | None = None
    spread: float = 0.0
    probability: float | None = None
    prior: float | None = None
    images: int = 0
    reason: str = ""


def evidence(describer: Describer, sayings: Iterable[Saying], image_ND: NDArray[Any]) -> list[Evidence]:
    """Return the evidence of images for each of some traits, in their order.

    Args:
        describer: What is known of characters.
        sayings: Traits of a description, such as `clipbio.traits.extract` gives; a negated one is true where its state
            is not.
        image_ND: Unit vectors of the images of the species.
    """
    describer.check_dim(image_ND)
    return [_judged(describer, one, image_ND) for one in sayings]


def _judged(describer: Describer, saying: Saying, image_ND: NDArray[Any]) -> Evidence:
    statement = Statement.of(saying)
    scored = describer.by_name.get(statement.character)
    if scored is None:
        return _unknown(statement, "the describer does not know the character")
    state = scored.character.state_of(statement)
    if state not in scored.character.states:
        return _unknown(statement, f"the describer does not know the state '{state}' of it")
    if not len(image_ND):
        return _unknown(statement, "there are no images")
    return _weighed(describer, scored, state, bool(getattr(saying, "negated", False)), image_ND)


def _unknown(statement: Statement, reason: str) -> Evidence:
    return Evidence(statement.character, statement.state, "not visible", reason=reason)


def _weighed(describer: Describer, scored: Scored, state: str, negated: bool, image_ND: NDArray[Any]) -> Evidence:
    place = scored.character.states.index(state)
    gain_N = scored.evidence(image_ND)[:, place]
    share_N, prior = np.exp(scored.log_probabilities(image_ND))[:, place], float(scored.prior_S[place])
    if negated:
        gain_N, share_N, prior = -gain_N, 1 - share_N, 1 - prior
    score = float(gain_N.mean())
    return Evidence(
        scored.character.name,
        state,
        describer.thresholds.verdict(score) if scored.visible else "not visible",
        score=score,
        spread=float(gain_N.std()),
        probability=float(share_N.mean()),
        prior=prior,
        images=len(image_ND),
        reason="" if scored.visible else "images do not tell the character",
    )
