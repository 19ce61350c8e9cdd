"""The verb search, on an index by hand."""

import json

import pytest
from found_hits import description, results, species, specimen
from runs import here
from small_indexes import batch, encode
from small_indexes import specimen as small_specimen

import clipbio.tasks.search as verb
from clipbio.config import compose, plain
from clipbio.errors import ClipbioError
from clipbio.search.manifest import About
from clipbio.search.query import Part
from clipbio.search.writing import IndexWriter


class Index:
    """Remembers what it is asked."""

    def __init__(self, answer):
        self.answer = answer

    def search(self, query, **options):
        self.query, self.options = query, options
        return self.answer


@pytest.fixture
def index(monkeypatch):
    one = Index(results(specimen(), total=30, notes=("no text model is at hand",)))
    monkeypatch.setattr(verb, "_opened", lambda config, query: one)
    return one


@pytest.fixture(scope="module")
def config():
    return plain(compose("search", ["index=INDEX", "query=leaves"]))


def test_hits_are_printed_with_score_name_places_and_sentence(index, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    status, text, err = here(
        capsys, "search", "INDEX", "leaves opposite, -hairy", "where.year=1900..1950", "page=2", "k=5"
    )
    assert status == 0, err
    for told in ("0.5", "Rosa", "dog rose", "a1", "sentence 1", "serrate", "1 of 30"):
        assert told in " ".join(text.split())
    assert "no text model is at hand" in err
    assert index.query.parts == (Part("text", "leaves opposite, -hairy"),)
    assert index.options["where"] == {"year": "1900..1950"}
    assert (index.options["k"], index.options["offset"]) == (5, 5)
    assert (index.options["engine"], index.options["show"]) == ("fused", "specimens")
    assert (index.options["key"], index.options["exact"]) == (None, True)


@pytest.mark.parametrize(("show", "hit", "told"), [("species", species, "b2"), ("descriptions", description, "Leaves")])
def test_species_and_descriptions_are_printed(index, config, capsys, show, hit, told):
    index.answer = results(hit(), show=show)
    verb.search(config | {"show": show})
    assert told in capsys.readouterr().out
    assert index.options["show"] == show


def test_nothing_found_is_told(index, config, capsys):
    index.answer = results()
    verb.search(config)
    assert "nothing fits" in capsys.readouterr().out
    index.answer = results(total=30, offset=40)
    verb.search(config | {"page": 5})
    assert "no hits on this page, 30 in all" in capsys.readouterr().out


def test_parts_have_shares_and_filters_add_up(index, capsys, tmp_path):
    picture = tmp_path / "a (1), b.jpg"
    picture.write_bytes(b"jpeg")
    given = ["weight.image=0.5", "where.Höhe=3", "where.Höhe=4", "where.a.b=x", "specimen=ark:/1=2", "dna=ACGT--N"]
    status, _, err = here(capsys, "search", "INDEX", "leaves", f"image={picture}", *given)
    assert status == 0, err
    parts = {part.kind: part for part in index.query.parts}
    assert parts["image"] == Part("image", b"jpeg", 0.5)
    assert (parts["specimen"].value, parts["dna"].value) == ("ark:/1=2", "ACGT--N")
    assert index.options["where"] == {"a.b": "x", "Höhe": ["3", "4"]}


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
def test_hits_are_written(index, config, capsys, tmp_path, suffix):
    out = tmp_path / "new" / f"hits.{suffix}"
    verb.search(config | {"out": str(out)})
    assert capsys.readouterr().out == ""
    written = out.read_text()
    assert "Rosa canina" in written
    if suffix != "csv":
        assert json.loads(written.splitlines()[0] if suffix == "jsonl" else written)
    with pytest.raises(ClipbioError, match="overwrite=true"):
        verb.search(config | {"out": str(out)})
    index.answer = results(specimen(id="z9"))
    verb.search(config | {"out": str(out), "overwrite": True})
    assert "z9" in out.read_text()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"query": None}, "INDEX is no folder: the first argument is the index"),
        ({"query": None, "index": "."}, "the query is empty"),
        ({"query": " "}, "the query is empty"),
        ({"k": 0}, "k=0 must be 1 or more"),
        ({"page": "x"}, "page=x must be a whole number"),
        ({"out": "hits.xlsx"}, r"out=hits\.xlsx: hits are written as \.csv"),
        ({"out": "/dev/null/hits.csv"}, "cannot be written"),
        ({"weight": {"query": 0}}, "the weight of text is 0"),
        ({"weight": {"query": "much"}}, r"weight\.query=much must be a number"),
        ({"image": "/nowhere.jpg"}, r"image=/nowhere\.jpg cannot be read"),
        ({"filters": ["year"]}, r"filters=\[year\]: give COLUMN=VALUE"),
        ({"where": "year"}, r"where\.COLUMN=VALUE"),
        ({"exact": "maybe"}, "exact=maybe must be true or false"),
    ],
)
def test_bad_input_is_told(index, config, settings, told):
    with pytest.raises(ClipbioError, match=told):
        verb.search(config | {"weight": config["weight"] | settings.pop("weight", {})} | settings)


def test_an_empty_or_huge_picture_is_refused(index, config, tmp_path, monkeypatch):
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"")
    with pytest.raises(ClipbioError, match="is empty"):
        verb.search(config | {"image": str(picture)})
    monkeypatch.setattr(verb, "_LARGEST_PICTURE", 3)
    picture.write_bytes(b"four")
    with pytest.raises(ClipbioError, match="make it smaller"):
        verb.search(config | {"image": str(picture)})


def test_what_is_refused_is_one_line(index, capsys, monkeypatch):
    def refuse(*args, **options):
        raise ClipbioError("there is no family 'Rosacea'; did you mean 'Rosaceae'?")

    monkeypatch.setattr(index, "search", refuse)
    status, _, err = here(capsys, "search", "INDEX", "leaves", "where.family=Rosacea")
    assert (status, err) == (2, "clipbio: there is no family 'Rosacea'; did you mean 'Rosaceae'?\n")
    status, _, err = here(capsys, "search", "query=leaves")
    assert (status, err) == (2, "clipbio: index is missing: python -m clipbio search INDEX 'leaves opposite'\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("search") / "index"
    with IndexWriter.create(path, About("a small index", {"name": "m"})) as writer:
        writer.append([batch([small_specimen(number) for number in range(9)])], encode)
    return path


def asked(config, folder, tmp_path, **settings):
    out = tmp_path / "hits.jsonl"
    verb.search(config | {"index": str(folder), "out": str(out), "overwrite": True} | settings)
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_words_alone_find_specimens_of_an_index_without_its_model(config, folder, tmp_path):
    hits = asked(config, folder, tmp_path, query="rough leaf, -winged", engine="lexical", where={"year": "1900..1904"})
    assert [hit["name"] for hit in hits] == ["Quercus robur"] * 2
    hits = asked(config, folder, tmp_path, query='"rough above"', engine="lexical", show="descriptions")
    assert [hit["name"] for hit in hits] == ["Ulmus glabra"]


def test_a_specimen_finds_others_without_the_model(config, folder, tmp_path):
    hits = asked(config, folder, tmp_path, query=None, specimen="s1", k=3)
    assert len(hits) == 3
    assert "s1" not in [hit["id"] for hit in hits]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"where": {"family": "Fagacea"}}, "did you mean 'Fagaceae'"),
        ({"where": {"famly": "Fagaceae"}}, "did you mean 'family'"),
        ({"index": "/nowhere"}, "/nowhere"),
        ({"show": "specimen"}, "specimen"),
        ({"query": None, "specimen": "s99"}, "s99"),
    ],
)
def test_what_the_index_does_not_have_is_told(config, folder, tmp_path, settings, told):
    with pytest.raises(ClipbioError, match=told):
        asked(config, folder, tmp_path, **({"engine": "lexical"} | settings))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"engine": "fusd"}, "did you mean 'fused'"),
        ({"show": "specimen"}, "did you mean 'specimens'"),
        ({"where": {"famly": "Fagaceae"}}, "did you mean 'family'"),
    ],
)
def test_a_slip_is_told_before_a_model_is_loaded(config, folder, tmp_path, monkeypatch, settings, told):
    monkeypatch.setattr("clipbio.tasks.index_opening.open_index", lambda *_: pytest.fail("it is loaded"))
    with pytest.raises(ClipbioError, match=told):
        asked(config, folder, tmp_path, **settings)
