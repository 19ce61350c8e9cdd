"""The verb `traits`: tables, archives and single texts become structured characters."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from runs import here, lines
from tables import MakeTable, rows_of

from clipbio.config import check_signatures, compose, plain
from clipbio.data.sources.dwca import DwcaSource
from clipbio.data.sources.table import TableSource
from clipbio.errors import ClipbioError
from clipbio.tasks.descriptions import descriptions_of
from clipbio.tasks.positional import with_keys
from clipbio.taxonomy import Taxon
from clipbio.traits import Described, Reader, language_of

MAPLE = {"kingdom": "Plantae", "family": "Sapindaceae", "genus": "Acer", "species": "rubrum"}
LEAVES = "Leaves ovate, 4-6 cm long, with serrate margins."


@pytest.fixture
def herbarium(make_table: MakeTable) -> Path:
    rows = [
        {"specimen_id": "a-1", "image": "images/0.jpg", **MAPLE, "description": "Petals yellow.", "licence": "CC0"},
        {"specimen_id": "a-2", "image": "images/0.jpg", **MAPLE, "description": "A shared text.", "licence": ""},
        {"specimen_id": "a-3", "image": "images/0.jpg", **MAPLE, "description": "A shared text.", "licence": ""},
        {"specimen_id": "a-4", "image": "images/0.jpg", **MAPLE, "description": LEAVES, "licence": ""},
    ]
    texts = [
        {"scientific_name": "Acer rubrum", "description": LEAVES, "language": "en", "source": "flora", "licence": "CC BY"},
        {"scientific_name": "Acer nigrum", "description": "Leaves lanceolate.", "language": "", "source": "", "licence": ""},
        {"scientific_name": "Acer nigrum", "description": "Blätter eiförmig.", "language": "de", "source": "", "licence": ""},
    ]  # fmt: skip
    return make_table(rows, descriptions=texts)


def test_species_texts_come_first_and_specimens_keep_what_is_theirs(herbarium: Path) -> None:
    found = descriptions_of(TableSource(herbarium), progress=False)
    told = [(one.name, one.specimen_id, one.licence) for one in found]
    assert told == [
        ("Acer rubrum", "", "CC BY"),
        ("Acer nigrum", "", ""),
        ("Acer nigrum", "", ""),
        ("Acer rubrum", "a-1", "CC0"),
        ("Acer rubrum", "", ""),
    ]
    # The lineage is that of the specimens; a name that none bears is all that is known.
    assert found[0].taxon.family == "Sapindaceae"
    assert found[1].taxon.ranks == ("", "", "", "", "", "Acer", "nigrum")


def test_a_table_becomes_a_folder_that_can_be_read_back(herbarium: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "traits"
    status, told, errors = here(capsys, "traits", str(herbarium), f"out={out}", "group=plants")
    assert status == 0, errors
    assert "leaf shape" in told
    assert "% of 5 sentences gave at least one" in " ".join(told.split())
    traits = lines(out / "traits.jsonl")
    assert {trait["character"] for trait in traits} == {"leaf shape", "leaf length", "leaf margin", "petal colour"}
    by_id = {text.text: text for text in DwcaSource(out).species_texts()}
    assert LEAVES in by_id
    for trait in traits:
        assert any(text[trait["start"] : trait["end"]] == trait["phrase"] for text in by_id)
    with (out / "measurementorfact.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    (petals,) = (row for row in rows if row["measurementType"] == "petal colour")
    assert (petals["occurrenceID"], petals["license"]) == ("a-1", "CC0")
    assert {row["license"] for row in rows if row["measurementType"] == "leaf length"} == {"CC BY"}


def test_an_archive_is_read_and_what_is_there_is_not_replaced_unasked(herbarium: Path, tmp_path: Path, capsys) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert here(capsys, "traits", f"data.root={herbarium}", f"out={first}", "group=plants")[0] == 0
    again = ["traits", "source=dwca", f"source.root={first}", f"out={second}", "group=plants"]
    assert here(capsys, *again)[0] == 0
    assert (first / "traits.jsonl").read_bytes() != b""
    assert len(lines(second / "traits.jsonl")) == len(lines(first / "traits.jsonl"))
    before = (second / "traits.jsonl").read_bytes()
    status, _, errors = here(capsys, *again)
    assert status == 2
    assert "overwrite=true" in errors
    assert here(capsys, *again, "overwrite=true")[0] == 0
    # Ids stay from run to run.
    assert (second / "traits.jsonl").read_bytes() == before


@pytest.mark.parametrize("form", ["text={}", "description={}", "{}", "file"])
def test_one_text_is_told_on_the_console(form: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "maple (1).txt"
    path.write_text(LEAVES)
    given = str(path) if form == "file" else form.format(LEAVES)
    status, told, errors = here(capsys, "traits", given, "group=plants")
    assert status == 0, errors
    for words in ("leaf shape", "ovate", "40-60 mm", "serrate", "1 of 1 sentences"):
        assert words in " ".join(told.split())


def test_one_text_may_be_written_too(tmp_path: Path, capsys) -> None:
    given = [LEAVES, "group=plants", "name=Acer rubrum", f"out={tmp_path / 'out'}"]
    assert here(capsys, "traits", *given)[0] == 0
    assert {trait["scientific_name"] for trait in lines(tmp_path / "out" / "traits.jsonl")} == {"Acer rubrum"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of them is needed, or a description in quotes"),
        (["data.root=nowhere", "out=x"], "neither a shard folder"),
        (["data.root=x", "some words", "out=x"], "not several"),
        (["words", "group=plant"], "did you mean 'plants'"),
        (["words", "language=Klingon"], "no vocabulary"),
        (["no.txt"], "cannot be read"),
        (["no/folder"], "file=no/folder cannot be read"),
        (["flora.pdf"], "file=flora.pdf cannot be read"),
        (["one text", "another one"], "quote a description"),
        (["name=Acer", "data.root=x", "out=y"], "data have names of their own"),
        (["words", "rows=many"], "rows=many must be a whole number"),
    ],
)
def test_errors_say_what_to_do(arguments: list[str], message: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status, _, errors = here(capsys, "traits", *arguments)
    except ClipbioError as error:
        status, errors = 2, str(error)
    assert status == 2
    assert message in errors


OWN = """
organs: {phyllary: [involucral bract]}
states: {shape: {panduriform: [fiddle-shaped], ovate: [egg-like]}}
colours: {purple: [puce]}
"""


def test_words_of_ones_own_join_the_vocabulary(tmp_path: Path, capsys) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    text = "Leaves fiddle-shaped. Bracts egg-like. Phyllaries puce. Petals ovate."
    given = [text, "group=plants", f"vocabulary={tmp_path / 'own.yaml'}", f"out={tmp_path / 'out'}"]
    status, _, errors = here(capsys, "traits", *given)
    assert status == 0, errors
    found = {(trait["character"], trait["value"]) for trait in lines(tmp_path / "out" / "traits.jsonl")}
    bracts = {("leaf shape", "panduriform"), ("bract shape", "ovate"), ("petal shape", "ovate")}
    assert found == bracts | {("phyllary colour", "purple")}
    # Without the file the words mean nothing.
    assert not Reader(group="plants").of(Described(text="Phyllaries puce.", taxon=Taxon(), name=""))[1]


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (None, "own.yaml cannot be read"),
        ("[a", "own.yaml is no YAML"),
        ("words", "must hold sections"),
        ("organ: {leaf: []}", "did you mean 'organs'"),
        ("states: {shapes: {round: []}}", "did you mean 'shape'"),
        ("organs: [leaf]", "must hold canonical words"),
    ],
)
def test_mistakes_in_ones_own_words_are_told(own: str | None, message: str, tmp_path: Path, capsys) -> None:
    if own is not None:
        (tmp_path / "own.yaml").write_text(own)
    status, _, errors = here(capsys, "traits", "Leaves ovate.", f"vocabulary={tmp_path / 'own.yaml'}")
    assert status == 2
    assert message in errors


def test_data_without_out_or_without_descriptions_is_told(make_table: MakeTable, herbarium: Path, capsys) -> None:
    assert "out is missing" in here(capsys, "traits", f"data.root={herbarium}")[2]
    bare = make_table(rows_of(1), name="bare")
    assert "there is no description" in here(capsys, "traits", f"data.root={bare}", f"out={bare / 'out'}")[2]


def test_its_config_fits_and_text_is_quoted() -> None:
    check_signatures(plain(compose("traits", ["data.root=x", "out=y"])))
    assert with_keys("traits", ["data=table", "data.root=x"]) == ["data.root=x"]
    assert with_keys("traits", ["text=a, it's"]) == [r"description='a, it\'s'"]


def test_languages_are_known_by_their_names_and_others_give_nothing(herbarium: Path) -> None:
    reader = Reader(group="plants", language="English")
    found = {one.text: reader.of(one)[1] for one in descriptions_of(TableSource(herbarium), progress=False)}
    assert found["Leaves lanceolate."]
    assert not found["Blätter eiförmig."]
    assert Reader(language="fr-FR").language == "fr"
    assert language_of(LEAVES) == language_of("") == language_of("Leaves ovate.") == "en"
    assert language_of("Feuilles ovées, de 4 à 6 cm.") == language_of("Pétales jaunes, dentés") == "fr"
    with pytest.raises(ClipbioError, match="group=fish"):
        Reader(group="fish")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "least"), [("birds", 0.4), ("leeds-butterflies", 0.7)])
def test_real_descriptions_give_traits(name: str, least: float, shared_data: Path) -> None:
    reader = Reader()
    found: list[tuple[Described, int]] = []
    for about in descriptions_of(TableSource(shared_data / name), progress=False)[:150]:
        group, traits = reader.of(about)
        assert group in ("birds", "insects")
        assert all(about.text[trait.start : trait.end] == trait.phrase for trait in traits)
        found.append((about, len(traits)))
    assert sum(count > 0 for _, count in found) >= least * len(found)
