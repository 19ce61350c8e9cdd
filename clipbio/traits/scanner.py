"""From text to items: words with their meaning, colours, numbers and the marks between, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clipbio.traits import colours, colours_fr
from clipbio.traits.colours import Colour
from clipbio.traits.entries import Entry
from clipbio.traits.languages import LANGUAGES
from clipbio.traits.lexicon import Lexicon, Word, words_of
from clipbio.traits.numbers import Number

__all__ = ["Item", "scan"]

_MARKS = {",": "comma", ";": "end", ":": "colon", "(": "open", "[": "open", ")": "close", "]": "close", "/": "or"}
_MARKS |= {"—": "dash", "–": "dash", "-": "dash", "&": "and", ".": "stop", "!": "stop", "?": "stop"}
_COLOURS = {"en": colours.read_colour, "fr": colours_fr.read_colour}
_OTHER, _BLOCKING, _SKIP = Entry("function"), Entry("other"), Entry("skip")
_LOOSE = Entry("loose")
_LONGEST_NAME = 8
_DOUBLE_QUOTES = frozenset('"“”')
_QUOTES = frozenset("\"“”„«»'‘’*")


@dataclass(frozen=True, slots=True)
class Item:
    """A phrase of the text with what it means.

    Args:
        start: where it begins.
        end: where it ends.
        entry: what the lexicon says; its kind is that of the item.
        joined: a hyphen ties it to the item before.
        colour: of kind `state` with property `colour`.
        number: of a count or measure.
        forms: gender and number, where the language has them.
        is_plural: an unknown word that ends in s: a noun of its own, or a verb.
        agent: the adjective tied before it: the cream of `cream-spotted`, the red of `red-eyed`.
    """

    start: int
    end: int
    entry: Entry
    joined: bool = False
    colour: Colour | None = None
    number: Number | None = None
    forms: frozenset[str] = frozenset()
    agent: Item | None = None
    is_plural: bool = False

    @property
    def kind(self) -> str:
        """What the phrase is or does."""
        return self.entry.kind


def scan(text: str, start: int, end: int, lexicon: Lexicon, numbers: dict[int, Number]) -> list[Item]:
    """Return the items of `text[start:end]`; `numbers` are those of the whole text by where they begin."""
    words = words_of(text, start, end)
    items: list[Item] = []
    at = 0
    while at < len(words):
        number = numbers.get(words[at].start)
        if number is not None:
            entry = lexicon.vocabulary.tied.get(number.of) or Entry(number.kind, property=number.kind)
            forms = _forms(words[at : at + 1], lexicon)
            items.append(Item(number.start, number.end, entry, number=number, forms=forms))
            at = _behind(words, at, number.reach_end)
            continue
        item, length = _quoted(text, words, at) or _name(text, words, at, lexicon) or _item(words, at, lexicon)
        at += length
        if item is not None:
            _append(items, item)
    return _shaded(items)


def _shaded(items: list[Item]) -> list[Item]:
    """Give the hue of `pale to bright yellow` to both shades."""
    for place, (one, link, other) in enumerate(zip(items, items[1:], items[2:], strict=False)):
        is_pair = one.colour is not None and other.colour is not None and link.kind in ("to", "or")
        if not is_pair or one.colour is None or other.colour is None or one.colour.has_hue or not other.colour.shade:
            continue
        colour = replace(other.colour, shade=one.colour.value)
        entry = replace(one.entry, value=colour.value)
        items[place] = replace(one, entry=entry, colour=colour, end=other.end)
    return items


def _behind(words: list[Word], at: int, end: int) -> int:
    at += 1
    while at < len(words) and words[at].start < end:
        at += 1
    return at


def _quoted(text: str, words: list[Word], at: int) -> tuple[None, int] | None:
    """Pass over a name in quotation marks, as of a race: the `"Red"` of a Fox Sparrow."""
    if words[at].text not in _DOUBLE_QUOTES or at + 1 >= len(words) or not text[words[at + 1].start].isupper():
        return None
    behind = next((place for place in range(at + 2, min(at + 6, len(words))) if words[place].text in _DOUBLE_QUOTES), 0)
    return (None, behind + 1 - at) if behind else None


def _name(text: str, words: list[Word], at: int, lexicon: Lexicon) -> tuple[Item, int] | None:
    """Return a name of two words or more with capitals (`Purple Finches`): its colours say nothing."""
    behind, num_capitals = at, 0
    while behind < min(len(words), at + _LONGEST_NAME) and _is_capitalised(text, words[behind]):
        behind, num_capitals = behind + 1, num_capitals + 1
        if behind + 1 < len(words) and words[behind].joined and words[behind + 1].joined:
            behind += 2  # the and-white of "Black-and-white Warbler"
        elif behind < len(words) and words[behind].joined:
            behind += 1
    if num_capitals < 2:
        return None
    first, last = lexicon.phrase(words, at), lexicon.phrase(words, behind - 1)
    is_name = (last is None or last[0].kind == "whole") and lexicon.colour(words, behind - 1) is None
    if not is_name or (first is not None and first[0].kind not in ("state", "whole")):
        return None
    return Item(words[at].start, words[behind - 1].end, Entry("whole")), behind - at


def _is_capitalised(text: str, word: Word) -> bool:
    letters = text[word.start : word.end]
    return letters[0].isupper() and letters[1:].islower() and not word.joined


def _item(words: list[Word], at: int, lexicon: Lexicon) -> tuple[Item | None, int]:
    word = words[at]
    found = lexicon.phrase(words, at)
    colour = _COLOURS[lexicon.vocabulary.language](words, at, lexicon)
    # At the same length the colour is meant; `creamy patch` is one, `glossy` is none.
    if colour is not None and (found is None or colour.num_words >= found[1]):
        entry = Entry("state", colour.value, property="colour")
        forms = _forms(words[at : at + colour.num_words], lexicon)
        return Item(word.start, colour.end, entry, word.joined, colour=colour, forms=forms), colour.num_words
    if found is not None:
        forms = _forms(words[at : at + found[1]], lexicon)
        return Item(word.start, words[at + found[1] - 1].end, found[0], word.joined, forms=forms), found[1]
    kind = _MARKS.get(word.text)
    if kind is not None:
        return Item(word.start, word.end, Entry(kind)), 1
    if not word.text[0].isalpha():
        return (None if word.text in _QUOTES else Item(word.start, word.end, _OTHER)), 1
    language = LANGUAGES[lexicon.vocabulary.language]
    if at + 1 < len(words) and words[at + 1].joined and words[at + 1].text in language.shape_suffixes:
        value = f"{word.text}-{words[at + 1].text}"
        return Item(word.start, words[at + 1].end, Entry("state", value, property="shape"), word.joined), 2
    entry = _LOOSE if word.text.endswith(language.loose_endings) else _BLOCKING
    entry = _SKIP if word.text.endswith(language.adverb_endings) else entry
    return Item(word.start, word.end, entry, word.joined, is_plural=word.text.endswith("s")), 1


def _forms(words: list[Word], lexicon: Lexicon) -> frozenset[str]:
    return lexicon.vocabulary.forms.get(tuple(word.text for word in words), frozenset())


def _append(items: list[Item], item: Item) -> None:
    """Add an item; one that a hyphen ties to an adjective takes it along."""
    before = items[-1] if items else None
    has_adjective = before is not None and before.kind in ("state", "count")
    ties = item.joined and has_adjective and before is not None and before.end == item.start - 1
    is_region = item.kind == "state" and not item.entry.property and item.agent is None
    if before is not None and (ties or (has_adjective and (item.kind == "bodied" or is_region))):
        if item.kind == "bodied" or (item.kind == "state" and item.entry.part and item.agent is None):
            items[-1] = replace(item, agent=before, start=item.start)
            return
        if item.kind == "tied":
            return
        if item.kind in ("other", "function", "loose"):
            items.pop()
    if item.kind == "bodied" and item.joined and before is not None and before.kind == "without":
        items.pop()  # `no-necked`
        return
    items.append(item)
