"""`meta.xml`, the description of a Darwin Core Archive: which files there are, and what their columns mean."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from clipbio.data.sources.delimited import Dialect
from clipbio.errors import ClipbioError

__all__ = ["MAX_BYTES", "MetaFile", "read_meta"]

MAX_BYTES = 4 * 2**20
"""Largest `meta.xml` that is read; real ones have some 30 KiB."""

_MAX_COLUMNS = 100_000
# Terms of these namespaces are known by their last word; others keep their whole address.
_NAMESPACES = (
    "http://rs.tdwg.org/dwc/terms/",
    "http://purl.org/dc/terms/",
    "http://purl.org/dc/elements/1.1/",
    "http://rs.gbif.org/terms/1.0/",
    "http://rs.tdwg.org/ac/terms/",
    "http://ns.adobe.com/xap/1.0/rights/",
    "http://ns.adobe.com/xap/1.0/",
)
_ESCAPES = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\r\\n": "\r\n", "\\0": "", "\\\\": "\\"}


@dataclass(frozen=True, slots=True)
class MetaFile:
    """One table of an archive, core or extension.

    `terms` gives the column of a term, `defaults` the value of a term that is the same in all rows, or that stands
    where its column is empty. `id_column` is that of the core's id, `width` the least number of columns of a row.
    """

    row_type: str
    locations: tuple[str, ...]
    dialect: Dialect
    id_column: int
    terms: Mapping[str, int]
    defaults: Mapping[str, str]
    width: int

    def only(self, terms: Container[str]) -> MetaFile:
        """Return the table with some of its terms: GBIF's have more than 200, most of them empty."""
        kept = {term: column for term, column in self.terms.items() if term in terms}
        return replace(self, terms=kept, defaults={t: value for t, value in self.defaults.items() if t in terms})

    def values(self, cells: list[str]) -> dict[str, str]:
        """Return the values of a row by term; the core's id stands under the empty name."""
        values = {term: cells[column] for term, column in self.terms.items()}
        for term, default in self.defaults.items():
            values[term] = values.get(term) or default
        values[""] = cells[self.id_column].strip()
        return values


def read_meta(data: bytes, where: str, wanted: Container[str] = frozenset()) -> tuple[MetaFile, tuple[MetaFile, ...]]:
    """Return the core and the wanted extensions that a `meta.xml` describes.

    Args:
        data: The bytes of the file.
        where: What to call it in messages.
        wanted: Row types of the extensions, by their last word; the others may be as they like.

    Raises:
        ClipbioError: It is no such description, holds entities, or describes what is not supported.
    """
    root = _parsed(data, where)
    cores = list(_children(root, "core")) or list(_children(root, "coreFile"))
    if len(cores) != 1:
        raise ClipbioError(f"{where} describes {len(cores)} cores; a Darwin Core Archive has one")
    core = _meta_file(cores[0], "id", where)
    nodes = [node for node in _children(root, "extension") if _last_word(node.get("rowType", "")) in wanted]
    # An extension may be described and have no file, in archives that were exported without any of its rows.
    extensions = [node for node in nodes if _locations(node)]
    return core, tuple(_meta_file(node, "coreid", where) for node in extensions)


def _parsed(data: bytes, where: str) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        # Entities are never needed here, and a document type only serves to smuggle them in.
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise ClipbioError(f"{where} holds a document type or entities ({error}); that is refused") from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ClipbioError(f"{where} is no XML that can be read ({reason})") from error
    return root


def _meta_file(element: Element, id_name: str, where: str) -> MetaFile:
    row_type = _last_word(element.get("rowType", ""))
    what = f"{where}, {row_type or 'a table without rowType'}"
    locations = _locations(element)
    if not locations:
        raise ClipbioError(f"{what}: no file is named")
    terms, defaults = _fields(element, what)
    id_nodes = list(_children(element, id_name))
    id_column = _column(id_nodes[0].get("index", ""), what) if id_nodes else _own_id(terms)
    width = max((id_column, *terms.values())) + 1
    return MetaFile(row_type, locations, _dialect(element, what), id_column, terms, defaults, width)


def _locations(element: Element) -> tuple[str, ...]:
    named = ((node.text or "").strip() for files in _children(element, "files") for node in files)
    return tuple(name for name in named if name)


def _fields(element: Element, what: str) -> tuple[dict[str, int], dict[str, str]]:
    terms: dict[str, int] = {}
    defaults: dict[str, str] = {}
    for node in _children(element, "field"):
        term = _term(node.get("term", ""))
        if (index := node.get("index")) is not None:
            terms.setdefault(term, _column(index, what))
        if (default := node.get("default")) is not None:
            defaults.setdefault(term, default)
    terms.pop("", None)
    defaults.pop("", None)
    return terms, defaults


def _own_id(terms: Mapping[str, int]) -> int:
    """Return the column of the id where none is declared, as in the archives of some portals."""
    return next((terms[name] for name in ("gbifID", "occurrenceID", "taxonID", "id") if name in terms), 0)


def _dialect(element: Element, what: str) -> Dialect:
    # A line end or tab that was written into the attribute as such arrives as a blank: XML says so.
    line_end = _unescaped(element.get("linesTerminatedBy", "\\n")).strip(" ") or "\n"
    delimiter = _unescaped(element.get("fieldsTerminatedBy", ","))
    header = element.get("ignoreHeaderLines", "0").strip() or "0"
    if not header.isdecimal() or len(header) > 4:
        raise ClipbioError(f"{what}: ignoreHeaderLines='{header[:20]}' is no number of lines")
    try:
        return Dialect(
            delimiter="\t" if delimiter == " " else delimiter,
            quote=_unescaped(element.get("fieldsEnclosedBy", '"')).strip(" "),
            line_end=line_end,
            encoding=element.get("encoding", "UTF-8").strip() or "UTF-8",
            header_lines=int(header),
        )
    except ClipbioError as error:
        raise ClipbioError(f"{what}: {error}") from error


def _unescaped(value: str) -> str:
    return _ESCAPES.get(value, value)


def _column(index: str, what: str) -> int:
    if not (index.strip().isdecimal() and index.isascii() and len(index.strip()) < 7 and int(index) < _MAX_COLUMNS):
        raise ClipbioError(f"{what}: index='{index[:20]}' is no number of a column")
    return int(index)


def _term(uri: str) -> str:
    uri = uri.strip().replace("https://", "http://")
    return next((uri[len(known) :] for known in _NAMESPACES if uri.startswith(known)), uri)


def _last_word(uri: str) -> str:
    return uri.strip().rstrip("/").replace("#", "/").rpartition("/")[2]


def _children(element: Element, name: str) -> Iterator[Element]:
    """Yield the children of a name, in whatever namespace."""
    for child in element:
        tag: Any = child.tag
        if isinstance(tag, str) and tag.rpartition("}")[2] == name:
            yield child
