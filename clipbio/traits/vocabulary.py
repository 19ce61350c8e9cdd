"""The words that descriptions of a group use, read from the data files in `clipbio/traits/vocabularies`.

A file `GROUP.LANGUAGE.yaml` holds sections; in each, canonical words stand before lists of synonyms:

- `organs`, `parts` (regions), `markings`, `marking_masses` (`barring`: a pattern, no single mark), `organ_parts`
  (`flower/centre`), `wholes`
- `kinds`: nouns that are states, by character (`fruit type: {berry: [...]}`)
- `states`: adjectives by property, or by `organ property` where only one organ can be meant
- `marking_adjectives` (`spotted: spot`), `region_adjectives` (`tipped`), `plain`
- `colours`, `hues`, `hue_words`, `shades`, `tints`, `colour_nouns`: see `clipbio/traits/colours.py`
- `sexes`, `stages`, `seasons` (`in winter`), `sides`, `side_nouns`, `both_sides`
- `words`: the small words that bind these, by what they do; `elsewhere`: words of clauses about something else
- `tied`: words that a hyphen ties to a count: the lobes of `5-lobed`
- `feminine`: French nouns of that gender
- `comparatives`: `paler`, which shades a hue behind it; `builds`: adjectives of form, of a part those of shape
- `coverings`: the colour of the one is that of the other; `sided`: which organs have an upper and a lower side
- `default`: the organ that is meant where none is named, and what a size without words is
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, get_args

import yaml

from clipbio.errors import ClipbioError, nearest
from clipbio.traits.entries import NOUNS, OTHERS, Entry, pairs, read_entries, read_tied
from clipbio.traits.languages import LANGUAGES
from clipbio.traits.spelling import folded
from clipbio.traits.trait import PROPERTIES, Group

__all__ = ["Vocabulary", "read_vocabulary", "vocabulary"]

_LISTS = (
    *("plain", "builds", "wholes", "elsewhere", "tints", "hues", "hue_words", "colour_nouns", "both_sides", "sided"),
    "feminine",
)
_ADJECTIVES = ("marking_adjectives", "region_adjectives", "colours", "shades", "comparatives")
_TABLES = (*NOUNS, *OTHERS, *_ADJECTIVES, "organ_parts", "tied", "words")
_NESTED = ("states", "kinds")
_SECTIONS = (*_LISTS, *_TABLES, *_NESTED, "default", "coverings")


@dataclass(slots=True)
class Vocabulary:
    """All phrases of a group in one language, folded; `colours` to `tints` are read together by `colours.py`.

    `forms` tells gender and number where the language has them: `fs` is feminine and singular.
    """

    language: str = "en"
    entries: dict[tuple[str, ...], Entry] = field(default_factory=dict)
    colours: dict[tuple[str, ...], str] = field(default_factory=dict)
    shades: dict[tuple[str, ...], str] = field(default_factory=dict)
    comparatives: dict[tuple[str, ...], str] = field(default_factory=dict)
    tied: dict[str, Entry] = field(default_factory=dict)
    hue_words: dict[str, str] = field(default_factory=dict)
    tints: frozenset[str] = frozenset()
    colour_nouns: frozenset[str] = frozenset()
    default: dict[str, str] = field(default_factory=dict)
    coverings: dict[str, str] = field(default_factory=dict)
    sided: frozenset[str] | None = None
    own_words: frozenset[str] = frozenset()
    forms: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)


@cache
def vocabulary(group: Group | None, language: str = "en", own: Path | None = None) -> Vocabulary:
    """Return the words of a group, with those that all groups share.

    Args:
        group: plants, insects or birds; None is what all share.
        language: of the words.
        own: a file of further words with the same sections; where it says otherwise, it counts.

    Raises:
        ClipbioError: there is no such group or language, or a data file is not as it should be.
    """
    if group is not None and group not in get_args(Group):
        raise ClipbioError(f"traits: unknown group '{group}'{nearest(group, get_args(Group))}")
    tables = {name: _shipped(name, language) for name in ("common", *([group] if group else []))}
    if own is not None:
        tables[str(own)] = _table(own, str(own))
    return read_vocabulary(tables, language)


def read_vocabulary(tables: dict[str, dict[str, Any]], language: str = "en") -> Vocabulary:
    """Build a vocabulary from tables by file name; a later table overrides an earlier one.

    Raises:
        ClipbioError: a section, property or shape of an entry is unknown, or a phrase means two things in a table.
    """
    found, rules = Vocabulary(language), LANGUAGES[language]
    for name, table in tables.items():
        _check(name, table)
        entries = read_entries(name, table, rules)
        found.entries |= entries
        found.tied |= read_tied(table, entries, rules)
        found.own_words = frozenset(
            " ".join(phrase) for phrase, entry in entries.items() if entry.kind in ("organ", "kind", "whole", "marking")
        )
        for section in ("colours", "shades", "comparatives"):
            for value, phrase in pairs(table.get(section) or {}, named=rules.names_keys and section != "comparatives"):
                getattr(found, section).update({folded(form): value for form in rules.adjectives(phrase)})
        found.forms |= rules.agreeing(table)
        found.tints |= {" ".join(folded(one)) for one in table.get("tints", ())}
        found.colour_nouns |= set(table.get("colour_nouns", ()))
        found.default |= table.get("default", {})
        found.coverings |= table.get("coverings", {})
        found.sided = frozenset(table["sided"]) if "sided" in table else found.sided
        hues = set(table.get("hues", ()))
        for word in table.get("hue_words", ()):
            if found.colours.get((word,)) not in hues:
                raise ClipbioError(f"vocabulary {name}: hue_words: '{word}' is no word of a colour in hues")
            found.hue_words |= dict.fromkeys(rules.adjectives(word), found.colours[word,])
    return found


def _shipped(name: str, language: str) -> dict[str, Any]:
    folder = files(__package__).joinpath("vocabularies")
    path = folder.joinpath(f"{name}.{language}.yaml")
    if not path.is_file():
        there = sorted({one.name.split(".")[1] for one in folder.iterdir() if one.name.startswith("common.")})
        raise ClipbioError(f"traits: no vocabulary of language '{language}'{nearest(language, there)}")
    return _table(path, path.name)


def _table(path: Traversable, name: str) -> dict[str, Any]:
    try:
        table = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ClipbioError(f"vocabulary {name} cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ClipbioError(f"vocabulary {name} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(table, dict):
        raise ClipbioError(f"vocabulary {name}: it must hold sections, one of {', '.join(_SECTIONS)}")
    return table


def _check(name: str, table: dict[str, Any]) -> None:
    for section, content in table.items():
        if section not in _SECTIONS:
            raise ClipbioError(f"vocabulary {name}: unknown section '{section}'{nearest(section, _SECTIONS)}")
        groups = content.items() if section in _NESTED else [("", content)]
        for key, entries in groups:
            where = f"vocabulary {name}: {section}{f': {key}' if key else ''}"
            if section in _NESTED and (property_ := key.split()[-1]) not in PROPERTIES:
                raise ClipbioError(f"{where}: unknown property '{property_}'{nearest(property_, PROPERTIES)}")
            _check_words(where, entries, is_list=section in _LISTS, is_text=section in ("default", "coverings"))


def _check_words(where: str, entries: Any, *, is_list: bool, is_text: bool) -> None:
    if is_list:
        if not isinstance(entries, list) or not all(isinstance(word, str) for word in entries):
            raise ClipbioError(f"{where}: it must be a list of words (in YAML, yes, no and on need quotes)")
    elif not isinstance(entries, dict):
        raise ClipbioError(f"{where}: it must hold canonical words with lists of synonyms")
    else:
        for canonical, synonyms in entries.items():
            if is_text and isinstance(synonyms, str):
                continue
            if not isinstance(canonical, str):
                raise ClipbioError(f"{where}: '{canonical}' must be a word (in YAML, yes, no and on need quotes)")
            _check_words(f"{where}: {canonical}", synonyms, is_list=True, is_text=False)
