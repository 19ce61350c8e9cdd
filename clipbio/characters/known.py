"""Images of which the states of characters are known, and species of which they are.

Shape suffixes: N images, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clipbio.characters.describer import Written
from clipbio.characters.statements import Columns, Statement, described, recorded
from clipbio.characters.table import CharacterTable, Told
from clipbio.errors import ClipbioError, nearest
from clipbio.evaluation.embeddings import Candidates, SplitData, class_key
from clipbio.text import Named

__all__ = ["Known", "known_images", "known_species", "written_of"]


@dataclass(frozen=True)
class Known:
    """Images with unit vectors, the number of their species, and the states that are told of each.

    `names` are those of the species.
    """

    ids: tuple[str, ...]
    image_ND: NDArray[np.float32]
    species_N: NDArray[np.int64]
    told_N: tuple[Told, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def __add__(self, other: Known) -> Known:
        """Return both together; a species of both is one."""
        places = {name: place for place, name in enumerate(dict.fromkeys((*self.names, *other.names)))}
        species = [[places[one.names[row]] for row in one.species_N.tolist()] for one in (self, other)]
        return Known(
            self.ids + other.ids,
            np.concatenate([self.image_ND, other.image_ND]),
            np.array([*species[0], *species[1]], np.int64),
            self.told_N + other.told_N,
            tuple(places),
        )


def known_species(things: Iterable[Named], columns: Columns | None) -> list[tuple[Statement, ...]]:
    """Return what is stated of each species.

    Args:
        things: Specimens, or species with all their descriptions.
        columns: Columns of metadata that tell characters; None takes them out of the descriptions.

    Raises:
        ClipbioError: No record has one of the columns.
    """
    if columns is None:
        return [described(one.taxon, one.descriptions) for one in Candidates.from_named(things)]
    things = list(things)
    _check_columns(things, columns)
    found: dict[int, dict[Statement, None]] = {}
    for thing in things:
        key = class_key(thing)
        if key is not None:
            found.setdefault(key, {}).update(dict.fromkeys(recorded(thing, columns)))
    return [tuple(one) for one in found.values()]


def _check_columns(things: Iterable[Named], columns: Columns) -> None:
    known = dict.fromkeys(name for one in things for name in getattr(one, "metadata", {}))
    for column in () if isinstance(columns, str) else columns:
        if column not in known:
            raise ClipbioError(f"columns: no record has the column '{column}'{nearest(column, list(known))}")


def known_images(data: SplitData, table: CharacterTable, columns: Columns | None) -> Known:
    """Return the images of a split with the states of the characters of a table: of their species, or their own."""
    class_N = data.images.class_N.cpu().numpy()
    if columns is None:
        of_species = [table.told(described(one.taxon, one.descriptions)) for one in data.classes]
        told = [of_species[place] for place in class_N.tolist()]
    else:
        told = [table.told(one) for one in _recorded(data, columns)]
    vectors_ND = torch.nn.functional.normalize(data.images.vectors_ND.float().cpu(), dim=1).numpy()
    return Known(data.images.ids, vectors_ND, class_N, tuple(told), data.classes.names)


def written_of(species: Candidates) -> tuple[Written, ...]:
    """Return the descriptions of some species."""
    return tuple(Written(one.name, text) for one in species for text in one.descriptions)


def _recorded(data: SplitData, columns: Columns) -> Sequence[tuple[Statement, ...]]:
    """Return what the record of each image states."""
    found: dict[str, Any] = {}
    if data.specimens is not None:
        found = dict(zip(data.specimens.ids, data.specimens.named, strict=True))
    return [recorded(found[one], columns) if one in found else () for one in data.images.ids]
