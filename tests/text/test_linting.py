import numpy as np
import pytest
from things import MAGPIE, MIDGE, MONARCH, Thing

from clipbio.taxonomy import Taxon
from clipbio.text import TextRegime, lint

JAY = Thing(Taxon("Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Cyanocitta", "cristata"), ("Blue Jay",))
BUTTERFLY = Thing(Taxon(kingdom="Animalia", genus="Pieris", species="japonica"))
SHRUB = Thing(Taxon(kingdom="Plantae", genus="Pieris", species="japonica"))


class WordTokenizer:
    """Words as numbers between a start and an end mark, to a fixed window or to the longest text of a call."""

    def __init__(self, window, *, fixed=True, pad=0):
        self.window, self.fixed, self.pad = window, fixed, pad
        self.vocabulary = {}

    def __call__(self, texts):
        rows = [[self.vocabulary.setdefault(word, len(self.vocabulary) + 3) for word in text.split()] for text in texts]
        rows = [[1, *row[: self.window - 2], 2] for row in rows]
        width = self.window if self.fixed else max(map(len, rows))
        return np.array([row + [self.pad] * (width - len(row)) for row in rows])


TOKENIZERS = [{"fixed": True}, {"fixed": False}, {"fixed": True, "pad": 1}]


@pytest.mark.parametrize("style", TOKENIZERS)
def test_clean_captions_are_clean(style):
    report = lint([MAGPIE, JAY], TextRegime({"common": 1, "taxonomic": 1}), WordTokenizer(30, **style), 30)
    assert report.is_clean
    assert [(row["text_type"], row["species"], row["texts"]) for row in report.rows] == [
        ("common", 2, 2),
        ("taxonomic", 2, 2),
    ]


@pytest.mark.parametrize("style", TOKENIZERS)
def test_cut_captions_and_the_collisions_they_make(style):
    # "a photo of Animalia Chordata Aves Passeriformes Corvidae ..." is cut before the genus.
    (row,) = lint([MAGPIE, JAY, MONARCH], TextRegime({"taxonomic": 1}), WordTokenizer(10, **style), 10).findings
    assert (row.truncated, row.colliding, row.largest_group) == (3, 2, 2)
    assert not row.is_clean
    assert not row.constant
    assert row.examples[0].startswith("truncated: a photo of")
    assert row.examples[1].startswith("shared by Cyanocitta cristata (Animalia), Pica hudsonia (Animalia): a photo of")


def test_two_texts_cut_in_different_calls_still_collide(monkeypatch):
    monkeypatch.setattr("clipbio.text.linting._CHUNK", 1)
    (row,) = lint([MAGPIE, JAY], TextRegime({"taxonomic": 1}), WordTokenizer(10, fixed=False), 10).findings
    assert row.colliding == 2


def test_a_tokenizer_that_does_not_cut_is_cut_at_the_window_of_the_model():
    (row,) = lint([MAGPIE, JAY, MONARCH], TextRegime({"taxonomic": 1}), WordTokenizer(100), 9).findings
    assert (row.truncated, row.colliding) == (3, 2)


def test_a_caption_that_fits_with_room_to_spare_is_not_cut():
    # Seven ranks, three words of template, two marks.
    (row,) = lint([MAGPIE], TextRegime({"taxonomic": 1}), WordTokenizer(13), 13).findings
    assert row.truncated == 0


def test_hemihomonyms_collide_by_name_and_not_by_lineage():
    scientific, taxonomic = lint(
        [BUTTERFLY, SHRUB], TextRegime({"scientific": 1, "taxonomic": 1}), WordTokenizer(30), 30
    ).findings
    assert scientific.colliding == 2
    assert scientific.constant
    assert taxonomic.colliding == 0


def test_things_are_read_once():
    things = iter([MAGPIE, JAY])
    report = lint(things, TextRegime({"common": 1, "taxonomic": 1}), WordTokenizer(30), 30)
    assert [row.species for row in report.findings] == [2, 2]


def test_specimens_of_one_species_do_not_collide():
    (row,) = lint([MAGPIE, MAGPIE], TextRegime({"common": 1}), WordTokenizer(30), 30).findings
    assert (row.species, row.texts, row.colliding, row.constant) == (1, 1, 0, False)


def test_fallbacks_and_the_unnameable_are_counted():
    (row,) = lint([MAGPIE, MIDGE, Thing()], TextRegime({"common": 1}), WordTokenizer(30), 30).findings
    assert (row.species, row.fallbacks, row.unnameable) == (2, 1, 1)
    assert not row.is_clean


def test_all_drawn_parts_of_descriptions_are_seen():
    regime = TextRegime({"description": 1}, unit="sentence", max_units=1)
    (row,) = lint([MONARCH], regime, WordTokenizer(100), 100, draws=200).findings
    assert row.texts == 5


def test_one_caption_for_all_is_constant():
    things = [Thing(JAY.taxon, label="bird"), Thing(MAGPIE.taxon, label="bird")]
    report = lint(things, TextRegime({"label": 1}), WordTokenizer(30), 30)
    assert report.rows[0]["constant"]
    assert not report.is_clean


def test_nothing_to_look_at():
    assert lint([], TextRegime({"common": 1}), WordTokenizer(30), 30).is_clean


def test_tokenizer_of_open_clip():
    from open_clip import get_tokenizer

    long = Thing(MAGPIE.taxon, (), ("word " * 100,))
    regime = TextRegime({"scientific": 1, "description": 1})
    scientific, description = lint([long, MONARCH], regime, get_tokenizer("ViT-B-32"), 77).findings
    assert scientific.is_clean
    assert description.truncated == 1
    assert description.examples[0].startswith("truncated: word word")
