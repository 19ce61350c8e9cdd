"""Layouts: what the members of a sample in a tar mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from clipbio.data.manifest import CLIPBIO_LAYOUT, ShardError
from clipbio.data.specimen import Specimen
from clipbio.data.tar import IMAGE_MEMBERS, MASK_MEMBER, RECORD_MEMBER
from clipbio.errors import nearest

__all__ = ["ClipbioLayout", "Layout", "layout_of", "parse_record"]


class Layout(Protocol):
    """How the members of a sample become a specimen; it may be sent to worker processes."""

    name: str

    def specimen(self, key: str, members: Mapping[str, bytes]) -> Specimen:
        """Return the specimen of a sample; image and mask may have been left out of the members.

        Raises:
            ShardError: The members are not those of a sample.
        """
        ...


class ClipbioLayout:
    """The layout that `prepare` writes: a record in JSON, an image, a mask."""

    name = CLIPBIO_LAYOUT

    def specimen(self, key: str, members: Mapping[str, bytes]) -> Specimen:
        """Return the specimen of a sample; its id stands in the record, not in the key."""
        if RECORD_MEMBER not in members:
            raise ShardError("the sample has no record (json)")
        image = next((members[name] for name in IMAGE_MEMBERS if name in members), None)
        return parse_record(members[RECORD_MEMBER], image=image, mask=members.get(MASK_MEMBER))


_LAYOUTS: dict[str, type[Layout]] = {ClipbioLayout.name: ClipbioLayout}


def layout_of(name: str) -> Layout:
    """Return a layout by the name that stands in the manifest."""
    if name not in _LAYOUTS:
        raise ShardError(f"the layout '{name}' is unknown{nearest(name, _LAYOUTS)}")
    return _LAYOUTS[name]()


def parse_record(data: bytes, *, image: bytes | None = None, mask: bytes | None = None) -> Specimen:
    """Read the JSON of a sample."""
    try:
        record = json.loads(data)
        if not isinstance(record, dict):
            raise TypeError("it is no object")
        return Specimen.from_record(record, image=image, mask=mask)
    except KeyError as error:
        raise ShardError(f"the record has no {error}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise ShardError(f"the record cannot be read ({error})") from error
