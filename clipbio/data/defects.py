"""What was wrong with the data: counted by kind, with the first few places named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Defects", "Finding"]

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where."""

    kind: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass
class Defects:
    """Count what is wrong by kind and keep the first findings of each kind.

    Args:
        kept: Number of findings that are kept of each kind; the others are only counted.
    """

    kept: int = 5
    skipped: int = 0
    _counts: Counter[str] = field(default_factory=Counter)
    _skipping: set[str] = field(default_factory=set)
    _findings: dict[str, list[Finding]] = field(default_factory=dict)

    def add(self, kind: str, where: str, message: str, *, skipped: bool = True) -> None:
        """Count a defect; `skipped` tells whether a record was left out because of it."""
        self.skipped += skipped
        self._counts[kind] += 1
        if skipped:
            self._skipping.add(kind)
        findings = self._findings.setdefault(kind, [])
        if len(findings) < self.kept:
            findings.append(Finding(kind, where, message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."))

    def clear(self) -> None:
        """Forget everything, so that a source can be read again."""
        self.skipped = 0
        self._counts.clear()
        self._skipping.clear()
        self._findings.clear()

    def update(self, other: Defects, before: str = "") -> None:
        """Add what somebody else counted, with `before` in front of each place; the own findings stay the first."""
        self.skipped += other.skipped
        self._counts.update(other._counts)
        self._skipping |= other._skipping
        for kind, findings in other._findings.items():
            own = self._findings.setdefault(kind, [])
            some = findings[: max(0, self.kept - len(own))]
            own += [Finding(kind, f"{before}{one.where}", one.message) for one in some]

    @property
    def counts(self) -> dict[str, int]:
        """Give the number of defects of each kind, the most frequent first."""
        return dict(self._counts.most_common())

    def skips(self, kind: str) -> bool:
        """Tell whether records are lost by defects of this kind, or only deserve a look."""
        return kind in self._skipping

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Return the findings of a kind that were kept."""
        return tuple(self._findings.get(kind, ()))

    def __iter__(self) -> Iterator[Finding]:
        for kind in self.counts:
            yield from self._findings[kind]

    def __len__(self) -> int:
        return self._counts.total()

    def __bool__(self) -> bool:
        return bool(self._counts)

    def summary(self) -> str:
        """Say in half a line what was found, with the first example of each kind."""
        parts = [f"{count} {kind} (first: {self._findings[kind][0]})" for kind, count in self.counts.items()]
        return ", ".join(parts) or "none"

    def state(self) -> dict[str, Any]:
        """Return everything as plain values, to be stored and read again by `from_state`."""
        return {
            "skipped": self.skipped,
            "counts": dict(sorted(self._counts.items())),
            "skipping": sorted(self._skipping),
            "findings": [[one.kind, one.where, one.message] for one in self],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Defects:
        """Return what `state` stored."""
        defects = cls(skipped=int(state["skipped"]))
        defects._counts.update(state["counts"])
        defects._skipping.update(state["skipping"])
        for kind, where, message in state["findings"]:
            defects._findings.setdefault(kind, []).append(Finding(kind, where, message))
        return defects

    def to_dict(self) -> dict[str, Any]:
        """Return the form that stands in a manifest."""
        return {
            kind: {"count": count, "first": [str(finding) for finding in self._findings[kind]]}
            for kind, count in sorted(self._counts.items())
        }
