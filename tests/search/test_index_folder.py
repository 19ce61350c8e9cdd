"""What is written into an index is what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from small_indexes import ELM, OAK, OAK_TEXT, encode, make, vector

from clipbio.taxonomy import Taxon


def test_rows_texts_and_vectors_come_back(tmp_path: Path) -> None:
    index = make(tmp_path / "index")
    assert index.rows.ids.to_pylist() == [f"s{n}" for n in range(6)]
    assert [index.taxa[code] for code in index.taxon_N] == [OAK, ELM, Taxon()] * 2
    assert index.rows.record(1)["meta.year"] == 1901
    assert index.row_of("s4") == 4
    assert index.row_of("s9") is None
    # Specimens of one taxon with the same descriptions share a group; those without both have each their own.
    assert index.group_N.tolist() == [0, 1, 2, 0, 1, 3]
    assert [index.texts.groups.of(group).tolist() for group in range(4)] == [[0], [1], [], []]
    assert index.texts.descriptions.text(0) == OAK_TEXT
    image, dna = index.vectors("image"), index.vectors("dna")
    assert image is not None
    assert dna is not None
    assert dna.has_N.tolist() == [True, False] * 3
    assert np.allclose(image.of(3), vector("s3"))
    assert np.allclose(dna.take(np.array([4, 0])), [vector("s4dna"), vector("s0dna")])
    assert [index.picture(row) for row in (0, 5)] == [b"s0", b"s5"]


def test_sentences_are_places_in_descriptions_and_have_vectors(tmp_path: Path) -> None:
    texts = make(tmp_path / "index").texts
    sentences = [texts.sentence(number) for number in range(len(texts.sentences))]
    assert sentences[2:] == ["Leaves rough above, with an oblique base.", "Fruits round and winged."]
    assert texts.sentences.offsets_T1.tolist() == [0, 2, 4]
    assert np.allclose(texts.sentence_SD, encode(sentences))
