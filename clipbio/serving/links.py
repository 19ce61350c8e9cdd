"""Links of the page: every state of it is a URL, so that each can be sent, kept and gone back to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from clipbio.search.traits import TRAIT
from clipbio.serving.question import FILTER, Question

__all__ = ["HEAT", "Links", "canonical", "narrowed", "toggled"]

HEAT = "heat"
"""The parameter of a specimen's page: the words whose places are shown."""

# What the form of the page asks itself; all else of a question travels in hidden fields.
_TYPED = ("q", "dna", "engine", "page")


def toggled(question: Question, column: str, value: str) -> Question:
    """Return a question with a filter value added, or taken away if it is there."""
    values = question.where.get(column, ())
    others = tuple(other for other in values if other.casefold() != value.casefold())
    where = {**question.where, column: others if len(others) < len(values) else (*values, value)}
    return replace(question, where={name: given for name, given in where.items() if given}, page=1)


def narrowed(question: Question, column: str, value: str) -> Question:
    """Return a question with one value as the only filter of its column."""
    return replace(question, where={**question.where, column: (value,)}, page=1)


def canonical(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what a form sent as the parameters of a question.

    Empty fields and the name of a picture go; `from.COLUMN` and `to.COLUMN` become one range, where COLUMN is
    `trait=CHARACTER` one of that character.
    """
    given = [(name, value.strip()) for name, value in pairs if value.strip() and name != "picture"]
    bounds = [pair for pair in given if pair[0].startswith(("from.", "to."))]
    found = [pair for pair in given if pair not in bounds]
    for column in dict.fromkeys(name.partition(".")[2] for name, _ in bounds):
        ends = dict(bounds)
        name, sign, character = column.partition("=") if column.startswith(f"{TRAIT}=") else (column, "", "")
        span = f"{ends.get(f'from.{column}', '')}..{ends.get(f'to.{column}', '')}"
        found.append((f"{FILTER}{name}", f"{character}{sign}{span}"))
    return found


class Links:
    """The links of a page that is served below `root` (empty, or the path that a proxy puts before)."""

    def __init__(self, root: str) -> None:
        self.root = root

    def link(self, question: Question, **changes: Any) -> str:
        """Return the link of a question with some fields changed; it leads to the first page unless told otherwise."""
        if changes:
            question = replace(question, **{"page": 1, **changes})
        return self.root + question.link("/")

    def specimen_link(self, id: str, question: Question | None = None) -> str:
        """Return the link of one specimen, with the question that led to it."""
        path = f"/specimens/{quote(id, safe='')}"
        return self.root + (question.link(path) if question else path)

    def heat_link(self, id: str, question: Question, words: str) -> str:
        """Return the link of one specimen that shows where words are in its picture."""
        link = self.specimen_link(id, question)
        return f"{link}{'&' if '?' in link else '?'}{urlencode({HEAT: words})}"

    def similar_link(self, id: str) -> str:
        """Return the link of what is similar to a specimen."""
        return self.link(Question(specimen=id))

    def browse_link(self, column: str, value: str) -> str:
        """Return the link of all specimens with a value."""
        return self.link(Question(where={column: (value,)}))

    def export_link(self, question: Question, format: str) -> str:
        """Return the link of all hits as a file."""
        pairs = [pair for pair in question.pairs() if pair[0] not in ("page", "size")]
        return f"{self.root}/api/export?{urlencode([*pairs, ('format', format)])}"

    @staticmethod
    def kept_states(question: Question, character: str) -> list[tuple[str, str]]:
        """Return what a form hands on that sets the range of a character anew."""
        own = f"{character.casefold()}="
        pairs = Links.kept(question, words=True)
        return [one for one in pairs if one[0] != f"{FILTER}{TRAIT}" or not one[1].casefold().startswith(own)]

    @staticmethod
    def kept(question: Question, without: str = "", words: bool = False) -> list[tuple[str, str]]:
        """Return what a form hands on in hidden fields.

        Args:
            question: What is asked now.
            without: A column whose filter the form sets anew.
            words: Keep what is typed too: the form is not the one where that is done.
        """
        dropped = (
            {"page"} if words else {*_TYPED, *(name for name, _ in question.pairs() if name.startswith("weight_"))}
        )
        return [(name, value) for name, value in question.pairs() if name not in {*dropped, f"{FILTER}{without}"}]
