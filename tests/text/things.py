"""Named things for the tests of this room, and what hypothesis makes of them."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from clipbio.taxonomy import RANKS, Taxon


@dataclass(frozen=True)
class Thing:
    taxon: Taxon = field(default_factory=Taxon)
    common_names: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    label: str = ""


MONARCH_TEXT = (
    '3 1/2-4" (89-102 mm). Very large, with FW long and drawn out. Above, bright, burnt-orange with black veins; FW '
    "tip broadly black with larger white and orange spots. Below, paler, duskier orange. Female darker with black "
    "veins smudged."
)
MONARCH = Thing(
    Taxon("Animalia", "Arthropoda", "Insecta", "Lepidoptera", "Nymphalidae", "Danaus", "plexippus"),
    ("Monarch", "Milkweed Butterfly"),
    (MONARCH_TEXT, "A large orange butterfly."),
    "monarch_male",
)
MAGPIE = Thing(
    Taxon("Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Pica", "hudsonia"), ("black-billed magpie",)
)
# As three quarters of an insect barcoding set are known: to family.
MIDGE = Thing(Taxon("Animalia", "Arthropoda", "Insecta", "Diptera", "Cecidomyiidae"))

WORDS = st.one_of(st.text(max_size=12), st.sampled_from(["", " ", "-", "unknown", "n/a", "{}", "Blue Jay", "a. b. C"]))
TAXA = st.builds(
    Taxon.from_mapping, st.dictionaries(st.sampled_from(RANKS), st.one_of(WORDS, st.just("Pica hudsonia")))
)
THINGS = st.builds(
    Thing,
    TAXA,
    st.lists(WORDS, max_size=2).map(tuple),
    st.lists(st.one_of(WORDS, st.text(alphabet="ab .;A1(", max_size=80)), max_size=2).map(tuple),
    WORDS,
)
