"""Clean taxon names and other words as people write them.

The rules follow the practice of the aggregators: what is kept is the canonical name, without authorship, rank below
species, hybrid sign or markup. A name that its author doubted (`cf.`, `aff.`, `?`, a slash, a hybrid formula) is no
name: the record is then labelled to the next rank above, because a wrong label costs more than a coarse one.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Literal

__all__ = ["binomial", "clean_phrase", "clean_rank", "is_placeholder", "tidy"]


def _set(words: str, separator: str | None = None) -> frozenset[str]:
    return frozenset(words.split(separator))


_PLACEHOLDERS = _set(
    "unknown,unidentified,unidentifiable,unclassified,undetermined,undefined,unspecified,unassigned,unnamed,unplaced,"
    "uncertain,unk,not classified,not identified,not determined,not assigned,not applicable,not available,not known,"
    "not provided,n a,na,nan,nil,none,null,void,missing,empty,blank,tbd,todo,indet,indeterminate,indetermined,ined,"
    "incertae sedis,pleasehelp,please help,other,others,various,mixed,multiple,hybrid,hybrids,no name,no common name,"
    "no description,no data,no id,sp,spp,species,unknown species,environmental sample,environmental samples,candidatus",
    ",",
)
# A rank that begins with one of these says that it is not known, whatever follows ("unclassified Bacteria").
_UNKNOWN_STARTS = _set(
    "unknown unidentified unclassified undetermined unassigned unnamed unplaced uncultured unspecified environmental "
    "not no pleasehelp please indet incertae"
)
_DOUBTS = _set("cf c.f conf aff affin nr near prox gr group vel or / | ?")
_OPEN = _set("sp spp species gen genus fam family order class phylum n.sp nsp sp.nov sp.n nov indet ined")
_BELOW_SPECIES = _set(
    "subsp ssp var subvar f fo forma form morph morpha ab aberr cv cultivar convar nothosubsp nothovar sect section "
    "subsect ser subg subgen subgenus agg aggr complex s.l s.lat s.str s.s sensu auct auctt non nec"
)
_AUTHOR_WORDS = _set("& et ex and in emend de del della den der du la le van von ten da dos")
_HYBRID_SIGNS = frozenset({"×", "x", "nothosp"})
_MARKS = _DOUBTS | _OPEN | _BELOW_SPECIES | _AUTHOR_WORDS | _HYBRID_SIGNS
_OTHER_CROSSES = str.maketrans(dict.fromkeys("✕✖⨯╳", "×"))
_EDGES = " \"'`´‘’“”«»[](){}<>.,;:*†‡!_=~^#+-"

_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>")
_RANK_PREFIX = re.compile(
    r"^[a-z]{1,2}__|^(?:kingdom|phylum|class|order|family|genus|species)\s*[:=]\s*", re.IGNORECASE
)
_SUBGENUS = re.compile(r"\(\s*[A-Z][a-z-]+\s*\)(?=\s+[a-z])")
_GENUS_INITIAL = re.compile(r"[A-Z][a-z]{0,2}\.")
_GENUS_NOT_KNOWN = re.compile(r"\bgen\.|\bgenus\b\W*\bindet", re.IGNORECASE)
_YEAR = re.compile(r"\W*1[5-9]\d\d\W*|\W*20\d\d\W*")


def tidy(raw: str, *, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """Return `raw` without markup, entities and control characters, in one Unicode form, with single spaces."""
    text = raw
    while (plain := _plain(text, form)) != text:
        text = plain
    return text


def _plain(text: str, form: Literal["NFC", "NFKC"]) -> str:
    """Strip one layer: an entity may hide a tag, a control character may part one."""
    if "<" in text or "&" in text:
        text = _MARKUP.sub(" ", html.unescape(text))
    if not (text.isascii() and text.isprintable()):
        kept = (c for c in text if c.isspace() or not unicodedata.category(c).startswith("C"))
        text = unicodedata.normalize(form, "".join(kept))
    return " ".join(text.split())


def is_placeholder(text: str) -> bool:
    """Tell whether `text` stands for a missing value: `unknown`, `n/a`, `not_classified`, `-`, `(unidentified)` ..."""
    if not any(c.isalpha() for c in text):
        return True
    words = " ".join(text.casefold().replace("_", " ").replace("/", " ").replace(".", " ").split())
    return words.strip(_EDGES + "?") in _PLACEHOLDERS


@lru_cache(maxsize=65536)
def clean_phrase(raw: str) -> str:
    """Return a common name or a description tidied, `""` when it is only a placeholder."""
    text = tidy(raw)
    return "" if is_placeholder(text) else text


def clean_rank(raw: str) -> str:
    """Return the single, capitalised name of a rank above species, `""` when unknown or doubted."""
    words = _words(_RANK_PREFIX.sub("", tidy(raw, form="NFKC")))
    if not words or is_placeholder(" ".join(words)):
        return ""
    marks = [_mark(word) for word in words]
    if marks[0] in _UNKNOWN_STARTS or "incertae" in marks or _doubted(words):
        return ""
    if marks[0] == "candidatus":
        words = words[1:]
    return "" if _mark(words[0]) in _MARKS else _cased(words[0], str.capitalize)


def binomial(genus: str, species: str) -> tuple[str, str]:
    """Return the cleaned genus and epithet, both possibly `""`, from a genus cell and a species cell.

    The species cell may hold an epithet, a binomial with or without authorship, or a trinomial. A binomial written in
    one cell is one statement: its genus fills an empty genus cell and overrules a different one, since an epithet moved
    to another genus is a name that nobody published. An epithet without any genus names nothing and is dropped.
    """
    own = "" if _GENUS_NOT_KNOWN.search(genus) else clean_rank(genus)
    words = _words(tidy(species, form="NFKC"))
    if not words or is_placeholder(" ".join(words)) or _mark(words[0]) in _UNKNOWN_STARTS:
        return own, ""
    genus_of_cell, rest = _take_genus(own, words)
    name = genus_of_cell or own
    if genus_of_cell and not own and _crosses_genera(genus_of_cell, rest):
        return "", ""
    return (name, _epithet(rest)) if name else ("", "")


def _words(text: str) -> list[str]:
    """Split a name into words, hybrid signs apart, without subgenus and leading hybrid signs."""
    spaced = text.translate(_OTHER_CROSSES).replace("_", " ").replace("×", " × ")
    words = _SUBGENUS.sub(" ", spaced).split()
    while words and _mark(words[0]) in _HYBRID_SIGNS:
        words = words[1:]
    return words


def _mark(word: str) -> str:
    """Return a word as the sets of marks spell it: lower case, without brackets and final dots."""
    return word if word in _MARKS else word.strip(_EDGES).casefold()


def _cased(word: str, case: Callable[[str], str]) -> str:
    """Return the letters of `word` in the given case, `""` if it is not a word of at least two letters."""
    plain = word.strip(_EDGES).replace("'", "").replace("’", "")
    cased = case(plain)
    is_word = len(cased) >= 2 and all(part.isalpha() for part in cased.split("-"))
    # Some scripts have letters whose case mapping is not stable; cleaning twice must equal cleaning once.
    return cased if is_word and case(cased) == cased == tidy(cased, form="NFKC") and not is_placeholder(cased) else ""


def _is_lower_word(word: str) -> bool:
    """Tell whether `word` could be an epithet as it should be written."""
    return word == word.lower() and _mark(word) not in _MARKS and _cased(word, str.lower) != ""


def _doubted(words: list[str]) -> bool:
    """Tell whether a uninomial is doubted, one of several, or a formula of two."""
    doubted = any(word.startswith("?") or word.endswith("?") or _mark(word) in _DOUBTS for word in words)
    return doubted or "×" in words or "x" in words


def _take_genus(own: str, words: list[str]) -> tuple[str, list[str]]:
    """Split off the genus written at the start of a species cell, and return it with the words that follow."""
    first, after = words[0], words[1:]
    second_mark = _mark(after[0]) if after else ""
    names_more = bool(after) and (_is_lower_word(after[0]) or second_mark in _DOUBTS | _OPEN | _HYBRID_SIGNS)
    capital = first[:1].isupper()
    if own:
        if first.casefold() == own.casefold() and (capital or names_more):
            # "Pica Pica hudsonia": repeated once more, but "Pica Pica" is a title-cased tautonym.
            repeated = len(after) > 1 and after[0] == own and _is_lower_word(after[1])
            return own, after[1:] if repeated else after
        if _GENUS_INITIAL.fullmatch(first) and own.startswith(first[:-1]):
            return own, after
        return (_cased(first, str.capitalize), after) if capital and after and _is_lower_word(after[0]) else ("", words)
    if _mark(first) in _MARKS or first.startswith("?") or not after:
        return "", words
    promoted = capital or (names_more and first.casefold() != after[0].casefold())
    return (_cased(first, str.capitalize), after) if promoted else ("", words)


def _crosses_genera(genus: str, words: list[str]) -> bool:
    """Tell whether `words` continue a formula between two genera, which belongs to neither."""
    for sign, parent in pairwise(words):
        if _mark(sign) in _HYBRID_SIGNS and parent[:1].isupper():
            return not genus.startswith(parent.rstrip("."))
    return False


def _epithet(words: list[str]) -> str:
    """Return the epithet that begins `words`, `""` if it is missing, open, doubted, or an author."""
    while words and _mark(words[0]) in _HYBRID_SIGNS:
        words = words[1:]
    if not words:
        return ""
    first, after = words[0], words[1:]
    if first[0] in "('\"‘“?" or first.endswith("?") or _mark(first) in _MARKS or _mark(first) in _UNKNOWN_STARTS:
        return ""
    if any(word in {"/", "|", "?", "(?)", "or", "vel"} or _mark(word) in _HYBRID_SIGNS for word in after):
        return ""
    title_case = first[0].isupper() and not first.isupper()
    author_follows = bool(after) and (after[0] in _AUTHOR_WORDS or _YEAR.fullmatch(after[0]) is not None)
    if (title_case and author_follows) or (first[0].isupper() and first.endswith(".")):
        return ""
    return _cased(first, str.lower)
