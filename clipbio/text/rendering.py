"""Say what a specimen is called, and what it is called when that name is missing.

A text type that a specimen lacks is replaced along `FALLBACKS`, and `Rendered.type` tells which one was used, so a
caption is never empty and `a photo of .` cannot arise. Only when nothing names it at all `Unnameable` is raised.

Templates decorate names: every type but `description`, which is prose and used as it stands, and `traits`, which is
what descriptions say organ by organ (`leaves ovate, with serrate margins; petals five`). Of a view of one organ both
tell what is about that organ, and names stand in where nothing is (`clipbio.text.told`). `label` is the class string as
it is (BioCLIP's `asis`: no cleaning, underscores and authors kept), put into the template like a name.
`clibd` is what CLIBD (https://arxiv.org/abs/2405.17537) calls a record, for comparison with its results alone: order,
family, genus and binomial (else the label, which may be a provisional name of a species), and the literal
`not_classified` for each that is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from clipbio.errors import ClipbioError, nearest
from clipbio.names import clean_phrase
from clipbio.taxonomy import RANKS, Taxon
from clipbio.text.told import told_texts, told_traits
from clipbio.traits import prose

__all__ = [
    "FALLBACKS",
    "PROSE",
    "TEXT_TYPES",
    "MissingRanks",
    "Named",
    "Rendered",
    "Unnameable",
    "check_type",
    "clibd_name",
    "clibd_text",
    "render",
]

MissingRanks = Literal["skip", "deepest"]
"""What a taxonomic text does about ranks that are not known: leaves them out, or is cut above the first."""

_NOT_CLASSIFIED = "not_classified"

# What stands in for what. Without a common name one falls back along the taxon: binomial, then the known ranks. Without
# a binomial the known ranks come first, since they were determined; a common name alone may mean anything.
FALLBACKS: dict[str, tuple[str, ...]] = {
    "common": ("common", "scientific", "taxonomic", "label"),
    "scientific": ("scientific", "taxonomic", "common", "label"),
    "taxonomic": ("taxonomic", "common", "label"),
    "taxonomic_tagged": ("taxonomic_tagged", "common", "label"),
    "scientific_common": ("scientific_common", "scientific", "taxonomic_common", "taxonomic", "common", "label"),
    "taxonomic_common": ("taxonomic_common", "taxonomic", "common", "label"),
    "description": ("description", "common", "scientific", "taxonomic", "label"),
    "traits": ("traits", "description", "common", "scientific", "taxonomic", "label"),
    "label": ("label", "scientific", "common", "taxonomic"),
    "clibd": ("clibd",),
}
TEXT_TYPES = tuple(FALLBACKS)
"""All types of text, as `text.weights` and benchmarks name them."""
PROSE = frozenset({"description", "traits"})
"""Text types that stand as they are, without a template."""


class Named(Protocol):
    """A thing with names: a specimen, or a species."""

    @property
    def taxon(self) -> Taxon:
        """Return the determination."""

    @property
    def common_names(self) -> tuple[str, ...]:
        """Return the vernacular names, the preferred one first."""

    @property
    def descriptions(self) -> tuple[str, ...]:
        """Return the descriptions, each a text of its own."""

    @property
    def label(self) -> str:
        """Return the free class string."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A caption, and the text type that was really used for it."""

    text: str
    type: str


class Unnameable(ClipbioError):  # noqa: N818 - a state of the data, skipped and counted like one
    """Nothing names this specimen: no rank, common name, description or label."""


def render(
    named: Named, text_type: str, *, template: str = "a photo of {}.", missing_ranks: MissingRanks = "skip"
) -> Rendered:
    """Return the caption of `named` as `text_type`, the same one every time.

    Of several common names or descriptions the first is used, descriptions as a whole; traits are those of all
    descriptions.

    Args:
        named: what is to be named.
        text_type: one of `TEXT_TYPES`.
        template: text with one `{}` for the name.
        missing_ranks: what a lineage with a missing rank is called: `skip` tells the ranks that are known, `deepest`
            only the name of the deepest of them.

    Raises:
        Unnameable: nothing names it.
    """
    for candidate in FALLBACKS[check_type(text_type)]:
        words = _wording(named, candidate, missing_ranks, is_fallback=candidate != text_type)
        if words:
            return Rendered(words if candidate in PROSE else template.replace("{}", words), candidate)
    identity = getattr(named, "id", "")
    raise Unnameable(f"{identity or 'a specimen'}: no rank, common name, description or label to call it by; skip it")


def check_type(text_type: str) -> str:
    """Return `text_type` if it is one of `TEXT_TYPES`, else tell the nearest one."""
    if text_type not in FALLBACKS:
        raise ClipbioError(f"unknown text type '{text_type}'{nearest(str(text_type), TEXT_TYPES)}")
    return text_type


def _wording(named: Named, text_type: str, missing_ranks: MissingRanks, *, is_fallback: bool) -> str:
    if text_type == "label":
        # A class may be called "other", but nothing else should be called that for want of a name.
        return clean_phrase(named.label) if is_fallback else named.label.strip()
    return _WORDINGS[text_type](named, missing_ranks)


def _common(named: Named, missing_ranks: MissingRanks) -> str:
    del missing_ranks
    return next(filter(None, map(clean_phrase, named.common_names)), "")


def _scientific(named: Named, missing_ranks: MissingRanks) -> str:
    del missing_ranks
    return named.taxon.scientific_name


def _description(named: Named, missing_ranks: MissingRanks) -> str:
    del missing_ranks
    return next(iter(told_texts(named)), "")


def _traits(named: Named, missing_ranks: MissingRanks) -> str:
    del missing_ranks
    return prose(told_traits(named))


def _known_ranks(taxon: Taxon, missing_ranks: MissingRanks) -> list[tuple[str, str]]:
    """Return the ranks to tell, an epithet never without its genus."""
    known = [(rank, name) for rank, name in zip(RANKS, taxon.ranks, strict=True) if name]
    if taxon.species and not taxon.genus:
        known.pop()
    if missing_ranks == "deepest" and len(known) < len(RANKS):
        return known[-2:] if taxon.scientific_name else known[-1:]
    return known


def _taxonomic(named: Named, missing_ranks: MissingRanks) -> str:
    return " ".join(name for _, name in _known_ranks(named.taxon, missing_ranks))


def _taxonomic_tagged(named: Named, missing_ranks: MissingRanks) -> str:
    return " ".join(f"{rank} {name}" for rank, name in _known_ranks(named.taxon, missing_ranks))


def _clibd(named: Named, missing_ranks: MissingRanks) -> str:
    del missing_ranks
    text = clibd_text(named)
    return text if set(text.split()) != {_NOT_CLASSIFIED} else ""


def clibd_text(named: Named) -> str:
    """Return what CLIBD calls a record, whatever of it is known."""
    return " ".join(clibd_name(named, rank) for rank in ("order", "family", "genus", "species"))


def clibd_name(named: Named, rank: str) -> str:
    """Return what CLIBD calls a record at a rank."""
    taxon = named.taxon
    name = (taxon.scientific_name or named.label) if rank == "species" else taxon.ranks[RANKS.index(rank)]
    return name or _NOT_CLASSIFIED


def _with_common_name(
    name_of: Callable[[Named, MissingRanks], str],
) -> Callable[[Named, MissingRanks], str]:
    """Return the wording of BioCLIP (https://arxiv.org/abs/2311.18803), which needs both names."""

    def wording(named: Named, missing_ranks: MissingRanks) -> str:
        name, common = name_of(named, missing_ranks), _common(named, missing_ranks)
        return f"{name} with common name {common}" if name and common else ""

    return wording


_WORDINGS: dict[str, Callable[[Named, MissingRanks], str]] = {
    "common": _common,
    "scientific": _scientific,
    "taxonomic": _taxonomic,
    "taxonomic_tagged": _taxonomic_tagged,
    "scientific_common": _with_common_name(_scientific),
    "taxonomic_common": _with_common_name(_taxonomic),
    "description": _description,
    "traits": _traits,
    "clibd": _clibd,
}
