"""Groups of a merged set: one individual stays one, from whatever source its records come."""

from __future__ import annotations

from dataclasses import dataclass, field

from clipbio.data.specimen import Specimen

__all__ = ["Groups", "is_worldwide", "merged_group"]

_WORLDWIDE = ("://", "doi:", "urn:")


def is_worldwide(value: str) -> bool:
    """Tell whether a value is a URL, a DOI or a URN: the same one means the same thing in every source."""
    return any(mark in value.lower() for mark in _WORLDWIDE)


def merged_group(source: str, group_id: str) -> str:
    """Return `NAME/GROUP`, of a worldwide identifier itself (`http:` as `https:`), and `""` without a group."""
    group = group_id.strip()
    if not group:
        return ""
    return group.replace("http://", "https://", 1) if is_worldwide(group) else f"{source}/{group_id}"


@dataclass
class Groups:
    """Groups that are one because a photo of both is the same."""

    _same_as: dict[str, str] = field(default_factory=dict)
    _of_record: dict[str, str] = field(default_factory=dict)

    def of(self, source: str, specimen: Specimen) -> str:
        """Return the group of a record that is kept, `""` if it is by itself."""
        group = merged_group(source, specimen.group_id) or self._of_record.get(f"{source}/{specimen.id}", "")
        return self._end(group)

    def tie(self, kept_id: str, kept_group: str, dropped_group: str) -> None:
        """Make the group of a record that was dropped that of the record which is kept instead.

        Args:
            kept_id: Its id in the merged set.
            kept_group: Its group there, `""` if it has none: then it joins the other one.
            dropped_group: The group of the record with the same photo, `""` if it has none.
        """
        if not dropped_group:
            return
        ours = kept_group or self._of_record.setdefault(kept_id, dropped_group)
        theirs, ours = self._end(dropped_group), self._end(ours)
        if theirs != ours:
            self._same_as[theirs] = ours

    def _end(self, group: str) -> str:
        while group in self._same_as:
            group = self._same_as[group]
        return group
