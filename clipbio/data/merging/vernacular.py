"""Common names from vernacular tables: one for each taxon, by rules that give the same one each time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from clipbio.data.merging.checklist import Checklist
from clipbio.data.merging.columns import NameTable, chosen_form
from clipbio.data.merging.resolving import Resolver
from clipbio.data.merging.settings import NameFile
from clipbio.data.species_texts import name_of
from clipbio.data.specimen import SpeciesText
from clipbio.errors import ClipbioError
from clipbio.names import clean_phrase, clean_rank
from clipbio.taxonomy import Taxon

__all__ = ["read_common_names"]

FORMS = {
    "gbif": {"id": "taxonID", "text": "vernacularName", "language": "language", "preferred": "isPreferredName"},
    "coldp": {"id": "taxonID", "text": "name", "language": "language", "preferred": "preferred"},
    "table": {
        "name": "scientific_name",
        "text": "common_name",
        "language": "language",
        "preferred": "preferred",
        "kingdom": "kingdom",
    },
}
_YES = frozenset({"1", "true", "t", "yes", "y", "preferred"})

Key = tuple[str, str]


def read_common_names(
    files: Sequence[NameFile], taxa: Collection[Taxon], resolver: Resolver, languages: Sequence[str] = ()
) -> list[SpeciesText]:
    """Return at most one common name for each taxon.

    A name that its table calls preferred comes before others; then the order of `languages`, then the number of rows
    that have the name, then the alphabet. Earlier files come before later ones.

    Args:
        files: `VernacularName` tables of GBIF and ColDP, whose ids are those of the checklist, or tables with the
            columns `scientific_name`, `common_name`, and optionally `language`, `preferred` and `kingdom`.
        taxa: The taxa that want a name, as the checklist accepts them.
        resolver: Knows the accepted names.
        languages: Languages that are taken; empty takes all alike.
    """
    wanted = _Wanted(taxa)
    found: dict[Key, SpeciesText] = {}
    for file in files:
        for text in _chosen(file, wanted, resolver, [language.casefold() for language in languages]):
            found.setdefault((text.kingdom, text.scientific_name), text)
    return [found[key] for key in sorted(found)]


class _Wanted:
    """The names that taxa are looked up by, with their kingdoms."""

    def __init__(self, taxa: Iterable[Taxon]) -> None:
        self.kingdoms: dict[str, set[str]] = {}
        for taxon in taxa:
            if name := name_of(taxon):
                self.kingdoms.setdefault(name, set()).add(taxon.kingdom)

    def keys(self, name: str, kingdom: str) -> list[Key]:
        """Return kingdom and name of the one taxon that is meant; twice where some records do not tell its kingdom."""
        kingdoms = self.kingdoms.get(name, set())
        if len(kingdoms - {""}) > 1:
            # Which of them a record without a kingdom is of, nobody knows.
            return [(kingdom, name)] if kingdom in kingdoms - {""} else []
        fits = not kingdom or kingdoms <= {kingdom, ""}
        return [(one, name) for one in sorted(kingdoms)] if fits else []


def _chosen(file: NameFile, wanted: _Wanted, resolver: Resolver, languages: Sequence[str]) -> Iterator[SpeciesText]:
    counts: dict[Key, dict[tuple[str, str], list[int]]] = {}
    table = NameTable(file.path, member="VernacularName")
    for keys, text, language, preferred in _rows(table, file, wanted, resolver):
        if languages and language.casefold() not in languages:
            continue
        for key in keys:
            seen = counts.setdefault(key, {}).setdefault((text, language), [0, 0])
            seen[0] += 1
            seen[1] |= preferred
    for (kingdom, name), texts in counts.items():
        (text, language), _ = min(texts.items(), key=lambda item: _order(item[0], item[1], languages))
        yield SpeciesText(kingdom, name, "common_name", text, language, source=table.name)


def _order(name: tuple[str, str], seen: Sequence[int], languages: Sequence[str]) -> tuple[int, int, int, str, str]:
    text, language = name
    place = languages.index(language.casefold()) if languages else 0
    return (-seen[1], place, -seen[0], text, language)


def _rows(
    table: NameTable, file: NameFile, wanted: _Wanted, resolver: Resolver
) -> Iterator[tuple[list[Key], str, str, bool]]:
    form, columns = chosen_form(table, FORMS, form=file.format, columns=file.columns, required=("text",))
    if form != "table" and (resolver.checklist is None or resolver.checklist.ids is None):
        raise ClipbioError(f"{table.path} names taxa by id; give merge.checklist of the same release")
    for batch in table.batches(columns):
        count = len(batch["text"])
        keys_of_rows = _keys_of_ids(batch["id"], wanted, resolver) if form != "table" else None
        cells = {field: column.to_pylist() for field, column in batch.items() if field != "id"}
        for place in range(count):
            text = clean_phrase(cells["text"][place])
            keys = keys_of_rows[place] if keys_of_rows else _keys_of_name(cells, place, wanted, resolver)
            if keys and text:
                preferred = cells["preferred"][place].lower() in _YES if "preferred" in cells else False
                yield keys, text, cells["language"][place] if "language" in cells else "", preferred


def _keys_of_ids(ids: object, wanted: _Wanted, resolver: Resolver) -> list[list[Key]]:
    checklist = resolver.checklist
    assert checklist is not None
    return [_keys_of_row(checklist, int(row), wanted) if row >= 0 else [] for row in checklist.row_of_ids(ids)]


def _keys_of_row(checklist: Checklist, row: int, wanted: _Wanted) -> list[Key]:
    accepted = checklist.accepted(row)
    if accepted is None or checklist.name(accepted) not in wanted.kingdoms:
        return []
    return wanted.keys(checklist.name(accepted), checklist.lineage(accepted).kingdom)


def _keys_of_name(cells: dict[str, list[str]], place: int, wanted: _Wanted, resolver: Resolver) -> list[Key]:
    raw = cells["name"][place]
    kingdom = cells["kingdom"][place] if "kingdom" in cells else ""
    taxon = Taxon.from_mapping({"kingdom": kingdom, "species": raw})
    if not taxon.scientific_name:
        return wanted.keys(clean_rank(raw), taxon.kingdom)
    if taxon.scientific_name in wanted.kingdoms:
        return wanted.keys(taxon.scientific_name, taxon.kingdom)
    resolved = resolver(taxon).taxon
    return wanted.keys(resolved.scientific_name, resolved.kingdom)
