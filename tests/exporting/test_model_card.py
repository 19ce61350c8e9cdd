"""Model cards: what the run knows is told, what it does not know is said to be unknown."""

from __future__ import annotations

import yaml

from clipbio.exporting.card import RunFacts, model_card

PREPROCESS = {"dim": 8, "size": (32, 32)}


def card(facts: RunFacts, **more: object) -> str:
    given = {"preprocess": PREPROCESS, "notes": [], "checks": {}, "usage": "code"} | more
    return model_card(facts, **given)  # type: ignore[arg-type]


def test_a_card_without_a_run_says_what_is_unknown() -> None:
    text = card(RunFacts("weights", towers={"image": 1000, "text": 20}))
    for told in (
        "weights of its towers: image 1,000, text 20",
        "Unknown: the checkpoint does not say on which data",
        "## Texts in training\n\nUnknown.",
        "Unknown: there is no config of a run.",
        "clipbio: unknown, commit unknown",
        "- energy: unknown",
        "Unknown: the run has not been evaluated.",
        "was not measured",
    ):
        assert told in text
    assert "None" not in text


def test_the_front_matter_is_what_the_hub_reads() -> None:
    text = card(RunFacts("oaks", licence="mit", barcodes=True))
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "mit"
    assert front["library_name"] == "open_clip"
    assert front["pipeline_tag"] == "zero-shot-image-classification"
    assert {"clip", "biology", "dna"} <= {*front["tags"]}


def test_results_carry_their_intervals_and_numbers() -> None:
    key = "zero_shot/unseen/common/top1"
    metrics = {key: 0.5, f"{key}/low": 0.25, f"{key}/high": 0.75, f"{key}/n": 40.0, f"{key}/chance": 0.1}
    text = card(
        RunFacts("oaks", metrics=metrics), checks={"tokens_equal": True, "image_cosine": 1.0}, notes=["Mind it."]
    )
    assert "| common | 50.0 (25.0–75.0) | 40 |" in text
    assert "| *chance* | 10.0 |  |" in text
    assert "measured on unseen of these data only" in text
    assert "- tokens equal: yes" in text
    assert "## To know\n\n- Mind it." in text
