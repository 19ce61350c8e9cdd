from __future__ import annotations

import pytest

from clipbio.data.sources.darwin_core import name_of_taxon, split_media, taxon_of
from clipbio.data.sources.pictures import stems_of_url


@pytest.mark.parametrize(
    ("values", "deepest"),
    [
        ({"genus": "Quercus", "specificEpithet": "robur"}, ("species", "Quercus robur")),
        ({"genus": "Quercus", "species": "Quercus robur", "scientificName": "Quercus pedunculata Ehrh."}, ("species", "Quercus robur")),
        ({"scientificName": "Quercus robur L."}, ("species", "Quercus robur")),
        ({"scientificName": "Quercus ×rosacea Bechst."}, ("species", "Quercus rosacea")),
        ({"scientificName": "Parus (Parus) major", "taxonRank": "Species"}, ("species", "Parus major")),
        ({"scientificName": "QUERCUS ROBUR", "taxonRank": "species"}, ("species", "Quercus robur")),
        ({"scientificName": "Acer saccharum var. nigrum", "taxonRank": "variety"}, ("species", "Acer saccharum")),
        ({"scientificName": "Abronia fragrans", "taxonRank": "subspecies"}, ("species", "Abronia fragrans")),
        ({"scientificName": "Quercus L.", "taxonRank": "GENUS"}, ("genus", "Quercus")),
        ({"scientificName": "Fagaceae Dumort.", "taxonRank": "family"}, ("family", "Fagaceae")),
        ({"scientificName": "Fagaceae Dumort.", "kingdom": "Plantae"}, ("kingdom", "Plantae")),
        ({"scientificName": "Quercoideae Õrsted", "taxonRank": "subfamily", "family": "Fagaceae"}, ("family", "Fagaceae")),
        ({"scientificName": "BOLD:AAA0001", "taxonRank": "UNRANKED", "genus": "Pica"}, ("genus", "Pica")),
        ({"genus": "Quercus", "specificEpithet": "robur", "identificationQualifier": "cf."}, ("genus", "Quercus")),
        ({"scientificName": "Quercus robur", "identificationQualifier": "aff. robur"}, ("genus", "Quercus")),
        ({"genus": "Quercus", "specificEpithet": "robur", "identificationQualifier": "s. str."}, ("species", "Quercus robur")),
        ({"scientificName": "Quercus cf. robur"}, ("genus", "Quercus")),
        ({"scientificName": "Quercus sp."}, ("genus", "Quercus")),
        ({"scientificName": "Quercus indet."}, ("genus", "Quercus")),
        ({"scientificName": "Quercus L."}, None),
        ({"genus": "unknown", "kingdom": "NA"}, None),
        ({"scientificName": "Quercus robur L.", "specificEpithet": "robur", "taxonRank": "species"}, ("species", "Quercus robur")),
        ({"specificEpithet": "robur"}, None),
        ({"genus": "Leucanthemum", "genericName": "Chrysanthemum", "specificEpithet": "leucanthemum"}, ("species", "Chrysanthemum leucanthemum")),
        ({"genus": "Leucanthemum", "scientificName": "Chrysanthemum leucanthemum L.", "specificEpithet": "leucanthemum"}, ("species", "Chrysanthemum leucanthemum")),
    ],
)  # fmt: skip
def test_which_cells_tell_the_taxon(values: dict[str, str], deepest: tuple[str, str] | None) -> None:
    assert taxon_of(values).deepest == deepest


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"scientificName": "Quercoideae Õrsted", "taxonRank": "subfamily", "family": "Fagaceae"}, "Quercoideae"),
        ({"scientificName": "Fagaceae Dumort."}, "Fagaceae"),
        ({"family": "Fagaceae"}, "Fagaceae"),
        ({"scientificName": "Quercus robur L.", "taxonRank": "species"}, "Quercus robur"),
        ({"scientificName": "Quercus cf. robur", "taxonRank": "species"}, ""),
        ({"scientificName": "Quercus cf. robur"}, ""),
    ],
)
def test_which_name_bears_the_texts_of_a_taxon(values: dict[str, str], name: str) -> None:
    assert name_of_taxon({**values, "kingdom": "Plantae"}) == ("Plantae", name)


@pytest.mark.parametrize(
    ("cell", "count"),
    [("", 0), ("see label", 0), ("http://x/a.jpg", 1), ("http://x/a|http://x/b", 2), ("http://x/a ; http://x/b", 2),
     ("http://x/a#http://x/b", 2), ("http://x/a#top", 1), ("http://x/a,b.jpg, http://x/c", 2)],
)  # fmt: skip
def test_addresses_in_one_cell(cell: str, count: int) -> None:
    assert len(split_media(cell)) == count


@pytest.mark.parametrize(
    ("url", "stems"),
    [
        ("https://x.example/a/b%20c.JPG?size=3#d", ("b c",)),
        ("https://x.example/photos/123/medium.jpeg", ("123",)),
        ("https://x.example/iiif/2/K000123/full/max/0/default.jpg", ("K000123", "K000123")),
        ("https://x.example/image.php", ("image.php",)),
        ("https://x.example/", ()),
        ("large.jpg", ()),
        ("https://x.example/./full/max/0/default.jpg", (".",)),
        ("http://[::1", ()),
    ],
)
def test_names_of_files_of_addresses(url: str, stems: tuple[str, ...]) -> None:
    assert stems_of_url(url) == stems
