"""What single sentences tell."""

import pytest

from clipbio.traits import extract


def told(text, group):
    """Return what was extracted, as (character, value) with what else was told behind."""
    found = []
    for one in extract(text, group=group):
        assert text[one.start : one.end] == one.phrase
        more = [one.shade, one.sex, one.stage, one.side, "not" if one.negated else ""]
        found.append(" ".join([f"{one.character}: {one.value}", *filter(None, more)]))
    return found


PLANTS = {
    "Leaves ovate, alternate, with serrate margins.": [
        "leaf shape: ovate",
        "leaf arrangement: alternate",
        "leaf margin: serrate",
    ],
    "The leaves have serrate margins and are dark green.": ["leaf margin: serrate", "leaf colour: green dark"],
    "Fruit is a red berry, 3-4 cm long.": ["fruit colour: red", "fruit type: berry", "fruit length: 30-40 mm"],
    "Leaves pinnate with ovate leaflets, spotted with cream.": [
        "leaf structure: pinnate",
        "leaflet shape: ovate",
        "leaf pattern: spot",
        "leaf spot colour: cream",
    ],
    "Flowers white, with five rounded petals and a yellow centre, in a raceme, 16–20 mm across.": [
        "flower colour: white",
        "petal count: 5",
        "petal shape: rounded",
        "flower centre colour: yellow",
        "flower arrangement: raceme",
        "flower diameter: 16-20 mm",
    ],
}


@pytest.mark.parametrize("text", PLANTS)
def test_floras(text):
    assert told(text, "plants") == PLANTS[text]
