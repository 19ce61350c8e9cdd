"""iNaturalist's exported observations."""

from __future__ import annotations

from pathlib import Path

import pytest
from exports import write_pictures
from published_tables import HEAT, INAT, INAT_RANKS, PHOTO, row, write_inat

from clipbio.data.sources import InaturalistSource


def test_inaturalist_export_with_and_without_columns_of_ranks(tmp_path: Path) -> None:
    images = write_pictures(tmp_path / "images", ["701.jpeg", "702.jpg", "703.jpg", "9003.jpg"])
    ranks = {f"taxon_{rank}_name": name for rank, name in HEAT.items()}
    rows = [
        {"id": "9001", "image_url": PHOTO.format(701), "license": "CC-BY-NC", "user_login": "ann", "user_name": "Ann A.", "common_name": "Postman", "scientific_name": "Heliconius melpomene rosina", "description": 'Wings "red",\nseen at noon', **ranks},
        {"id": "9002", "image_url": PHOTO.format(702), "user_login": "bob", "scientific_name": "Heliconius melpomene × timareta", **ranks | {"taxon_species_name": "", "taxon_hybrid_name": "Heliconius melpomene × timareta"}},
        {"id": "9003", "image_url": PHOTO.format(799), "scientific_name": "Heliconius", **ranks},
        {"id": "9004", "scientific_name": "Heliconius", **ranks},
    ]  # fmt: skip
    columns = [*INAT, *INAT_RANKS, "field:host+plant"]
    path = write_inat(tmp_path / "observations-1.csv", columns, [row(columns, **cells) for cells in rows])
    source = InaturalistSource(path, images=images)
    butterfly, hybrid = source
    assert butterfly.taxon.ranks == (*list(HEAT.values())[:6], "melpomene")
    assert (butterfly.image, butterfly.common_names) == (images / "701.jpeg", ("Postman",))
    assert (butterfly.licence, butterfly.rights_holder, butterfly.descriptions) == ("CC-BY-NC", "Ann A.", ())
    assert butterfly.metadata["image_url"] == PHOTO.format(701)
    assert butterfly.metadata["description"] == 'Wings "red",\nseen at noon'
    assert (hybrid.image, hybrid.rights_holder) == (images / "702.jpg", "bob")
    assert (hybrid.taxon.genus, hybrid.taxon.species) == ("Heliconius", "")
    assert source.defects.counts == {"image_not_downloaded": 1, "no_image_no_dna": 1}
    assert source.defects.of("image_not_downloaded")[0].where == "observations-1.csv line 5"
    by_id = InaturalistSource(path, images=images, images_named_by="id")
    assert [s.image for s in by_id] == [images / "9003.jpg"]
    told = next(iter(InaturalistSource(path, images=images, descriptions=True)))
    assert told.descriptions == ('Wings "red", seen at noon',)
    assert "description" not in told.metadata
    plain = write_inat(
        tmp_path / "plain.csv",
        INAT,
        [row(INAT, id="1", image_url=PHOTO.format(703), scientific_name="Pica pica", iconic_taxon_name="Aves")],
    )
    (bird,) = InaturalistSource(plain, images=images)
    assert (bird.taxon.kingdom, bird.taxon.scientific_name) == ("Animalia", "Pica pica")


@pytest.mark.parametrize(
    ("name", "iconic", "deepest", "label"),
    [
        ("Corvidae", "Aves", ("family", "Corvidae"), ""),
        ("Fagaceae", "Plantae", ("family", "Fagaceae"), ""),
        ("Fagaceae", "", ("family", "Fagaceae"), ""),
        ("Magnoliidae", "Plantae", ("kingdom", "Plantae"), "Magnoliidae"),
        ("Pica", "Aves", ("kingdom", "Animalia"), "Pica"),
        ("Animalia", "Animalia", ("kingdom", "Animalia"), ""),
        ("Plantae", "Plantae", ("kingdom", "Plantae"), ""),
        ("Pica pica", "Aves", ("species", "Pica pica"), ""),
    ],
)
def test_names_above_species_without_columns_of_ranks(
    tmp_path: Path, name: str, iconic: str, deepest: tuple[str, str] | None, label: str
) -> None:
    images = write_pictures(tmp_path / "images", ["703.jpg"])
    cells = {"id": "1", "image_url": PHOTO.format(703), "scientific_name": name, "iconic_taxon_name": iconic}
    path = write_inat(tmp_path / "plain.csv", INAT, [row(INAT, **cells)])
    (specimen,) = InaturalistSource(path, images=images)
    assert (specimen.taxon.deepest, specimen.label) == (deepest, label)
