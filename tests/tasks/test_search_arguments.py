"""What is typed after `search` reaches the config as it was typed."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clipbio.config import check_overrides, compose, plain
from clipbio.errors import ClipbioError
from clipbio.tasks.index_ids import given_ids
from clipbio.tasks.positional import with_keys
from clipbio.tasks.quoting import quoted
from clipbio.tasks.search_arguments import search_overrides

KEYS = {"index", "query", "where", "k", "image", "model", "hydra"}
HARD = st.text(st.one_of(st.sampled_from("\\'\"${}[],=:-?+~ \n%()ü"), st.characters(codec="utf-8")), max_size=20)


def config(*arguments):
    overrides = with_keys("search", arguments)
    check_overrides("search", overrides)
    return plain(compose("search", overrides))


@settings(deadline=None)
@given(HARD)
@example("a\\b")
@example("\\\\${x}")
@example("\\'")
@example("\\\n")
def test_any_text_survives_the_command_line(text):
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    (override,) = OverridesParser.create().parse_overrides([f"query={quoted(text)}"])
    assert text == "???" or OmegaConf.to_container(OmegaConf.create([override.value()]), resolve=True) == [text]


@pytest.mark.parametrize(
    "query",
    [
        "leaves opposite, serrate margin, -hairy",
        '"two words" -"dark brown" [a] {b} (c)',
        "-hairy",
        "width=5 mm, it's ${HOME}",
        "50 %: a\\b?",
        "null",
        "12",
    ],
)
def test_a_query_is_taken_as_it_stands(query):
    made = config("INDEX", query, "k=3", "where.family=Rosaceae")
    assert (made["index"], made["query"], made["k"], made["where"]) == ("INDEX", query, 3, {"family": "Rosaceae"})


def test_words_may_be_given_one_by_one_and_keys_instead():
    assert config("INDEX", "leaves", "-hairy")["query"] == "leaves -hairy"
    made = config("index=a, b", "query=leaves, -hairy", "image=a (1).jpg")
    assert (made["index"], made["query"], made["image"]) == ("a, b", "leaves, -hairy", "a (1).jpg")
    assert config("index=I", "leaves")["query"] == "leaves"
    assert config("I", "query='leaves, white'", "image=null")["query"] == "leaves, white"


def test_a_folder_with_an_equals_sign_is_an_index(tmp_path):
    folder = tmp_path / "lr=0.1"
    folder.mkdir()
    assert config(str(folder), "leaves")["index"] == str(folder)


def test_conditions_reach_the_mapping():
    given = ["species=Quercus robur", "year=1900..1950", "family=[Rosaceae,Fagaceae]", "leg=Müller, H. (sen.)", "a.b=1"]
    where = config("I", "x", *(f"where.{one}" for one in given))["where"]
    assert where["species"] == "Quercus robur"
    assert where["year"] == "1900..1950"
    assert where["family"] == ["Rosaceae", "Fagaceae"]
    assert where["leg"] == "Müller, H. (sen.)"
    assert where["a"] == {"b": "1"}


def test_values_and_ids_that_look_like_numbers_stay_as_they_are_typed():
    codes = "12_1", "1.10", "1e5", "null", "true", "0x1"
    for code in codes:
        assert config("I", "x", f"where.id={code}", f"where.accession=[{code}, A-1]")["where"] == {
            "id": code,
            "accession": [code, "A-1"],
        }
    for typed, ids in (("12_1,1.10, a b", ["12_1", "1.10", "a b"]), ("'1,2','1_0'", ["1,2", "1_0"]), ("", [])):
        overrides = with_keys("index", ["I", "action=delete", f"ids=[{typed}]"])
        assert plain(compose("index", overrides))["ids"] == ids
    with pytest.raises(ClipbioError, match=r"1\.1 may not be what was written"):
        given_ids([1.1])


def test_columns_that_hydra_cannot_read_come_as_a_list():
    made = config("I", "x", "where.country/ocean=France", "where.Höhe=500..900", "where.family=Rosaceae")
    assert made["filters"] == ["country/ocean=France", "Höhe=500..900"]
    assert config("I", "x", "where.Höhe=[500, 1.10]")["filters"] == ["Höhe=500", "Höhe=1.10"]
    assert made["where"] == {"family": "Rosaceae"}
    assert config("I", "x", "++where={life stage: adult}")["where"] == {"life stage": "adult"}


def test_flags_of_hydra_are_no_words():
    assert search_overrides(["--cfg", "job", "I"], KEYS) == ["--cfg", "job", "index='I'"]
    assert search_overrides(["-m", "I", "-hairy", "k=1,2"], KEYS) == ["-m", "k=1,2", "index='I'", "query='-hairy'"]
    assert search_overrides(["--help"], KEYS) == ["--help"]


def test_a_mistyped_setting_is_told():
    with pytest.raises(ClipbioError, match="wher is no setting of 'search'; did you mean 'where'"):
        config("I", "x", "wher.family=Rosaceae")
    with pytest.raises(ClipbioError, match="engin is no setting of 'search'; did you mean 'engine'"):
        config("I", "x", "engin=fused")


def test_no_other_verb_takes_conditions():
    with pytest.raises(ClipbioError, match="where"):
        check_overrides("lint", ["++where.family=Rosaceae"])
