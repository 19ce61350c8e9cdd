import pytest

from clipbio.errors import ClipbioError
from clipbio.text import TEMPLATES, template_id, templates


@pytest.mark.parametrize("name", list(TEMPLATES))
def test_each_template_holds_the_name_once_and_differs(name):
    texts = TEMPLATES[name]
    assert all(text.count("{}") == 1 for text in texts)
    assert len(set(texts)) == len(texts) > 0
    assert templates(name) == templates(f"{name}@1") == texts


def test_sizes_and_first_of_the_published_sets():
    assert len(TEMPLATES["openai_80"]) == 80
    assert TEMPLATES["openai_80"][0] == "a bad photo of a {}."
    assert TEMPLATES["bioclip_81"] == ("a photo of {}.", *TEMPLATES["openai_80"])
    assert TEMPLATES["plain"] == ("{}",)


def test_other_prompts_under_a_published_name_are_refused(monkeypatch):
    from open_clip import zero_shot_metadata

    from clipbio.text.template_sets import _openai_80

    monkeypatch.setattr(zero_shot_metadata, "OPENAI_IMAGENET_TEMPLATES", (lambda name: f"a photo of {name}.",))
    with pytest.raises(ClipbioError, match="other ImageNet prompts"):
        _openai_80.__wrapped__()


def test_one_template_and_a_list():
    assert templates("a drawing of {}.") == ("a drawing of {}.",)
    assert templates(["a {}", "the {}"]) == ("a {}", "the {}")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("foto", "did you mean 'photo'"),
        ("photo@2", "newest is photo@1"),
        ("photo@one", "no version 'one'"),
        ([], "empty"),
        (["a photo"], "exactly once"),
        ("{} and {}", "exactly once"),
    ],
)
def test_what_is_no_template_is_refused_in_one_line(given, message):
    with pytest.raises(ClipbioError, match=message) as caught:
        templates(given)
    assert "\n" not in str(caught.value)


def test_id_pins_version_and_wording():
    assert template_id("photo") == template_id("photo@1") == "photo@1"
    assert template_id("a {}") == "'a {}'"
    assert template_id(["a {}", "the {}"]) != template_id(["a {}", "one {}"])
