"""Phrases about parts are read in the language of the texts, with the words of the specimen's group."""

from clipbio.data.specimen import Specimen
from clipbio.grounding.queries import phrases_of, states_of
from clipbio.taxonomy import Taxon


def test_french_descriptions_are_read_as_french() -> None:
    text = "Feuilles ovales, vertes ; fleurs rouges à pétales non dentés."
    specimen = Specimen("a", Taxon(kingdom="Plantae"), descriptions=(text, "Leaves ovate and hairy."))
    assert [one.text for one in phrases_of(specimen, "leaf", most=5)] == [
        "leaves green",
        "leaves ovate",
        "leaves hairy",
    ]
    assert [one.text for one in phrases_of(specimen, "flower", most=5)] == ["flowers red"]


def test_the_taxon_tells_which_words_are_used() -> None:
    text = "Wings black; abdomen white; antennae orange; bill red."
    insect, bird = (
        Specimen("a", taxon, descriptions=(text,)) for taxon in (Taxon(class_="Insecta"), Taxon(class_="Aves"))
    )
    assert ("antenna colour", "orange") in states_of(insect) - states_of(bird)
    assert ("bill colour", "red") in states_of(bird) - states_of(insect)
