"""Views of one sheet are one specimen: found once, by the best of them, and counted once."""

from dataclasses import replace

import numpy as np
import pytest
from small_indexes import OAK, batch, encode, specimen, vector

from clipbio.search import Index, Part, Query
from clipbio.search.folder import IndexFolder
from clipbio.search.manifest import About
from clipbio.search.writing import IndexWriter

SHEETS = 12
PARTS = ("leaf", "leaf", "flower")


def rows():
    """Yield sheets, two in three with views behind them; views of a sheet that is not there come last."""
    found = []
    for number in range(SHEETS):
        sheet = specimen(number)
        found.append(sheet)
        for place, part in enumerate(PARTS[: number % 4]):
            view = {"view_of": sheet.id, "part": part, **sheet.metadata}
            found.append(replace(sheet, id=f"{sheet.id}-{place}", metadata=view))
    lost = [specimen(99, id=f"x-{place}", taxon=OAK, metadata={"view_of": "x", "part": "leaf"}) for place in range(2)]
    return [*found, *lost]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("views") / "index"
    with IndexWriter.create(path, About("views")) as writer:
        writer.append([batch(rows()[:10])], encode)
        writer.append([batch(rows()[10:])], encode)
        writer.delete(["s5", "s7-1"])
    return IndexFolder.open(path)


@pytest.fixture(scope="module")
def index(folder):
    return Index(folder)


def living():
    return [one for one in rows() if one.id not in ("s5", "s7-1")]


def sheet_of(one):
    return one.metadata.get("view_of", one.id)


def cosines(query):
    return {one.id: float(vector(one.id) @ query) for one in living()}


def test_a_sheet_comes_once_by_its_best_view(index):
    query = vector("what is asked")
    score = cosines(query)
    best = {}
    for one in living():
        best[sheet_of(one)] = max(best.get(sheet_of(one), one.id), one.id, key=score.__getitem__)
    wanted = sorted(best.values(), key=lambda id: -score[id])
    pages = [index.search(Query((Part("vector", query),)), k=5, offset=offset) for offset in (0, 5, 10, 15)]
    assert [hit.id for page in pages for hit in page.hits] == wanted
    assert {page.total for page in pages} == {len(wanted)}
    assert [hit.rank for page in pages for hit in page.hits] == list(range(1, len(wanted) + 1))


def test_a_view_tells_its_part_its_sheet_and_the_others(index):
    hit = index.specimen("s3-2")
    assert (hit.view_of, hit.part) == ("s3", "flower")
    assert [(view.id, view.part) for view in hit.views] == [("s3", ""), ("s3-0", "leaf"), ("s3-1", "leaf")]
    assert [view.id for view in index.specimen("s7").views] == ["s7-0", "s7-2"]
    assert index.specimen("s0").views == ()


def test_filters_choose_among_views(index):
    found = index.search(Query((Part("vector", vector("q")),)), k=50, where={"part": "flower"})
    assert {hit.part for hit in found.hits} == {"flower"}
    assert found.total == len({sheet_of(one) for one in living() if one.metadata.get("part") == "flower"})


def test_specimens_of_species_and_facets_are_sheets(index):
    found = index.search("leaves", k=9, engine="lexical", show="species").hits
    counts = {hit.name: hit.count for hit in found}
    assert counts == {name: len({sheet_of(one) for one in living() if one.species == name}) for name in counts}
    for hit in found:
        assert len({sheet.view_of or sheet.id for sheet in hit.sheets}) == len(hit.sheets)
    facets = {facet.column: dict(facet.values) for facet in index.facets()}
    assert facets["part"] == {
        part: len({sheet_of(one) for one in living() if one.metadata.get("part") == part}) for part in PARTS
    }
    for facet in index.trait_facets():
        assert facet.specimens <= len({sheet_of(one) for one in living()})
    described = index.search("leaves", engine="lexical", show="descriptions").hits
    assert {hit.name: hit.count for hit in described} == counts


def test_what_is_like_a_sheet_is_none_of_its_views(index):
    found = index.search(Query((Part("specimen", "s3-1"),)), k=50)
    assert found.total == len({sheet_of(one) for one in living()}) - 1
    assert "s3" not in {hit.view_of or hit.id for hit in found.hits}


def test_one_row_of_each_sheet_is_left_the_sheet_before_its_views(folder):
    once = folder.once(folder.alive_N)
    ids = [id for id, one in zip(folder.rows.ids.to_pylist(), once, strict=True) if one]
    # s5 was deleted, x was never there: their first views stand for them.
    assert set(ids) == {*(f"s{number}" for number in range(SHEETS) if number != 5), "s5-0", "x-0"}
    assert len(ids) == SHEETS + 1


def test_an_index_without_views_has_no_sheets_to_look_at(tmp_path):
    with IndexWriter.create(tmp_path / "index", About("plain")) as writer:
        writer.append([batch([specimen(number) for number in range(4)])], encode)
    folder = IndexFolder.open(tmp_path / "index")
    assert folder.sheets is None
    assert folder.once(folder.alive_N) is folder.alive_N


def test_counts_are_of_pairs_of_sheet_and_value(folder):
    generator = np.random.default_rng(0)
    code_N = generator.integers(-1, 4, len(folder)).astype(np.int32)
    for _ in range(5):
        mask_N = generator.random(len(folder)) < 0.5
        pairs = {(sheet, code) for sheet, code in zip(folder.sheets.sheet_N[mask_N], code_N[mask_N], strict=True)}
        wanted = [sum(code == one for _, code in pairs) for one in range(4)]
        assert folder.sheets.counts("random", code_N, 4, mask_N).tolist() == wanted
