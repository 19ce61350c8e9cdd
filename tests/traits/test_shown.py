"""Which organs a picture of an organ shows."""

import pytest

from clipbio.traits.shown import shows


@pytest.mark.parametrize(
    ("part", "organ", "seen"),
    [
        ("leaf", "leaf", True),
        ("leaf", "leaflet", True),
        ("flower", "petal", True),
        ("fruit", "seed", True),
        ("petal", "petal", True),
        ("petal", "flower", False),
        ("leaf", "petal", False),
        ("leaf", "", False),
        ("bract", "anther", False),
    ],
)
def test_an_organ_shows_itself_and_what_is_inside_of_it(part: str, organ: str, seen: bool) -> None:
    assert shows(part, organ) is seen
