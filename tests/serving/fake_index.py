"""A small index without a folder or a model: rows in a list, words found as they are, pictures told by their colour."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from clipbio.errors import ClipbioError, nearest
from clipbio.search.facets import Facet
from clipbio.search.manifest import Manifest, Piece
from clipbio.search.query import Array, Query
from clipbio.search.results import DescriptionHit, Passage, Results, SpeciesHit, SpecimenHit
from clipbio.search.traits import TraitFacet
from clipbio.taxonomy import RANKS, Taxon

__all__ = ["FakeEncoder", "FakeFolder", "FakeIndex", "picture_bytes"]

DIM = 8
FAMILIES = ("Rosaceae", "Fagaceae", "Poaceae")
TEXTS = (
    "Leaves alternate, margin serrate. Flowers white.",
    "Leaves lobed, hairy below. Fruit an acorn.",
    "Leaves linear; ligule short. Spikelets <b>awned</b>.",
)
SPECIES = (("Rosa", "canina"), ("Quercus", "robur"), ("Poa", "annua"))


def picture_bytes(
    colour: tuple[int, int, int] = (30, 120, 40), size: tuple[int, int] = (40, 60), kind: str = "JPEG"
) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


class FakeEncoder:
    """Vectors of a few counts, of length one."""

    modalities = frozenset({"text", "image", "dna"})
    is_ready = True
    has_failed = False

    def text(self, texts: Sequence[str]) -> Array:
        return np.stack([self._unit(text.encode()) for text in texts])

    def image(self, data: bytes) -> Array:
        try:
            with Image.open(io.BytesIO(data)) as image:
                colour = image.convert("RGB").resize((1, 1)).tobytes()
        except OSError as error:
            raise ClipbioError("the picture cannot be decoded") from error
        return self._unit(colour)

    def dna(self, barcode: str) -> Array:
        if set(barcode.upper()) - set("ACGTN-"):
            raise ClipbioError("the barcode has letters other than A, C, G, T and N")
        return self._unit(barcode.upper().encode())

    def _unit(self, data: bytes) -> Array:
        vector = np.bincount(np.frombuffer(data, np.uint8) % DIM, minlength=DIM).astype(np.float32) + 0.1
        return vector / np.linalg.norm(vector)


class FakeFolder:
    def __init__(self, originals: Mapping[int, bytes], rows: int) -> None:
        self.originals = originals
        self.alive_N = np.ones(rows, bool)
        self.manifest = Manifest(
            "fake",
            "2026-01-01T00:00:00+00:00",
            "2026-01-02T00:00:00+00:00",
            model={"name": "tiny", "weights": {"image": "a1b2c3"}, "source": {"checkpoint": "/secret/run"}},
            dim=DIM,
            modalities=("image", "dna"),
            rows=rows,
            alive=rows,
            image_folders=("/secret/pictures",),
            texts=Piece("texts/000001", {}, {"groups": 3, "descriptions": 3, "sentences": 6}),
            versions={"clipbio": "0.1.0"},
        )

    def original(self, row: int) -> bytes | None:
        return self.originals.get(row)


class FakeIndex:
    """`rows` specimens of three species in turn; the first one has a picture, and all but it no original."""

    def __init__(self, rows: int = 45) -> None:
        self.encoder: FakeEncoder | None = FakeEncoder()
        self.folder = FakeFolder({0: picture_bytes(size=(3000, 1500))}, rows)
        self.specimens = [self._hit(row) for row in range(rows)]

    def search(
        self,
        query: Query | str,
        *,
        k: int = 10,
        offset: int = 0,
        where: Any = None,
        engine: Any = "fused",
        show: Any = "specimens",
        key: Any = None,
        exact: bool = True,
    ) -> Results:
        self.exact = exact
        query = Query.text(query) if isinstance(query, str) else query
        hits = self._passing(where)
        for part in query.parts:
            if part.kind == "specimen":
                known = self.specimen(str(part.value))
                hits = [hit for hit in hits if hit.row % 3 == known.row % 3 and hit.row != known.row]
            if part.kind == "text":
                word = str(part.value).lower()
                hits = [hit for hit in hits if word in TEXTS[hit.row % 3].lower()]
            if part.kind == "vector":
                assert isinstance(part.value, np.ndarray)
                assert part.value.shape == (DIM,)
        found: list[Any] = [self._shown(hit, show) for hit in hits]
        if show != "specimens":
            found = list({one.name: one for one in reversed(found)}.values())[::-1]
        ranked = [replace(one, rank=place, score=1 / place) for place, one in enumerate(found, 1)]
        notes = ("nothing matches all words",) if not ranked else ()
        return Results(tuple(ranked[offset : offset + k]), show, engine, offset, len(ranked), 0.001, notes)

    def facets(self, where: Any = None) -> Sequence[Facet]:
        self._passing(where)
        hits = self._passing({key: value for key, value in (where or {}).items() if key != "family"})
        counts = {name: sum(hit.taxon.family == name for hit in hits) for name in FAMILIES}
        return [Facet("family", tuple((name, count) for name, count in counts.items() if count))]

    def trait_facets(self, where: Any = None) -> Sequence[TraitFacet]:
        hits = self._passing(where)
        count = sum(hit.row % 3 == 2 for hit in hits)
        return [TraitFacet("leaf shape", "leaf", "", "shape", count, (("linear", count),))]

    def specimen(self, id: str) -> SpecimenHit:
        for hit in self.specimens:
            if hit.id == id:
                return hit
        raise ClipbioError(f"there is no specimen '{id[:40]}' in the index")

    def descriptions_of(self, row: int) -> Sequence[dict[str, Any]]:
        return [{"text": TEXTS[row % 3], "language": "en", "type": "morphology", "source": "a flora", "licence": "CC0"}]

    def picture(self, row: int) -> bytes | None:
        return picture_bytes() if row == 0 else None

    def _passing(self, where: Any) -> list[SpecimenHit]:
        hits = self.specimens
        for column, wanted in (where or {}).items():
            if column not in (*RANKS, "id", "year"):
                raise ClipbioError(f"there is no column '{column}'{nearest(column, RANKS)}")
            values = wanted if isinstance(wanted, list) else [wanted]
            if column == "family":
                for value in values:
                    if value not in FAMILIES:
                        raise ClipbioError(f"family={value}: no specimen has it{nearest(value, FAMILIES)}")
                hits = [hit for hit in hits if hit.taxon.family in values]
        return hits

    def _hit(self, row: int) -> SpecimenHit:
        genus, species = SPECIES[row % 3]
        values = {"year": 1900 + row, "height": float("nan") if row == 0 else 1.5, "note": "=1+1"}
        passage = Passage(TEXTS[row % 3].split(".")[0] + ".", row % 3, 0, 20, ((0, 6),))
        return SpecimenHit(
            0,
            0.0,
            row,
            f"herb:{row}/a",
            Taxon("Plantae", "Tracheophyta", "", "", FAMILIES[row % 3], genus, species),
            f"{genus} {species}",
            licence="CC0",
            has_picture=row == 0,
            values=values,
            lists={"description": row + 1},
            passage=passage,
        )

    def _shown(self, hit: SpecimenHit, show: str) -> Any:
        if show == "species":
            return SpeciesHit(0, 0.0, hit.taxon, hit.name, "", 15, (hit,), hit.lists, hit.passage)
        if show == "descriptions":
            text = TEXTS[hit.row % 3]
            return DescriptionHit(0, 0.0, hit.row % 3, hit.taxon, hit.name, text, ((0, 6),), hit.passage, count=15)
        return hit
