"""What a splitting scheme offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from clipbio.data.defects import Finding
from clipbio.data.specimen import Specimen
from clipbio.data.splitting.records import Records

__all__ = ["PUBLISHED", "Assignment", "Keep", "LeftOut", "Scheme"]

PUBLISHED = "published_split"
"""Column of the metadata with the name of a split in the words of those who made it."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why records have no split; `skipped` tells whether they count as lost (see `max_defect_share`)."""

    kind: str
    message: str
    skipped: bool = True


@dataclass(frozen=True)
class Assignment:
    """What a scheme decided about N records, in their order.

    Attributes:
        splits: The split of each record, `""` for one that is left out.
        left_out: Why those are left out.
        published: The name of the split in the scheme's own words, kept in the metadata as `published_split`.
        findings: What else was wrong; no record is lost by it.
    """

    splits: Sequence[str]
    left_out: LeftOut | None = None
    published: Sequence[str] | None = None
    findings: Sequence[Finding] = ()


class Scheme(Protocol):
    """A rule that gives each record its split, whatever the order of the records."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Name the keys of the records that the rule looks at, see `clipbio.data.splitting.keys`."""
        ...

    @property
    def spelled(self) -> tuple[str, ...]:
        """Name those of them whose values are wanted as they are written."""
        ...

    @property
    def readers(self) -> Mapping[str, Callable[[Specimen], str]]:
        """Give keys of the scheme's own, by name."""
        ...

    def assign(self, records: Records) -> Assignment:
        """Decide about all records."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what the decision depends on besides the records, as JSON knows it."""
        ...


class Keep:
    """Leave each record in the split that the source gives it."""
