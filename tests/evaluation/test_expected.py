import re

import pytest
import yaml

from clipbio.errors import ClipbioError
from clipbio.evaluation import expected
from clipbio.evaluation.expected import expected_name, published, with_means

CONTENT = yaml.safe_load(expected._FILE.read_text(encoding="utf-8"))
KEY = re.compile(r"[a-z0-9_]+/[a-z0-9_+@]+/[a-z0-9_]+/[A-Za-z0-9_@]+(/[a-z0-9_]+@\d+)?")


@pytest.mark.parametrize("entry", CONTENT["published"], ids=lambda one: f"{one['model']}, {one['source'][:40]}")
def test_entries_are_well_formed(entry):
    assert set(entry) - {"set"} == {"model", "source", "certainty", "tolerance", "values"}
    assert entry["certainty"] in ("paper", "recalled", "plot")
    assert "https://" in entry["source"]
    assert 0 < entry["tolerance"] <= 0.05
    assert entry["values"]
    for key, value in entry["values"].items():
        assert KEY.fullmatch(key), key
        assert 0 <= value <= 1


def test_printed_means_follow_from_the_rows():
    # The means of the tables, some of them truncated when they were printed.
    zero_shot = {
        ("hf-hub:imageomics/bioclip", "BioCLIP,"): 39.4,
        ("hf-hub:imageomics/bioclip", "BioCLIP 2"): 37.6,
        ("hf-hub:imageomics/bioclip-2", "BioCLIP 2"): 55.6,
        ("hf-hub:imageomics/biocap", "BioCAP"): 46.4,
    }
    for (model, source), mean in zero_shot.items():
        rows = [
            one["values"] for one in CONTENT["published"]
            if one["model"] == model and one["source"].startswith(source) and "zero-shot" in one["source"]
        ]  # fmt: skip
        assert len(rows) == 1
        assert 100 * sum(rows[0].values()) / 10 == pytest.approx(mean, abs=0.1)


def test_harmonic_means_follow_from_seen_and_unseen():
    entry = next(one for one in CONTENT["published"] if one["model"] == "CLIBD I+D+T")
    joined = {key: value for key, value in entry["values"].items() if "test+unseen" in key}
    assert len(joined) == 13
    for key, value in joined.items():
        seen, unseen = (entry["values"][key.replace("test+unseen", name)] for name in ("test", "unseen"))
        assert 2 * seen * unseen / (seen + unseen) == pytest.approx(value, abs=0.001)


def test_a_model_is_known_by_its_source_and_not_once_it_was_trained_on():
    assert expected_name({"name": "hf-hub:imageomics/bioclip"}) == "hf-hub:imageomics/bioclip"
    assert expected_name({"name": "ViT-B-16", "pretrained": "openai"}) == "ViT-B-16/openai"
    assert expected_name({"name": "ViT-B-16", "pretrained": None}) is None
    assert expected_name({"name": "hf-hub:imageomics/bioclip", "checkpoint": "run/best.ckpt"}) is None
    assert expected_name({}, "CLIBD I+D+T") == "CLIBD I+D+T"
    recipe = {"name": "ViT-B-16-quickgelu", "checkpoint": "run/best.ckpt", "expected": "hf-hub:imageomics/bioclip"}
    assert expected_name(recipe) == "hf-hub:imageomics/bioclip"
    assert expected_name(recipe, "iNat21-only") == "iNat21-only"
    with pytest.raises(ClipbioError, match="did you mean 'CLIBD I\\+D\\+T'"):
        expected_name({}, "CLIBD I+D+X")


def test_figures_are_found_under_their_protocol_and_data_set():
    bioclip = "hf-hub:imageomics/bioclip"
    both = published(bioclip, "zero_shot/plantnet/label/top1")
    assert [one.value for one in both] == [0.914, 0.882]
    assert published(bioclip, "zero_shot_bioclip_v1/plantnet/label/top1") == both
    assert published(bioclip, "few_shot/plankton/1_shot/mean") == ()
    (few,) = published(bioclip, "few_shot_bioclip_v1/plankton/1_shot/mean")
    assert (few.value, few.certainty) == (0.306, "recalled")
    assert few.agrees(0.33)
    assert not few.agrees(0.35)
    joined = "key_query_clibd/bioscan_1m_test+bioscan_1m_unseen/image_to_dna/species/macro@1"
    assert published("CLIBD I+D+T", joined)[0].value == 0.147
    assert published(None, joined) == ()
    larger = joined.replace("1m", "5m")
    assert published("CLIBD I+D+T", larger) == ()
    assert published("CLIBD I+D+T on BIOSCAN-5M", joined) == ()
    for key in (larger.replace("bioscan_5m_test+", ""), "key_query_clibd/unseen/image_to_dna/species/macro@1"):
        (found,) = published("CLIBD I+D+T on BIOSCAN-5M", key)
        assert (found.value, found.certainty) == (0.13, "plot")


def test_a_published_mean_over_data_sets_is_ours_over_all_of_them():
    members = CONTENT["mean_of"]["camera_traps"]
    metrics = {f"zero_shot/{name}/taxonomic_common/top1": 0.1 * place for place, name in enumerate(members)}
    metrics |= {f"{key}/n": 10 for key in metrics}
    found = with_means(metrics)
    assert found["zero_shot/camera_traps/taxonomic_common/top1"] == pytest.approx(0.2)
    assert found["zero_shot/camera_traps/taxonomic_common/top1/n"] == 50
    del metrics[f"zero_shot/{members[2]}/taxonomic_common/top1"]
    assert with_means(metrics) == metrics
