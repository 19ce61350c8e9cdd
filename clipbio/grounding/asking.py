"""Phrases about the parts of one specimen, asked of every method, and how its maps meet the masks.

Shape suffixes: H and W pixels of a picture, T texts, Y and X cells of a map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from clipbio.data.specimen import Specimen
from clipbio.evaluation.grounding_detail import GroundingRow
from clipbio.evaluation.grounding_scores import centre_map, measured
from clipbio.grounding.grounder import Grounder
from clipbio.grounding.heat import stretched
from clipbio.grounding.queries import Phrase, phrases_of, plain_phrase, states_of
from clipbio.seeding import rng

__all__ = ["TEXT_FREE", "Asked", "Part", "Question", "Sheet"]

Map = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
Scores = Mapping[str, torch.Tensor]
"""What texts score on a map, by text (Y, X)."""

TEXT_FREE = ("centre", "layout", "saliency")

_LAYOUT_SIDE = 64


@dataclass(frozen=True)
class Part:
    """What a mask shows, and what is said about it; `plain` is its name alone."""

    mask_HW: Mask
    phrases: tuple[Phrase, ...]
    plain: str


@dataclass(frozen=True)
class Sheet:
    """A specimen with its parts by label, and all characters and states that are true of it."""

    row: int
    id: str
    parts: Mapping[str, Part]
    true: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, row: int, specimen: Specimen, masks: Mapping[str, Mask], *, most: int) -> Sheet:
        """Return a specimen with those parts that there are phrases about."""
        found = {label: phrases_of(specimen, label, most=most) for label in masks}
        parts = {
            label: Part(masks[label], phrases, plain_phrase(specimen, label))
            for label, phrases in found.items()
            if phrases
        }
        return cls(row, specimen.id, parts, states_of(specimen))


@dataclass
class Asked:
    """What came of one specimen: figures by method, part and measure, and maps of the first phrase about each part."""

    sheet: Sheet
    picture: Image.Image
    values: dict[tuple[str, str, str], float] = field(default_factory=dict)
    maps: dict[tuple[str, str], Map] = field(default_factory=dict)

    def rows(self) -> tuple[GroundingRow, ...]:
        """Return what the report shows of it."""
        return tuple(
            GroundingRow(
                label,
                part.phrases[0].text,
                part.mask_HW,
                {method: one for (method, of), one in self.maps.items() if of == label and method != "centre"},
            )
            for label, part in self.sheet.parts.items()
        )

    def note(self, method: str, label: str, maps: Sequence[Map], prefix: str = "") -> None:
        """Take the mean figures of some maps of a part."""
        mask_HW = self.sheet.parts[label].mask_HW
        found = [measured(one, mask_HW) for one in maps]
        for measure in found[0] if found else ():
            self.values[method, label, prefix + measure] = float(np.mean([one[measure] for one in found]))


class Question:
    """Ask about specimens.

    Args:
        sheets: All of them: other values of a character, and where parts usually lie, come from the others.
        grounders: Methods by name.
        distractors: What is asked beside a phrase and the names of the other parts.
        seed: Of the other values.
    """

    def __init__(
        self, sheets: Sequence[Sheet], grounders: Mapping[str, Grounder], *, distractors: Sequence[str], seed: int
    ) -> None:
        self.grounders, self.distractors, self.seed = grounders, tuple(distractors), seed
        self.states: dict[str, dict[str, str]] = {}
        self.layouts: dict[str, list[Map]] = {}
        for sheet in sheets:
            for label, part in sheet.parts.items():
                self.layouts.setdefault(label, []).append(_small(part.mask_HW))
                for phrase in part.phrases:
                    self.states.setdefault(phrase.character, {})[phrase.state] = phrase.text
        self._layout_sums = {label: np.sum(one, axis=0) for label, one in self.layouts.items()}

    def ask(self, sheet: Sheet, picture: Image.Image) -> Asked:
        """Look for all that is said about a specimen, by all methods."""
        asked = Asked(sheet, picture)
        wrong = self._wrong_values(sheet)
        texts = self._texts(sheet, wrong)
        untold = {*wrong.values()} - {one.text for part in sheet.parts.values() for one in part.phrases}
        # All of them read with the same tower.
        vectors_TD = next(iter(self.grounders.values())).encode(texts)
        for name, grounder in self.grounders.items():
            # A wrong value is compared with the right one, and has no map.
            against = grounder.against([text for text in texts if text not in untold])
            scores_TYX = grounder.scores(picture, torch.cat([vectors_TD, *(one_D[None] for one_D in against.values())]))
            scores = dict(zip(texts, scores_TYX, strict=False))
            others = dict(zip(against, scores_TYX[len(texts) :], strict=True))
            if name in TEXT_FREE:
                for label in sheet.parts:
                    self._note_one(asked, name, label, grounder.maps(scores_TYX[:1], 1)[0])
            else:
                self._judge(asked, name, grounder, scores, others, wrong)
        for label, part in sheet.parts.items():
            self._note_one(asked, "centre", label, centre_map(part.mask_HW.shape))
            if len(self.layouts[label]) > 1:
                others = self._layout_sums[label] - _small(part.mask_HW)
                self._note_one(asked, "layout", label, stretched(others))
        return asked

    def _judge(
        self,
        asked: Asked,
        name: str,
        grounder: Grounder,
        scores: Scores,
        others: Scores,
        wrong: Mapping[Phrase, str],
    ) -> None:
        parts = asked.sheet.parts
        maps = {
            phrase: self._map(asked, label, grounder, scores, others, phrase.text)
            for label, part in parts.items()
            for phrase in part.phrases
        }
        for label, part in parts.items():
            own = [maps[phrase] for phrase in part.phrases]
            asked.maps[name, label] = own[0]
            asked.note(name, label, own)
            asked.note(name, label, [self._map(asked, label, grounder, scores, others, part.plain)], "plain/")
            elsewhere = [maps[one] for other, its in parts.items() if other != label for one in its.phrases]
            asked.note(name, label, elsewhere, "wrong_part/")
            told = [_hotter(scores, one.text, wrong[one], part.mask_HW) for one in part.phrases if one in wrong]
            if told:
                asked.values[name, label, "told_from_wrong_value"] = float(np.mean(told))

    def _map(self, asked: Asked, label: str, grounder: Grounder, scores: Scores, others: Scores, text: str) -> Map:
        """Return the map of a text beside its other states, else the names of the other parts and the distractors."""
        parts = asked.sheet.parts
        if text in others:
            rows = torch.stack([scores[text], others[text]])
        else:
            beside = [*(part.plain for other, part in parts.items() if other != label), *self.distractors]
            rows = torch.stack([scores[one] for one in (text, *(one for one in beside if one != text))])
        return stretched(_resized(grounder.maps(rows, 1)[0], parts[label].mask_HW.shape))

    def _note_one(self, asked: Asked, name: str, label: str, map_YX: Map) -> None:
        whole = stretched(_resized(map_YX, asked.sheet.parts[label].mask_HW.shape))
        asked.maps[name, label] = whole
        asked.note(name, label, [whole])

    def _texts(self, sheet: Sheet, wrong: Mapping[Phrase, str]) -> list[str]:
        own = [text for part in sheet.parts.values() for text in (part.plain, *(one.text for one in part.phrases))]
        return list(dict.fromkeys([*own, *wrong.values(), *self.distractors]))

    def _wrong_values(self, sheet: Sheet) -> dict[Phrase, str]:
        """Return for each phrase the same with the value of another species, where there is one."""
        random = rng(self.seed, "grounding", "wrong value", sheet.id)
        found = {}
        for phrase in (one for part in sheet.parts.values() for one in part.phrases):
            known = self.states[phrase.character]
            # What is true of the specimen in other words is no wrong value.
            true = {one.state for part in sheet.parts.values() for one in part.phrases}
            others = sorted(
                text
                for state, text in known.items()
                if state not in true and (phrase.character, state) not in sheet.true
            )
            if others:
                found[phrase] = others[int(random.integers(len(others)))]
        return found


def _hotter(scores: Scores, text: str, other: str, mask_HW: Mask) -> float:
    """Return whether a text scores above another one inside of a mask; a tie is a half."""
    own, wrong = (float(_resized(scores[one].numpy(), mask_HW.shape)[mask_HW].mean()) for one in (text, other))
    return 0.5 if own == wrong else float(own > wrong)


def _resized(map_YX: Map, shape: tuple[int, ...]) -> Map:
    if map_YX.shape == shape:
        return map_YX
    image = Image.fromarray(np.asarray(map_YX, np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def _small(mask_HW: Mask) -> Map:
    """Return a mask as shares of the cells of a small square, the same for pictures of any size."""
    image = Image.fromarray(mask_HW.astype(np.float32))
    return np.asarray(image.resize((_LAYOUT_SIDE, _LAYOUT_SIDE), Image.Resampling.BOX))
