"""Samples as BioCLIP wrote them (TreeOfLife-10M, iNat21): texts baked in, 10 to 12 members.

Names and texts are those of https://arxiv.org/abs/2311.18803; loaders lower-case the member names.
"""

from __future__ import annotations

from collections.abc import Mapping

from clipbio.data.manifest import ShardError
from clipbio.data.specimen import Specimen
from clipbio.data.tar import IMAGE_MEMBERS
from clipbio.names import clean_phrase
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["BioclipLayout", "image_among", "text_of"]

_KINGDOMS = frozenset(
    ("Animalia", "Plantae", "Fungi", "Chromista", "Protozoa", "Bacteria", "Archaea", "Protista", "Viruses", "Metazoa",
     "Viridiplantae", "Archaeplastida", "Chloroplastida")
)  # fmt: skip
_UNKNOWN = "unknown taxonomy"  # written by BioCLIP 2 where no rank is known
_FAMILY_ENDINGS = ("idae", "aceae")


class BioclipLayout:
    """Names of a taxon in several spellings, of which the tagged one tells the ranks.

    Without the tagged one (`taxontag.txt`) ranks are told only as far as they are certain: genus and epithet from the
    scientific name, all seven where seven words stand there, the kingdom and the family by their form. The words are
    then kept as `label`, since the ranks between cannot be told apart where one is missing.
    """

    name = "bioclip"
    members = frozenset({"taxontag.txt", "taxonomic_name.txt", "scientific_name.txt", "common_name.txt", "caption.txt",
                         "txt"})  # fmt: skip

    def specimen(self, key: str, members: Mapping[str, bytes]) -> Specimen:
        """Return the specimen of a sample, without id: the index knows it."""
        del key
        tagged, lineage, scientific, common, caption, text = (
            text_of(members, name)
            for name in ("taxontag.txt", "taxonomic_name.txt", "scientific_name.txt", "common_name.txt", "caption.txt",
                         "txt")
        )  # fmt: skip
        ranks, label = _tagged(tagged), ""
        if not ranks:
            ranks, complete = _untagged(lineage.split(), scientific.split())
            label = "" if complete or lineage == _UNKNOWN else lineage
        # BioCLIP writes the scientific name, or all ranks, where it knew no common name.
        own = clean_phrase(common) if common not in ("", scientific, lineage) else ""
        descriptions = tuple(dict.fromkeys(filter(None, map(clean_phrase, (caption, *text.splitlines())))))
        return Specimen(
            id="",
            taxon=Taxon.from_mapping(ranks),
            image=image_among(members),
            common_names=(own,) if own else (),
            descriptions=descriptions,
            label=label,
        )


def text_of(members: Mapping[str, bytes], name: str) -> str:
    """Return a text member, stripped; `ShardError` if it is not UTF-8."""
    try:
        return members.get(name, b"").decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise ShardError(f"'.{name}' is not UTF-8 ({error.reason})") from error


def image_among(members: Mapping[str, bytes]) -> bytes | None:
    """Return the image among the members of a sample."""
    return next((members[name] for name in IMAGE_MEMBERS if name in members), None)


def _tagged(text: str) -> dict[str, str]:
    """Return the names by rank of `a photo of kingdom Animalia phylum ... species hudsonia.`, `{}` if it is not that.

    The tags stand in the order of the ranks; a name may have several words.
    """
    names: dict[str, list[str]] = {}
    place = -1
    for word in text.removeprefix("a photo of ").removesuffix(".").split():
        if word not in RANKS and place >= 0:
            names[RANKS[place]].append(word)
        elif word in RANKS[place + 1 :]:
            place = RANKS.index(word)
            names[word] = []
        else:
            return {}
    return {rank: " ".join(words) for rank, words in names.items()}


def _untagged(words: list[str], scientific: list[str]) -> tuple[dict[str, str], bool]:
    """Return the ranks that are certain, and whether they are all that the words tell."""
    if len(words) == len(RANKS) and words[-2:] == scientific:
        return dict(zip(RANKS, words, strict=True)), True
    ranks: dict[str, str] = {}
    if scientific:
        ranks = {"genus": scientific[0], "species": " ".join(scientific[1:])}
    upper = words[: len(words) - len(scientific)] if words[len(words) - len(scientific) :] == scientific else []
    if upper and upper[0] in _KINGDOMS:
        ranks["kingdom"] = upper.pop(0)
    if upper and upper[-1].endswith(_FAMILY_ENDINGS):
        ranks["family"] = upper.pop()
    if len(upper) == len(RANKS) - 4 and {"kingdom", "family"} <= set(ranks):
        return ranks | dict(zip(RANKS[1:4], upper, strict=True)), True
    return ranks, not upper
