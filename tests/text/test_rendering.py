import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from things import MAGPIE, MIDGE, MONARCH, MONARCH_TEXT, THINGS, Thing

from clipbio.errors import ClipbioError
from clipbio.taxonomy import Taxon
from clipbio.text import PROSE, TEMPLATES, TEXT_TYPES, Rendered, Unnameable, clibd_text, render
from clipbio.text.rendering import FALLBACKS

LINEAGE = "Animalia Chordata Aves Passeriformes Corvidae Pica hudsonia"
TAGGED = "kingdom Animalia phylum Chordata class Aves order Passeriformes family Corvidae genus Pica species hudsonia"
FAMILY = "Animalia Arthropoda Insecta Diptera Cecidomyiidae"


@pytest.mark.parametrize(
    ("text_type", "text"),
    [
        # The example of TreeOfLife's data card.
        ("scientific", "a photo of Pica hudsonia."),
        ("common", "a photo of black-billed magpie."),
        ("taxonomic", f"a photo of {LINEAGE}."),
        ("taxonomic_tagged", f"a photo of {TAGGED}."),
        ("scientific_common", "a photo of Pica hudsonia with common name black-billed magpie."),
        ("taxonomic_common", f"a photo of {LINEAGE} with common name black-billed magpie."),
    ],
)
def test_wording_of_bioclip(text_type, text):
    assert render(MAGPIE, text_type) == Rendered(text, text_type)


def test_description_is_whole_the_first_and_without_template():
    assert render(MONARCH, "description", template="a photo of {}.") == Rendered(MONARCH_TEXT, "description")


def test_label_stands_as_it_is_in_the_template():
    assert render(MONARCH, "label") == Rendered("a photo of monarch_male.", "label")
    assert render(Thing(label="Amanita excelsa Gonn. & Rabenh."), "label", template="{}").text.endswith(
        "Gonn. & Rabenh."
    )


def test_braces_in_a_name_are_only_text():
    assert render(Thing(label="leaf {0} {}"), "label").text == "a photo of leaf {0} {}."


@pytest.mark.parametrize(
    ("text_type", "skip", "deepest"),
    [
        ("common", FAMILY, "Cecidomyiidae"),
        ("scientific", FAMILY, "Cecidomyiidae"),
        ("taxonomic", FAMILY, "Cecidomyiidae"),
        ("scientific_common", FAMILY, "Cecidomyiidae"),
        ("taxonomic_common", FAMILY, "Cecidomyiidae"),
        ("description", FAMILY, "Cecidomyiidae"),
        (
            "taxonomic_tagged",
            "kingdom Animalia phylum Arthropoda class Insecta order Diptera family Cecidomyiidae",
            "family Cecidomyiidae",
        ),
    ],
)
def test_a_midge_known_to_family_is_called_by_its_ranks(text_type, skip, deepest):
    used = text_type if text_type.startswith("taxonomic_t") else "taxonomic"
    assert render(MIDGE, text_type) == Rendered(f"a photo of {skip}.", used)
    assert render(MIDGE, text_type, missing_ranks="deepest") == Rendered(f"a photo of {deepest}.", used)


def test_a_gap_above_a_known_species():
    carp = Thing(Taxon("Animalia", "Chordata", "", "Cypriniformes", "Cyprinidae", "Cyprinus", "carpio"))
    skipped = render(carp, "taxonomic", template="{}").text
    assert skipped == "Animalia Chordata Cypriniformes Cyprinidae Cyprinus carpio"
    assert render(carp, "taxonomic", template="{}", missing_ranks="deepest").text == "Cyprinus carpio"
    tagged = render(carp, "taxonomic_tagged", template="{}", missing_ranks="deepest").text
    assert tagged == "genus Cyprinus species carpio"


def test_a_full_lineage_is_told_whole_under_both_policies():
    assert render(MAGPIE, "taxonomic", missing_ranks="deepest") == render(MAGPIE, "taxonomic")


NAMELESS = MAGPIE.taxon
OAKS = Taxon(kingdom="Plantae", genus="Quercus")


@pytest.mark.parametrize(
    ("thing", "text_type", "used"),
    [
        (Thing(NAMELESS), "common", "scientific"),
        (Thing(NAMELESS, ("unknown", "-")), "common", "scientific"),
        (Thing(NAMELESS), "scientific_common", "scientific"),
        (Thing(NAMELESS), "taxonomic_common", "taxonomic"),
        (Thing(NAMELESS), "description", "scientific"),
        (Thing(NAMELESS, ("magpie",), ("-",)), "description", "common"),
        (Thing(NAMELESS), "label", "scientific"),
        (Thing(OAKS, ("oaks",)), "scientific", "taxonomic"),
        (Thing(OAKS, ("oaks",)), "scientific_common", "taxonomic_common"),
        (Thing(common_names=("oaks",)), "taxonomic", "common"),
        (Thing(common_names=("oaks",)), "scientific_common", "common"),
        (Thing(label="leaf_rust"), "taxonomic", "label"),
        (Thing(label="leaf_rust"), "description", "label"),
        (Thing(label="other"), "label", "label"),
    ],
)
def test_fallbacks(thing, text_type, used):
    assert render(thing, text_type).type == used


@pytest.mark.parametrize("text_type", TEXT_TYPES)
@pytest.mark.parametrize(
    "thing", [Thing(), Thing(common_names=("",)), Thing(common_names=("n/a",), descriptions=("-",))]
)
def test_nothing_to_call_it_by(thing, text_type):
    with pytest.raises(Unnameable, match="skip it"):
        render(thing, text_type)


def test_a_label_that_says_unknown_names_nothing_else():
    with pytest.raises(Unnameable):
        render(Thing(label="unknown"), "common")


def test_unknown_type_names_the_nearest():
    with pytest.raises(ClipbioError, match="did you mean 'scientific'"):
        render(MAGPIE, "scientifc")


def test_every_type_falls_back_to_types():
    assert set(TEXT_TYPES) == set(FALLBACKS)
    for text_type, chain in FALLBACKS.items():
        assert chain[0] == text_type
        assert set(chain) <= set(TEXT_TYPES)


@settings(deadline=None)  # the first traits read the vocabularies
@given(
    THINGS, st.sampled_from(TEXT_TYPES), st.sampled_from(TEMPLATES["herbarium"]), st.sampled_from(["skip", "deepest"])
)
def test_a_caption_is_never_empty_nor_the_bare_template(thing, text_type, template, missing_ranks):
    try:
        rendered = render(thing, text_type, template=template, missing_ranks=missing_ranks)
    except Unnameable:
        assert thing.taxon.is_empty
        return
    words = rendered.text if rendered.type in PROSE else rendered.text.removeprefix(template.split("{}")[0])
    assert any(c.isalnum() for c in words.removesuffix(template.split("{}")[1])) or thing.label.strip() in words
    assert rendered.text.strip()
    assert rendered.text != template.replace("{}", "")
    assert "  " not in rendered.text or thing.label in rendered.text


def test_a_provisional_species_of_clibd_stands_in_its_label():
    known = Thing(Taxon(order="Diptera", family="Sciaridae", genus="Sciara"), label="Sciara sp. BOLD:AAA0001")
    assert render(known, "clibd", template="{}").text == "Diptera Sciaridae Sciara Sciara sp. BOLD:AAA0001"
    assert render(MIDGE, "clibd", template="{}").text == "Diptera Cecidomyiidae not_classified not_classified"
    assert clibd_text(Thing()) == " ".join(["not_classified"] * 4)
    with pytest.raises(Unnameable):
        render(Thing(), "clibd")
