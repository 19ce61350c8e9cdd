"""Layouts: what the members of a sample in a tar mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from clipbio.data.foreign.bioclip import BioclipLayout
from clipbio.data.foreign.clip_benchmark import ClipBenchmarkLayout
from clipbio.data.manifest import CLIPBIO_LAYOUT, ShardError
from clipbio.data.specimen import Specimen
from clipbio.data.tar import IMAGE_MEMBERS, MASK_MEMBER, RECORD_MEMBER
from clipbio.errors import nearest

__all__ = ["ClipbioLayout", "Layout", "layout_of", "parse_record"]


class Layout(Protocol):
    """How the members of a sample become a specimen; it may be sent to worker processes."""

    name: str
    members: frozenset[str]
    """Names of the members that it reads, but for image and mask."""

    def specimen(self, key: str, members: Mapping[str, bytes]) -> Specimen:
        """Return the specimen of a sample; image and mask may have been left out of the members.

        Where no member tells it, the id is empty: then it is the index that knows it.

        Raises:
            ShardError: The members are not those of a sample.
        """
        ...


class ClipbioLayout:
    """The layout that `prepare` writes: a record in JSON, an image, a mask."""

    name = CLIPBIO_LAYOUT
    members = frozenset({RECORD_MEMBER})

    def specimen(self, key: str, members: Mapping[str, bytes]) -> Specimen:
        """Return the specimen of a sample; its id stands in the record, not in the key."""
        if RECORD_MEMBER not in members:
            raise ShardError("the sample has no record (json)")
        image = next((members[name] for name in IMAGE_MEMBERS if name in members), None)
        return parse_record(members[RECORD_MEMBER], image=image, mask=members.get(MASK_MEMBER))


_LAYOUTS: dict[str, Callable[[Path], Layout]] = {
    ClipbioLayout.name: lambda root: ClipbioLayout(),
    BioclipLayout.name: lambda root: BioclipLayout(),
    ClipBenchmarkLayout.name: ClipBenchmarkLayout,
}


def layout_of(name: str, root: Path) -> Layout:
    """Return a layout by the name that stands in the manifest.

    Args:
        name: Its name.
        root: The folder of the manifest, where a layout finds what belongs to all samples.
    """
    if name not in _LAYOUTS:
        raise ShardError(f"the layout '{name}' is unknown{nearest(name, _LAYOUTS)}")
    return _LAYOUTS[name](root)


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
