"""Characters that a picture shows, and verdicts about what is written, as the page tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipbio.serving.characters import Judged
from clipbio.serving.descriptions import StatedTrait
from clipbio.traits import captions

if TYPE_CHECKING:
    from clipbio.characters.describer import Prediction

__all__ = ["PredictionView", "VerdictView", "prediction_views", "verdict_views"]


@dataclass(frozen=True)
class PredictionView:
    """A character of a picture: its state and how sure that is; `words` search for it, `condition` filters by it.

    `condition` is empty where no description of the index tells that state.
    """

    character: str
    state: str
    confidence: float
    others: str
    answered: bool
    words: str
    condition: str


@dataclass(frozen=True)
class VerdictView:
    """What sheets say about a statement, and how that was found."""

    verdict: str
    told: str


def prediction_views(predictions: Iterable[Prediction], knows: Callable[[str, str], bool]) -> list[PredictionView]:
    """Return predictions for the page; `knows` tells whether the index has a state of a character."""
    return [
        PredictionView(
            one.character,
            one.state,
            min(one.confidence, 0.99),
            ", ".join(f"{state} {share:.0%}" for state, share in one.alternatives[:3]),
            one.answered,
            captions(one.character, one.state)[0],
            f"{one.character}={one.state}" if knows(one.character, one.state) else "",
        )
        for one in predictions
    ]


def verdict_views(judged: Judged) -> dict[tuple[str, str, str], VerdictView]:
    """Return verdicts by the key of what is stated."""
    views = {}
    for trait, found in judged.evidence:
        if found.score is None or found.probability is None or found.prior is None:
            told = found.reason
        else:
            told = f"{found.probability:.0%} on {judged.sheets} sheets, {found.prior:.0%} without looking"
        views[StatedTrait.of(trait).key] = VerdictView(found.verdict, told)
    return views
