"""Sizes in the notations of floras and field guides, English and French."""

import pytest

from clipbio.errors import ClipbioError
from clipbio.traits.measures import find_counts, find_measures

Size = tuple[float | None, float | None, float | None, float | None, str, str]


def sizes(text: str, language: str = "en") -> list[list[Size]]:
    found = find_measures(text, language)
    for measure in found:
        assert text[measure.start : measure.end] == measure.phrase
        assert measure.reach[0] <= measure.start < measure.end <= measure.reach[1] <= len(text)
    return [[(d.minimum, d.low, d.high, d.maximum, d.unit, d.role) for d in m.dimensions] for m in found]


def one(low: float | None, high: float | None, unit: str, role: str = "", minimum: float | None = None, maximum: float | None = None) -> list[list[Size]]:  # fmt: skip
    return [[(minimum, low, high, maximum, unit, role)]]


def two(first: tuple[float | None, float | None, str], second: tuple[float | None, float | None, str], roles: tuple[str, str] = ("length", "width")) -> list[list[Size]]:  # fmt: skip
    return [[(None, low, high, None, unit, role) for (low, high, unit), role in zip((first, second), roles)]]


ENGLISH = {
    # One number.
    "spur 7 mm": one(7, 7, "mm"),
    "spur 7mm": one(7, 7, "mm"),
    "spur .7 mm": one(0.7, 0.7, "mm"),
    "spur 0,7 mm": one(0.7, 0.7, "mm"),
    "blade two inches": one(50.8, 50.8, "in"),
    "cells 12 µm": one(0.012, 0.012, "um"),
    "cells 12 μm": one(0.012, 0.012, "um"),
    "cells 12 um": one(0.012, 0.012, "um"),
    "frond 4 dm": one(400, 400, "dm"),
    "trunk 31 m": one(31000, 31000, "m"),
    "a 6-cm spine": one(60, 60, "cm"),
    "a 6-cm-long spine": one(60, 60, "cm", "length"),
    # Ranges.
    "petiole 1.5–5(–7) cm": one(15, 50, "cm", maximum=70),
    "petiole 4-9 mm": one(4, 9, "mm"),
    "petiole 4 - 9 mm": one(4, 9, "mm"),
    "petiole 4--9 mm": one(4, 9, "mm"),
    "petiole 4—9 mm": one(4, 9, "mm"),
    "petiole 4 to 9 mm": one(4, 9, "mm"),
    "petiole from 4 to 9 mm": one(4, 9, "mm"),
    "petiole between 4 and 9 mm": one(4, 9, "mm"),
    "petiole 4 or 9 mm": one(4, 9, "mm"),
    "petiole 8 mm to 3 cm": one(8, 30, "cm"),
    "petiole 8 mm–3 cm": one(8, 30, "cm"),
    "petiole 8 mm-12 mm": one(8, 12, "mm"),
    "height of 1.25-1.75 m": one(1250, 1750, "m", "height"),
    # Extremes.
    "blade (11-)20-31 cm": one(200, 310, "cm", minimum=110),
    "blade (11–)20–31(–40) cm": one(200, 310, "cm", minimum=110, maximum=400),
    "blade [6–]8–21[–30] mm": one(8, 21, "mm", minimum=6, maximum=30),
    "blade (2)3-5(8) mm": one(3, 5, "mm", minimum=2, maximum=8),
    "blade 6(-9) mm": one(6, 6, "mm", maximum=9),
    "blade (4-)6 mm": one(6, 6, "mm", minimum=4),
    "blade 3-6(to 9) mm": one(3, 6, "mm", maximum=9),
    "blade 3-6 (rarely 9) mm": one(3, 6, "mm", maximum=9),
    "blade 3-6 mm (rarely to 9 mm)": one(3, 6, "mm", maximum=9),
    "blade 3-6 cm (-9 cm)": one(30, 60, "cm", maximum=90),
    "blade 3-6, occasionally 9 mm": one(3, 6, "mm", maximum=9),
    # Bounds and approximations.
    "to 13 cm": one(None, 130, "cm"),
    "up to 13 cm tall": one(None, 130, "cm", "height"),
    "up to about 13 cm": one(None, 130, "cm"),
    "less than 2 mm": one(None, 2, "mm"),
    "<2 mm": one(None, 2, "mm"),
    "at most 2 mm": one(None, 2, "mm"),
    "2 mm or less": one(None, 2, "mm"),
    "at least 6 cm": one(60, None, "cm"),
    "more than 6 cm": one(60, None, "cm"),
    "> 6 cm": one(60, None, "cm"),
    "6 cm or more": one(60, None, "cm"),
    "6+ cm": one(60, None, "cm"),
    "±3.5 mm": one(3.5, 3.5, "mm"),
    "c. 3 mm": one(3, 3, "mm"),
    "2(?) cm d.b.h.": one(20, 20, "cm", "diameter"),
    "blade 3-6 (9) mm": one(3, 6, "mm", maximum=9),
    "blade (2) 3-6 mm": one(3, 6, "mm", minimum=2),
    "blade 3-6(or 9) mm": one(3, 6, "mm", maximum=9),
    "blade 5–12+ mm": one(5, 12, "mm"),
    "blade 3 ± 0.5 mm": one(2.5, 3.5, "mm"),
    "blade 1.2 (1.0–1.5) mm": one(1, 1.5, "mm"),
    "c.5 mm": one(5, 5, "mm"),
    # Several dimensions.
    "(12-)23-34 × 45-56 cm": [[(120, 230, 340, None, "cm", "length"), (None, 450, 560, None, "cm", "width")]],
    "ca. 1.6 × 1-1.3 × 0.7-0.8 cm": [[(None, 16, 16, None, "cm", "length"), (None, 10, 13, None, "cm", "width"), (None, 7, 8, None, "cm", "thickness")]],
    "3–5 cm × 4–11 mm": two((30, 50, "cm"), (4, 11, "mm")),
    "1-2.5 × to 1.6 cm": two((10, 25, "cm"), (None, 16, "cm")),
    "5--16 x 4--12 cm": two((50, 160, "cm"), (40, 120, "cm")),
    "8x3 mm": two((8, 8, "mm"), (3, 3, "mm")),
    "8 by 3 mm": two((8, 8, "mm"), (3, 3, "mm")),
    "8 mm long × 3 mm wide": two((8, 8, "mm"), (3, 3, "mm")),
    "3 mm wide × 8 mm long": two((3, 3, "mm"), (8, 8, "mm"), ("width", "length")),
    "8 × 3 mm in diameter": two((8, 8, "mm"), (3, 3, "mm"), ("length", "diameter")),
    "8 mm high × 3 mm": two((8, 8, "mm"), (3, 3, "mm"), ("height", "width")),
    "8 × 3": [],
    # What is measured.
    "wingspan: 31-36 mm": one(31, 36, "mm", "wingspan"),
    "wing span of 31-36 mm": one(31, 36, "mm", "wingspan"),
    "31-36 mm in wingspan": one(31, 36, "mm", "wingspan"),
    "diam. 4 mm": one(4, 4, "mm", "diameter"),
    "4 mm diam.": one(4, 4, "mm", "diameter"),
    "4 mm across": one(4, 4, "mm", "diameter"),
    "4 mm thick": one(4, 4, "mm", "thickness"),
    "4 mm broad": one(4, 4, "mm", "width"),
    "width about 4 mm": one(4, 4, "mm", "width"),
    "cup, 9-11 mm, 3-4 mm high": [*one(9, 11, "mm"), *one(3, 4, "mm", "height")],
    "length 9 mm, width 4 mm": [*one(9, 9, "mm", "length"), *one(4, 4, "mm", "width")],
    "spikes 9 cm. long": one(90, 90, "cm", "length"),
    # Inches and feet, with and without millimetres.
    '3 1/2-4" (89-102 mm). Very large': one(89, 102, "mm"),
    '7/8-1 1/8"': one(22.225, 28.575, "in"),
    "1 1/4–2 in. (32–51 mm) wide": one(32, 51, "mm", "width"),
    "32–51 mm (1 1/4–2 in)": one(32, 51, "mm"),
    "2 in long (5 cm)": one(50, 50, "cm", "length"),
    "3 × 1 in (8 × 2.5 cm)": two((80, 80, "cm"), (25, 25, "cm")),
    "3½ in. high": one(88.9, 88.9, "in", "height"),
    "1-1/2 inches": one(38.1, 38.1, "in"),
    "3/4” wide": one(19.05, 19.05, "in", "width"),
    "5'6\" tall": one(1676.4, 1676.4, "in", "height"),
    "5 ft. 6 in. tall": one(1676.4, 1676.4, "in", "height"),
    "3–4' tall": one(914.4, 1219.2, "ft", "height"),
    "3-4 in wide": one(76.2, 101.6, "in", "width"),
    "3-4 in axils": [],
    "1.5 m. (5 ft.) high": one(1500, 1500, "m", "height"),
    "half an inch long": one(12.7, 12.7, "in", "length"),
    "about a foot tall": one(304.8, 304.8, "ft", "height"),
    "6 in.-1 ft. tall": one(152.4, 304.8, "ft", "height"),
    "Wingspan: 1 3/4 - 2 1/4 inches (4.5 - 5.7 cm).": one(45, 57, "cm", "wingspan"),
    "2 cm dia.": one(20, 20, "cm", "diameter"),
}  # fmt: skip

FRENCH = {
    "limbe de 3,5-6 cm": one(35, 60, "cm"),
    "limbe de 3 à 6 cm de long": one(30, 60, "cm", "length"),
    "limbe long de 3,5-6 cm": one(35, 60, "cm", "length"),
    "limbe large d'environ 6 cm": one(60, 60, "cm", "width"),
    "limbe (3-)4-6(-8) cm": one(40, 60, "cm", minimum=30, maximum=80),
    "limbe de 4-6 cm (rarement 8 cm)": one(40, 60, "cm", maximum=80),
    "entre 4 et 6,5 mm": one(4, 6.5, "mm"),
    "jusqu'à 12 cm": one(None, 120, "cm"),
    "jusqu’a 12 cm": one(None, 120, "cm"),
    "atteignant 2,5 m de haut": one(None, 2500, "m", "height"),
    "pouvant atteindre 30 m": one(None, 30000, "m"),
    "au plus 2 mm": one(None, 2, "mm"),
    "2 mm au plus": one(None, 2, "mm"),
    "au moins 2 mm": one(2, None, "mm"),
    "plus de 2 mm": one(2, None, "mm"),
    "env. 5 mm d'épaisseur": one(5, 5, "mm", "thickness"),
    "3-6 × 1,5-2 cm": two((30, 60, "cm"), (15, 20, "cm")),
    "3-6 cm de long sur 15-20 mm de large": two((30, 60, "cm"), (15, 20, "mm")),
    "envergure : 32-38 mm": one(32, 38, "mm", "wingspan"),
    "32 à 38 mm d’envergure": one(32, 38, "mm", "wingspan"),
    "un diamètre de 8 mm": one(8, 8, "mm", "diameter"),
    "8 mm de diametre": one(8, 8, "mm", "diameter"),
    "haut de 30 à 60 centimètres": one(300, 600, "cm", "height"),
    "hauteur 30-60 cm": one(300, 600, "cm", "height"),
    "de 5 à 10 (15) cm": one(50, 100, "cm", maximum=150),
    "larg. 2 cm": one(20, 20, "cm", "width"),
    "un mètre de haut": one(1000, 1000, "m", "height"),
    "quelques mm": [],
    "à 1 200 m d'altitude": [],
    "alt. 300 m": [],
    "dans 2 m d'eau": [],
}

REJECTED = (
    "scales 23-34 × 45-56",
    "1/5–1/4 the length",
    "alt. 300 m",
    "at 1200-1500 m",
    "1200-1500 m elevation",
    "elevation: 300 m",
    "altitudes of 100-300 m",
    "between 300 and 500 m above sea level",
    "rises up to 130 feet into the air",
    "nests 6 m up a tree",
    "dives 20 m deep",
    "seen 5 m from the shore",
    "ratio = 5 mm",
    "3 mg and 5 kg at 20 °C, 45 %",
    "12°30'15\"N, 7° 20' E",
    "code AB-123-45, 12-34-56 mm",
    "123456789012345 mm",
    "grows 5 mm per day, 5 mm/day",
    "9999 m",
    "0 mm",
    "area 5 cm², 5 mm2, volume 3 cm³",
    'the "7" is read',
    "the 1990’s",
)


@pytest.mark.parametrize("text", ENGLISH)
def test_english_sizes(text: str) -> None:
    assert sizes(text) == ENGLISH[text]


@pytest.mark.parametrize("text", FRENCH)
def test_french_sizes(text: str) -> None:
    assert sizes(text, "fr") == FRENCH[text]


@pytest.mark.parametrize("text", REJECTED)
def test_numbers_that_are_no_sizes(text: str) -> None:
    assert sizes(text) == []


def test_phrases_hold_numbers_and_units_and_reach_holds_the_words_around() -> None:
    text = "Spines, length ca. 2-3 cm (fruiting), tube up to 4 mm long; wings 2 in. (5 cm) wide."
    found = find_measures(text)
    assert [measure.phrase for measure in found] == ["ca. 2-3 cm", "up to 4 mm", "2 in. (5 cm)"]
    assert [text[slice(*measure.reach)] for measure in found] == ["length ca. 2-3 cm", "up to 4 mm long", "2 in. (5 cm) wide"]  # fmt: skip
    assert [measure.is_approximate for measure in found] == [True, False, False]


def test_the_sex_beside_a_size() -> None:
    found = find_measures(
        "3–9(–11) mm (pistillate) or 5–8 mm (staminate); ♂ 4 mm, females 5 mm, 6 mm in the male, 7 mm"
    )
    assert [measure.sex for measure in found] == ["female", "male", "male", "female", "male", ""]
    assert [m.sex for m in find_measures("12 mm (femelle), 9 mm chez le mâle", "fr")] == ["female", "male"]


def test_a_comma_is_decimal_in_french_and_parts_thousands_in_english() -> None:
    assert sizes("2,500 mm") == one(2500, 2500, "mm")
    assert sizes("2,500 mm", "fr") == one(2.5, 2.5, "mm")
    assert sizes("2\u202f500 mm", "fr") == one(2500, 2500, "mm")


def test_another_language_is_refused() -> None:
    with pytest.raises(ClipbioError, match="language='la': descriptions are read in en or fr only"):
        find_measures("folia 3 cm longa", "la")
    with pytest.raises(ClipbioError, match="language='la'"):
        find_counts("petala 5", "la")
