"""The hierarchy from the command line, on the virtual herbarium."""

from __future__ import annotations

import json
from pathlib import Path

from clipbio.config import compose, plain
from clipbio.tasks.evaluate import evaluate


def test_an_untrained_model_is_near_chance_in_all_that_is_told(tmp_path: Path) -> None:
    herbarium = [f"data.source.{name}" for name in ("num_species=24", "num_unseen=6", "specimens_per_species=6")]
    given = ["model=tiny", "data=virtual", *herbarium, "data.source.image_size=48", "data.num_workers=0"]
    small = ["benchmark=[hierarchy]", "benchmark.hierarchy.bootstrap=50", "benchmark.hierarchy.permutations=19"]
    folders = [f"run_dir={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}", "splits=[test]"]
    found = evaluate(plain(compose("evaluate", [*given, *small, *folders])))
    assert found == json.loads((tmp_path / "run" / "metrics.json").read_text())
    # Chosen on val, counted on train.
    assert "hierarchy_calibration/test/all/temperature" in found
    assert any(key.startswith("hierarchy_frequency/test/few/") for key in found)
    luck = found["hierarchy/test/all/distance/chance"]
    assert abs(found["hierarchy/test/all/distance"] - luck) < 1.5
    assert found["hierarchy/test/species/top1"] < 0.3
    pictures = {path.name for path in (tmp_path / "run" / "report_files").glob("hierarchy-test-*.png")}
    assert {
        "hierarchy-test-accuracy.png",
        "hierarchy-test-reliability.png",
        "hierarchy-test-map-family.png",
    } <= pictures
