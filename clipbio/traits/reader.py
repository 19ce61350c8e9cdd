"""Reading descriptions with settings: the group out of the lineage, the language out of the source or the text."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from clipbio.errors import ClipbioError, nearest
from clipbio.traits.described import Described
from clipbio.traits.extraction import extract
from clipbio.traits.groups import group_of, told_group
from clipbio.traits.languages import LANGUAGES
from clipbio.traits.told_language import language_code, language_of
from clipbio.traits.trait import Group, Trait
from clipbio.traits.vocabulary import vocabulary

__all__ = ["Reader"]


class Reader:
    """Read the traits of descriptions.

    Args:
        group: the vocabulary to use for all; None takes what the lineage of each says, else its words.
        language: that of descriptions which do not tell theirs; None guesses it from their small words.
        own: a file of further words.
    """

    def __init__(
        self, *, group: Group | None = None, language: str | None = None, own: str | Path | None = None
    ) -> None:
        if group is not None and group not in get_args(Group):
            raise ClipbioError(f"group={group}: there is no such group{nearest(str(group), get_args(Group))}")
        if language is not None and language_code(language) not in LANGUAGES:
            raise ClipbioError(f"language={language}: there is no vocabulary{nearest(language, LANGUAGES)}")
        self.group, self.language = group, None if language is None else language_code(language)
        self.own = None if own is None else Path(own).expanduser().resolve()
        # Mistakes are told before anything is read.
        vocabulary(group, self.language or "en", self.own)

    def of(self, about: Described) -> tuple[Group | None, tuple[Trait, ...]]:
        """Return the group and the traits of a description; one in a language without vocabulary has none."""
        group = self.group or group_of(about.taxon)
        language = language_code(about.language) if about.language else self.language or language_of(about.text)
        if language not in LANGUAGES:
            return group, ()
        group = group or told_group(about.text, language)
        return group, extract(about.text, group=group, language=language, own=self.own)
