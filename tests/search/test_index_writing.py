"""Appending, replacing, deleting and compacting: an index is always what its writers said last."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from small_indexes import DIM, ELM, OAK_TEXT, batch, encode, ids, make, specimen, vector

from clipbio.data.specimen import SpeciesText, Specimen
from clipbio.errors import ClipbioError
from clipbio.search.folder import IndexFolder
from clipbio.search.lexical import Lexicon
from clipbio.search.manifest import About
from clipbio.search.new_rows import ImagePlace, NewRows
from clipbio.search.words import parse
from clipbio.search.writing import IndexWriter


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave it to the system when it writes: that changes nothing that is read."""
    monkeypatch.setattr(os, "fsync", lambda number: None)


def state(folder: IndexFolder) -> dict[str, tuple[object, ...]]:
    """Return all that is stored for each living specimen, and check that its vectors are its own."""
    found = {}
    for row in np.flatnonzero(folder.alive_N).tolist():
        id = folder.rows.ids[row].as_py()
        texts = [folder.texts.descriptions.text(number) for number in folder.texts.groups.of(folder.group_N[row])]
        year = folder.rows.record(row).get("meta.year")
        found[id] = (folder.taxa[folder.taxon_N[row]], tuple(texts), year, folder.picture(row))
        image, dna = folder.vectors("image"), folder.vectors("dna")
        assert image is not None
        assert np.allclose(image.of(row), vector(id), atol=1e-6)
        if dna is not None and dna.has_N[row]:
            assert np.allclose(dna.of(row), vector(id + "dna"), atol=1e-6)
    return found


def due(specimens: Sequence[Specimen]) -> dict[str, tuple[object, ...]]:
    return {one.id: (one.taxon, one.descriptions, one.metadata["year"], one.id.encode()) for one in specimens}


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sets(st.integers(0, 11), min_size=1, max_size=6)),
        st.tuples(st.just("delete"), st.sets(st.integers(0, 11), max_size=6)),
        st.tuples(st.just("compact"), st.just(set())),
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps)
@example([("delete", {0}), ("compact", set())])
def test_it_holds_what_a_dictionary_would(tmp_path_factory: pytest.TempPathFactory, steps: object) -> None:
    path, known = tmp_path_factory.mktemp("index") / "index", {}
    for number, (action, numbers) in enumerate([("append", {0, 1}), *steps]):  # type: ignore[misc]
        writer = IndexWriter.open(path) if number else IndexWriter.create(path, About("small"))
        things = {f"s{one}": specimen(one, metadata={"year": 1000 * number + one}) for one in sorted(numbers)}
        with writer:
            if action == "append":
                assert writer.append([batch(list(things.values()))], encode, replace=True) == len(things)
                known |= things
            elif action == "delete":
                gone = [id for id in things if id in known]
                assert writer.delete(gone) == len(gone)
                known = {id: one for id, one in known.items() if id not in gone}
            else:
                writer.compact()
        folder = IndexFolder.open(path)
        assert state(folder) == due(list(known.values()))
        assert folder.manifest.alive == len(known)
        named = {piece.folder for piece in folder.manifest.pieces}
        assert {f"{one.parent.name}/{one.name}" for one in path.glob("*/*") if one.is_dir()} == named


def test_an_append_encodes_only_sentences_that_are_new(tmp_path: Path) -> None:
    path, asked = tmp_path / "index", []
    before = make(path, 3).texts

    def listening(texts: Sequence[str]) -> np.ndarray:
        asked.extend(texts)
        return encode(texts)

    told = SpeciesText("Plantae", "Ulmus glabra", "description", "Bark  grey. " + OAK_TEXT, "en", "flora", "a book")
    with IndexWriter.open(path) as writer:
        writer.append([batch([specimen(3), specimen(4, descriptions=(told.text,))])], listening, texts=[told])
    after = IndexFolder.open(path)
    assert asked == ["Bark grey. Leaves lobed, almost without a stalk."]
    assert after.texts.descriptions.table.slice(0, 2).equals(before.descriptions.table)
    assert after.texts.descriptions.record(2)["source"] == "a book"
    assert after.texts.descriptions.record(2)["name"] == ELM.scientific_name
    assert after.group_N.tolist() == [0, 1, 2, 0, 3]
    sentences = [" ".join(text.split()) for text in after.texts.all_sentences()]
    assert np.allclose(after.texts.sentence_SD, encode(sentences), atol=1e-6)
    assert after.texts.lexical_path is not None
    assert (Lexicon.load(after.texts.lexical_path).document_scores(parse("bark")) > 0).tolist() == [False] * 3 + [True]


def test_an_append_without_new_texts_leaves_them_alone(tmp_path: Path) -> None:
    before = make(tmp_path / "index")
    with IndexWriter.open(tmp_path / "index") as writer:
        writer.append([batch([specimen(6), specimen(7)])])
    after = IndexFolder.open(tmp_path / "index").manifest
    assert after.texts == before.manifest.texts
    assert after.rows == 8


def test_all_names_of_the_specimens_of_a_group_are_words(tmp_path: Path) -> None:
    def found(word: str) -> int:
        folder = IndexFolder.open(tmp_path / "index")
        assert folder.texts.lexical_path
        return int((Lexicon.load(folder.texts.lexical_path).document_scores(parse(word)) > 0).sum())

    make(tmp_path / "index", 3)
    assert [found(word) for word in ("quercus", "eiche", "herb")] == [1, 0, 0]
    with IndexWriter.open(tmp_path / "index") as writer:
        named = [specimen(6, common_names=("Eiche", "oak")), specimen(8, label="unknown herb")]
        writer.append([batch(named), batch([specimen(9, common_names=("chêne",)), specimen(12)])], encode)
        assert len(IndexFolder.open(tmp_path / "index").texts.groups) == 4
        assert [found(word) for word in ("eiche", "chene", "herb")] == [1, 1, 1]
        before = writer.manifest.texts
        writer.append([batch([specimen(15, common_names=("oak",))])], encode)
        assert writer.manifest.texts == before
        writer.delete(["s0"])
        writer.compact()
    assert [found(word) for word in ("quercus", "eiche", "chene", "herb")] == [1, 1, 1, 1]


def test_compact_gives_room_back_and_drops_unused_texts(tmp_path: Path) -> None:
    path = tmp_path / "index"
    make(path, 9)
    with IndexWriter.open(path) as writer:
        writer.append([batch([specimen(9)])], encode)
        writer.delete(["s1", "s4", "s7", "s0"])
        writer.compact()
    folder = IndexFolder.open(path)
    assert ids(folder) == ["s2", "s3", "s5", "s6", "s8", "s9"]
    assert len(folder) == 6
    assert folder.texts.descriptions.table["text"].to_pylist() == [OAK_TEXT]
    assert folder.texts.sentence_SD is not None
    assert folder.texts.sentence_SD.shape == (2, DIM)
    assert len(list((path / "parts").iterdir())) == 1


def test_all_rows_may_go_and_others_come(tmp_path: Path) -> None:
    path = tmp_path / "index"
    make(path, 2)
    with IndexWriter.open(path) as writer:
        writer.delete(["s0", "s1"])
        writer.compact()
        assert len(IndexFolder.open(path)) == 0
        writer.append([batch([specimen(1), specimen(5)])], encode)
    assert ids(IndexFolder.open(path)) == ["s1", "s5"]


def test_an_index_may_be_empty(tmp_path: Path) -> None:
    with IndexWriter.create(tmp_path / "index", About("nothing")):
        pass
    folder = IndexFolder.open(tmp_path / "index")
    assert folder.rows.ids.to_pylist() == []
    assert folder.row_of("s1") is None
    assert folder.taxon_N.shape == folder.group_N.shape == (0,)
    assert folder.rows.codes("family")[1] == []
    assert folder.vectors("image") is None


def test_an_unknown_id_deletes_nothing(tmp_path: Path) -> None:
    folder = make(tmp_path / "index")
    with (
        IndexWriter.open(tmp_path / "index") as writer,
        pytest.raises(ClipbioError, match=r"1 of 2 ids .*'s33'; did you mean 's3'"),
    ):
        writer.delete(["s1", "s33"])
    assert IndexFolder.open(tmp_path / "index").manifest == folder.manifest


def test_a_known_id_is_refused_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "index"
    make(path, 3)
    newer = batch([specimen(1, licence="CC BY"), specimen(8)])
    with IndexWriter.open(path) as writer:
        with pytest.raises(ClipbioError, match=r"'s1' is in the index .* replace=true"):
            writer.append([newer], encode)
        assert ids(IndexFolder.open(path)) == ["s0", "s1", "s2"]
        writer.append([newer], encode, replace=True)
        with pytest.raises(ClipbioError, match="'s9' comes twice"):
            writer.append([batch([specimen(9), specimen(9)])], encode, replace=True)
    folder = IndexFolder.open(path)
    assert ids(folder) == ["s0", "s2", "s1", "s8"]
    assert folder.rows.record(folder.row_of("s1"))["licence"] == "CC BY"


def test_vectors_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "index"
    make(path, 2)
    every = np.ones(1, bool)
    for vectors_nD, message in (
        (np.ones((1, DIM + 1)), f"have {DIM + 1} dimensions, others of this index {DIM}"),
        (np.full((1, DIM), np.nan), r"'s5' \(image\).*no finite numbers"),
        (np.zeros((1, DIM)), "zero"),
    ):
        with IndexWriter.open(path) as writer, pytest.raises(ClipbioError, match=message):
            writer.append([NewRows([specimen(5)], {"image": (every, vectors_nD)})], encode)
    with IndexWriter.open(path) as writer, pytest.raises(ClipbioError, match="vectors of text have 3 dimensions"):
        writer.append([batch([specimen(5, descriptions=("New.",))])], lambda texts: np.ones((len(texts), 3)))
    with IndexWriter.open(path) as writer, pytest.raises(ClipbioError, match="1 sentences are new"):
        writer.append([batch([specimen(5, descriptions=("New.",))])])
    assert ids(IndexFolder.open(path)) == ["s0", "s1"]


def test_an_index_is_overwritten_only_on_purpose_and_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "index"
    make(path, 3)
    with pytest.raises(ClipbioError, match="overwrite=true"), IndexWriter.create(path, About("other")):
        pass
    with (
        pytest.raises(ZeroDivisionError),
        IndexWriter.create(path, About("other"), overwrite=True) as writer,
    ):
        writer.append((batch([specimen(1 // zero)]) for zero in (1, 0)), encode)
    assert ids(IndexFolder.open(path)) == ["s0", "s1", "s2"]
    with IndexWriter.create(path, About("other"), overwrite=True) as writer:
        writer.append([batch([specimen(7)])], encode)
    folder = IndexFolder.open(path)
    assert (folder.manifest.name, ids(folder)) == ("other", ["s7"])
    assert len(list((path / "parts").iterdir())) == 1


def test_a_folder_of_something_else_is_no_place_for_an_index(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("")
    with pytest.raises(ClipbioError, match=r"holds 'thesis.docx'"), IndexWriter.create(tmp_path, About("x")):
        pass
    with pytest.raises(ClipbioError, match="is no index"), IndexWriter.open(tmp_path / "none"):
        pass
    with pytest.raises(ClipbioError, match="is a file"), IndexWriter.create(tmp_path / "thesis.docx", About("x")):
        pass
    assert not (tmp_path / ".none.lock").exists()


def test_an_unknown_language_is_refused_before_anything_is_written() -> None:
    with pytest.raises(ClipbioError, match="language=englsh"):
        About("x", language="englsh")


def test_image_folders_are_stored_once_and_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    places = [ImagePlace("pictures", "a.jpg"), None, ImagePlace("pictures", "b.tar", 512, 30)]
    with IndexWriter.create(tmp_path / "index", About("x")) as writer:
        writer.append([NewRows([specimen(number) for number in range(3)], places=places)])
        writer.append([NewRows([specimen(3)], places=[ImagePlace(str(tmp_path / "pictures"), "c.jpg")])])
    folder = IndexFolder.open(tmp_path / "index")
    assert folder.manifest.image_folders == (str(tmp_path / "pictures"),)
    assert folder.rows.column("image_folder").to_pylist() == [0, -1, 0, 0]
    assert folder.rows.column("image_length").to_pylist() == [-1, -1, 30, -1]


def test_facts_on_an_approximate_search_last_until_rows_are_numbered_anew(tmp_path: Path) -> None:
    make(tmp_path / "index")
    with IndexWriter.open(tmp_path / "index") as writer:
        writer.add_ann(lambda folder: {"bytes": (folder / "x.faiss").write_bytes(b"1234")})
        writer.append([batch([specimen(9)])])
        ann = IndexFolder.open(tmp_path / "index").manifest.ann
        assert ann is not None
        assert (ann.facts["bytes"], list(ann.files)) == (4, ["x.faiss"])
        writer.compact()
    assert IndexFolder.open(tmp_path / "index").manifest.ann is None
