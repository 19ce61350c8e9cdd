"""What single sentences tell."""

import unicodedata

import pytest

from clipbio.errors import ClipbioError
from clipbio.traits import extract, language_of


def told(text, group):
    """Return what was extracted, as (character, value) with what else was told behind."""
    found = []
    for one in extract(text, group=group):
        assert text[one.start : one.end] == one.phrase
        more = [one.shade, one.sex, one.stage, one.side, "not" if one.negated else ""]
        found.append(" ".join([f"{one.character}: {one.value}", *filter(None, more)]))
    return found


# Each rule with a sentence of its own.
RULES = {
    "the first noun is the subject of what follows": (
        "plants",
        "Leaves ovate, alternate, with serrate margins.",
        ["leaf shape: ovate", "leaf arrangement: alternate", "leaf margin: serrate"],
    ),
    "are returns to the subject": (
        "plants",
        "The leaves have serrate margins and are dark green.",
        ["leaf margin: serrate", "leaf colour: green dark"],
    ),
    "a noun may be a state": (
        "plants",
        "Fruit is a red berry, 3-4 cm long.",
        ["fruit colour: red", "fruit type: berry", "fruit length: 30-40 mm"],
    ),
    "adjectives wait for their noun after with": (
        "plants",
        "Flowers white, with five rounded petals and a yellow centre.",
        ["flower colour: white", "petal count: 5", "petal shape: rounded", "flower centre colour: yellow"],
    ),
    "with fills a marking": (
        "plants",
        "Leaves spotted with cream.",
        ["leaf pattern: spot", "leaf spot colour: cream"],
    ),
    "and what is no colour does not": (
        "plants",
        "The leaves are spotted with cream and pinnate.",
        ["leaf pattern: spot", "leaf spot colour: cream", "leaf structure: pinnate"],
    ),
    "a semicolon keeps the subject": (
        "plants",
        "Leaves ovate; margins crenate; glabrous.",
        ["leaf shape: ovate", "leaf margin: crenate", "leaf surface: glabrous"],
    ),
    "a full stop does not": (
        "plants",
        "Fruit a globose capsule. Glabrous.",
        ["fruit shape: globose", "fruit type: capsule", "surface: glabrous"],
    ),
    "brackets speak of what stands before them": (
        "plants",
        "Petals white (rarely pink), stamens 10.",
        ["petal colour: white", "petal colour: pink", "stamen count: 10"],
    ),
    "compound nouns": ("insects", "Black FW tips.", ["forewing tip colour: black"]),
    "a noun after a noun and adjectives is a part of the first": (
        "insects",
        "HW black tip.",
        ["hindwing tip colour: black"],
    ),
    "on tells the organ of a marking": (
        "insects",
        "Two white spots on FW.",
        ["forewing spot count: 2", "forewing spot colour: white", "forewing pattern: spot"],
    ),
    "places distribute": (
        "birds",
        "Yellow patches on the wings and on the tail.",
        ["tail patch colour: yellow", "wing patch colour: yellow", "tail pattern: patch", "wing pattern: patch"],
    ),
    "a place before what is said of it": (
        "insects",
        "Brown, crossed on HW by a yellow band.",
        ["wing colour: brown", "hindwing band colour: yellow", "hindwing pattern: band"],
    ),
    "of tells more of a place": (
        "birds",
        "White spot at the base of the bill.",
        ["bill spot colour: white", "bill pattern: spot"],
    ),
    "a row is no marking": (
        "insects",
        "HW with two rows of blue spots.",
        ["hindwing spot colour: blue", "hindwing pattern: spot"],
    ),
    "lists of adjectives": (
        "insects",
        "Black, brown, and blue wings.",
        ["wing colour: black", "wing colour: brown", "wing colour: blue"],
    ),
    "lists of organs share adjectives": (
        "birds",
        "Gray head and back, white rump.",
        ["back colour: grey", "head colour: grey", "rump colour: white"],
    ),
    "unless the second is spoken of": (
        "birds",
        "Black head, and the back is gray.",
        ["head colour: black", "back colour: grey"],
    ),
    "compounds of an adjective and an organ": ("birds", "Red-eyed bird.", ["eye colour: red"]),
    "compounds of a colour and a region": ("insects", "Yellow-tipped antennae.", ["antenna tip colour: yellow"]),
    "rims of markings": (
        "insects",
        "HW with black-rimmed spots.",
        ["hindwing spot rim colour: black", "hindwing pattern: spot"],
    ),
    "a side holds until the next": (
        "insects",
        "Above, brown. HW with a red spot. Below, gray.",
        [
            *("wing colour: brown above", "hindwing spot colour: red above", "hindwing pattern: spot above"),
            "wing colour: grey below",
        ],
    ),
    "a side behind is of what stands before it": (
        "plants",
        "Leaves green above and hairy beneath.",
        ["leaf colour: green above", "leaf surface: hairy below"],
    ),
    "sexes hold for the sentence": (
        "birds",
        "Females are brown with a white throat.",
        ["colour: brown female", "throat colour: white female"],
    ),
    "two sexes are two statements": (
        "birds",
        "Females/immatures are gray.",
        ["colour: grey juvenile", "colour: grey female"],
    ),
    "seasons": ("birds", "Bill black during the breeding season.", ["bill colour: black breeding"]),
    "lacks negates": ("birds", "Male lacks streaks.", ["pattern: streak male not"]),
    "a comma ends not": ("plants", "Leaves not hairy, green.", ["leaf surface: hairy not", "leaf colour: green"]),
    "but for a list up to or": (
        "plants",
        "Petals not red, white or pink.",
        ["petal colour: red not", "petal colour: white not", "petal colour: pink not"],
    ),
    "not and without are no double denial": (
        "plants",
        "Leaves not hairy, without spots.",
        ["leaf surface: hairy not", "leaf pattern: spot not"],
    ),
    "neither and nor deny": (
        "plants",
        "Leaves neither hairy nor spotted.",
        ["leaf surface: hairy not", "leaf pattern: spot not"],
    ),
    "absent denies what stands before": ("insects", "Spots absent.", ["wing pattern: spot not"]),
    "and nothing else": (
        "plants",
        "Leaves ovate, stipules absent; margins serrate.",
        ["leaf shape: ovate", "leaf margin: serrate"],
    ),
    "the wingspan is that of the whole": (
        "insects",
        "Wings yellow; wingspan 65-80 mm.",
        ["wing colour: yellow", "wingspan: 65-80 mm"],
    ),
    "unstreaked is plain": ("birds", "Unstreaked breast.", ["breast pattern: plain"]),
    "comparisons say nothing": ("birds", "Wings longer than tail; darker like a dark sparrow.", []),
    "an adjective waits for the noun of the next": (
        "insects",
        "On FW, 1 small near the tip and 1 large eyespot.",
        [
            *("forewing eyespot count: 1", "forewing eyespot size: small", "forewing eyespot count: 1"),
            *("forewing eyespot size: large", "forewing pattern: eyespot"),
        ],
    ),
    "nor do names in quotation marks": ("birds", 'Some "Red" birds are brown.', ["colour: brown"]),
    "nor do names": ("birds", "Resembles a Red Crossbill. Often flocks with Purple Finches.", []),
    "habits say nothing": ("birds", "Nests in red clay banks with white stones.", []),
    "adjectives of unknown nouns say nothing": ("birds", "Wings brown, a white wedge.", ["wing colour: brown"]),
    "unknown adjectives are passed over": (
        "birds",
        "A long, powerful bill.",
        ["bill shape: long"],
    ),
    "so are participles": ("birds", "Brownish smudged neck.", ["neck colour: brown"]),
    "an amount is no marking": (
        "birds",
        "Yellow patches on the tail and a variable amount of black on the face.",
        ["tail patch colour: yellow", "tail pattern: patch", "face colour: black"],
    ),
    "form of the whole is shape of a part": (
        "birds",
        "Stout bird with stout bill.",
        ["form: stout", "bill shape: stout"],
    ),
    "the first bare size": ("insects", "2 in (51 mm). Small.", ["wingspan: 51 mm", "size: small"]),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule):
    group, text, expected = RULES[rule]
    assert told(text, group) == expected


COLOURS = {
    "bright burnt-orange": ("orange", "bright"),
    "bright, burnt-orange": ("orange", "bright"),
    "yellowish green": ("yellow-green", ""),
    "blue-green": ("blue-green", ""),
    "milk-white": ("white", ""),
    "brownish-maroon": ("maroon", ""),
    "blackish-brown": ("brown", "dark"),
    "deep green": ("green", "dark"),
    "chestnut brown": ("brown", ""),
    "orange-coloured": ("orange", ""),
    "paler, duskier orange": ("orange", "pale"),
    "dark": ("dark", ""),
    "Glaucous": ("blue-green", ""),
}


@pytest.mark.parametrize("words", COLOURS)
def test_colours(words):
    (trait,) = extract(f"Wings {words}.", group="insects")
    assert (trait.value, trait.shade, trait.phrase) == (*COLOURS[words], words)


def test_shades_of_one_hue():
    found = extract("Wings pale to bright yellow.", group="insects")
    assert [(one.value, one.shade, one.phrase) for one in found] == [
        ("yellow", "pale", "pale to bright yellow"),
        ("yellow", "bright", "bright yellow"),
    ]


def test_where_the_words_of_value_and_organ_stand():
    text = "Its bill is short, and bright red."
    for one, phrase in zip(extract(text, group="birds"), ("short", "bright red"), strict=True):
        assert text[one.start : one.end] == one.phrase == phrase
        assert text[one.organ_start : one.organ_end] == "bill"


def test_ranges_keep_their_extremes():
    (trait,) = extract("Leaves (2-)3-5(-8) cm long.", group="plants")
    assert (trait.minimum, trait.low, trait.high, trait.maximum) == (20, 30, 50, 80)
    assert (trait.value, trait.unit) == ("30-50 mm", "mm")


@pytest.mark.parametrize(
    ("text", "organ"),
    [
        ("Leaves ovate and green.", "leaf"),
        ("Forewing black with orange bands.", "forewing"),
        ("Bill long, breast streaked.", "bill"),
    ],
)
def test_the_group_is_told_by_its_words(text, organ):
    assert extract(text)[0].organ == organ
    assert extract(text) == extract(text, group=None)


def test_unknown_groups_and_languages_are_told():
    with pytest.raises(ClipbioError, match="unknown group 'bird'; did you mean 'birds'"):
        extract("Bill long.", group="bird")
    with pytest.raises(ClipbioError, match="no vocabulary of language 'xx'"):
        extract("Bill long.", group="birds", language="xx")


def test_accents_behind_their_letters_are_read_and_places_fit() -> None:
    text = "Feuilles opposées, dentées; pétales violacés de 2,5 à 4 cm de long."
    apart = unicodedata.normalize("NFD", text)
    composed, decomposed = (extract(one, group="plants", language="fr") for one in (text, apart))
    assert [(one.character, one.value) for one in composed] == [(one.character, one.value) for one in decomposed]
    assert [one.phrase for one in decomposed] == [apart[one.start : one.end] for one in decomposed]
    assert apart[decomposed[2].organ_start : decomposed[2].organ_end] == unicodedata.normalize("NFD", "pétales")
    assert language_of(apart) == "fr"


@pytest.mark.parametrize("text", ["", " ", '"', "''", "''\n", '" "'])
def test_texts_that_say_nothing_have_no_traits(text: str) -> None:
    assert extract(text, group="birds") == ()
