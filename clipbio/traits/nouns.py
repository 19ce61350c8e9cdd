"""How organs, their regions and the markings on them are called: one, several, and which there is only one of."""

from __future__ import annotations

from clipbio.traits.trait import PROPERTIES

__all__ = [
    "MARKINGS",
    "REGIONS",
    "article",
    "is_single",
    "plural",
    "split_character",
    "subject",
    "with_marking",
    "with_region",
]

MARKINGS = frozenset(
    (
        *("spot", "band", "bar", "stripe", "streak", "patch", "eyespot", "line", "dot", "chevron", "blotch", "ring"),
        *(
            "crescent",
            "row",
            "dash",
            "mark",
            "fleck",
            "speckle",
            "checker",
            "mottling",
            "speckling",
            "striation",
            "marbling",
        ),
        *("marking", "webwork", "flash"),
    )
)
"""Parts that lie on an organ: `black spots on the forewings`."""
REGIONS = frozenset(
    (
        *("margin", "tip", "base", "centre", "cell", "vein", "edge", "border", "corner", "apex", "side", "surface"),
        *("disc", "half", "lobe", "tooth", "axil", "throat", "fringe", "scale", "rim", "iris"),
    )
)
"""Parts of an organ: `leaves with serrate margins`."""

_IRREGULAR = {
    "leaf": "leaves",
    "foot": "feet",
    "tooth": "teeth",
    "half": "halves",
    "calyx": "calyces",
    "apex": "apices",
    "antenna": "antennae",
    "larva": "larvae",
    "pupa": "pupae",
    "elytron": "elytra",
    "stigma": "stigmas",
}
# Not counted: plumage, mottling. And what is said in the plural anyway: underparts, undertail coverts.
_UNCOUNTED = frozenset(("plumage", "bark", "mottling", "speckling", "striation", "marbling", "foliage", "fur", "down"))
_SINGLE = frozenset(
    (
        *("stem", "root", "corolla", "calyx", "inflorescence", "fruit", "tree", "trunk", "shrub", "herb", "rhizome"),
        *("body", "head", "thorax", "abdomen", "tail", "bill", "beak", "crown", "crest", "face", "throat", "neck"),
        *("nape", "collar", "breast", "chest", "belly", "back", "rump", "cap", "hood", "mask", "forehead", "chin"),
        *("forecrown", "hindneck", "bib", "gorget", "mantle", "vent", "disc", "proboscis", "pistil", "ovary", "style"),
        *("stigma", "plant", "tongue", "upperwing", "underwing"),
        # Markings of which a bird has one, or as good as one.
        *("eyeline", "eyebrow", "eyering", "moustache", "necklace"),
    )
)
# Several of these stand round one organ; of the other regions each organ has one.
_SEVERAL = frozenset(("margin", "edge", "vein", "corner", "border", "side", "lobe", "tooth", "axil", "scale"))
_WORDS_OF_ORGANS = frozenset(("facial disc", "antennal club"))


def plural(noun: str) -> str:
    """Return the plural of a noun; of several words the last one changes."""
    first, space, last = noun.rpartition(" ")
    if last in _UNCOUNTED or (last.endswith("s") and not last.endswith(("ss", "us", "is"))):
        return noun
    return f"{first}{space}{_plural(last)}"


def is_single(organ: str) -> bool:
    """Tell whether an organism has one of this organ, or one says it as if it had: `bill black`, `fruit a berry`."""
    return organ.rpartition(" ")[2] in _SINGLE | _UNCOUNTED


def subject(organ: str) -> str:
    """Return what a sentence about an organ begins with: `leaves`, `bill`; nothing for the whole organism."""
    return organ if not organ or is_single(organ) else plural(organ)


def article(words: str) -> str:
    """Return words with the indefinite article."""
    return f"{'an' if words[:1].casefold() in 'aeiou' else 'a'} {words}"


def with_region(adjective: str, region: str) -> str:
    """Return a region with its adjective, as it stands behind `with`: `serrate margins`, `a yellow centre`."""
    if region in _SEVERAL or plural(region) == region:
        return f"{adjective} {plural(region)}"
    return article(f"{adjective} {region}")


def with_marking(adjective: str, marking: str) -> str:
    """Return a marking, with or without adjective, as it stands behind `with`: `black spots`, `an eyebrow`."""
    words = f"{adjective} {subject(marking)}".strip()
    return words if subject(marking) == plural(marking) else article(words)


def split_character(character: str) -> tuple[str, str, str]:
    """Return organ, part and property of the name of a character: `forewing spot colour`, `leaf margin`, `wingspan`."""
    *words, last = character.split()
    if last not in PROPERTIES:
        words, last = [*words, last], ""
    is_part = words and words[-1] in MARKINGS | REGIONS and " ".join(words[-2:]) not in _WORDS_OF_ORGANS
    if is_part and (len(words) > 1 or words[-1] in MARKINGS):
        return " ".join(words[:-1]), words[-1], last
    return " ".join(words), "", last


def _plural(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}s"
