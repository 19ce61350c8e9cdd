"""Checkpoints of every format, each written by the code of its day: they mean today what they meant then."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from runs import here, losses

from clipbio.checkpoint_files import CHECKPOINT_FORMAT, read_checkpoint
from clipbio.tasks.building import build_model
from clipbio.training.checkpoints import load_into

Capture = pytest.CaptureFixture[str]

# See frozen/README.md.
FROZEN = Path(__file__).resolve().parents[1] / "frozen"
FILES = [f"format-{number}.ckpt" for number in range(1, CHECKPOINT_FORMAT + 1)]
# The command that wrote them.
RUN = ("model=tiny", "model.name=small.json", "data=table", "data.root=garden", "data.batch_size=4",
       "data.num_workers=0", "duration=6 steps", "validation.every=3 steps", "checkpoint.every=3 steps",
       "benchmark=[zero_shot]", "benchmark.zero_shot.bootstrap=20", "benchmark.zero_shot.permutations=0",
       "evaluate_splits=[val]", "logger=none", "progress=false", "log_every=1", "cache_dir=cache")  # fmt: skip
# Embeddings of the first of the inputs below, as the code that wrote the file gave them.
EMBEDDINGS = {
    "format-1.ckpt": {
        "image": [-0.25447, 0.07912, -0.27667, 0.63987, -0.17472, 0.03781, -0.27518, 0.57908],
        "text": [-0.28195, -0.41342, 0.62935, -0.17702, 0.37959, -0.11496, -0.39751, 0.08279],
    },
    "format-2.ckpt": {
        "image": [-0.25466, 0.07929, -0.27665, 0.63989, -0.17468, 0.03776, -0.27518, 0.57897],
        "text": [-0.28182, -0.41374, 0.62926, -0.1772, 0.37932, -0.11475, -0.39767, 0.08266],
    },
}
SCALE = 14.26545
# Losses of the run that nothing interrupted, from the step of the checkpoint on.
LOSSES = [1.43516, 1.49834, 1.45449]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the frozen files, beside which runs may write."""
    return shutil.copytree(FROZEN, tmp_path_factory.mktemp("frozen") / "files")


@pytest.fixture
def place(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the paths in the checkpoints mean something."""
    monkeypatch.chdir(copied)
    return copied


def interrupted(name: str) -> Path:
    """Make a run folder that holds a checkpoint to continue from."""
    folder = Path("interrupted", name)
    (folder / "checkpoints").mkdir(parents=True)
    shutil.copy(name, folder / "checkpoints" / "last.ckpt")
    config = torch.load(name, weights_only=True)["clipbio"]["config"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "status.json").write_text(json.dumps({"state": "interrupted"}))
    return folder


def test_every_format_is_here() -> None:
    found = {path.name: torch.load(path, weights_only=True)["clipbio"]["format"] for path in FROZEN.glob("*.ckpt")}
    assert found == {name: number for number, name in enumerate(FILES, 1)}


@pytest.mark.parametrize("name", FILES)
def test_weights_mean_what_they_meant(name: str, place: Path) -> None:
    path = Path(name)
    checkpoint = read_checkpoint(path)
    assert checkpoint["clipbio"]["format"] == CHECKPOINT_FORMAT
    assert checkpoint["state_dict"]["heads.default.logit_scale"].exp().item() == pytest.approx(SCALE, abs=1e-4)
    model = build_model(checkpoint["clipbio"]["config"], load_weights=False)
    load_into(checkpoint, {"model": model}, path)
    pixels = (torch.arange(3 * 16 * 16) * 37 % 251).to(torch.uint8).reshape(1, 3, 16, 16)
    with torch.no_grad():
        found = model.eval()({"image": pixels, "text": model.tower("text").trunk.tokenizer(["a rose"])})
    for modality, expected in EMBEDDINGS[name].items():
        assert found[modality][0].tolist() == pytest.approx(expected, abs=1e-4), modality


@pytest.mark.parametrize("name", FILES)
def test_it_is_evaluated_on_its_own_data(name: str, place: Path, capsys: Capture) -> None:
    status, _, err = here(
        capsys, "evaluate", f"checkpoint={name}", f"run_dir=evaluated/{name}", "cache_dir=cache", "splits=[test]",
        "benchmark=[zero_shot]", "benchmark.zero_shot.bootstrap=20", "benchmark.zero_shot.permutations=0",
    )  # fmt: skip
    assert status == 0, err
    metrics = json.loads(Path("evaluated", name, "metrics.json").read_text())
    assert metrics["zero_shot/test/common/top1/n"] == 12
    assert metrics["zero_shot/test/common/top1"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", FILES)
def test_a_run_starts_from_it(name: str, place: Path, capsys: Capture) -> None:
    folder = Path("started", name)
    # A rate at which nothing moves.
    status, _, err = here(capsys, "train", *(item for item in RUN if not item.startswith("benchmark")), "benchmark=[]",
                          "validation.benchmarks=[]", f"init={name}", f"run_dir={folder}", "duration=1 steps",
                          "optim.lr=1e-12")  # fmt: skip
    assert status == 0, err
    before, after = (read_checkpoint(path)["state_dict"] for path in (Path(name), folder / "checkpoints" / "last.ckpt"))
    assert before.keys() == after.keys()
    for key, value in before.items():
        assert torch.allclose(after[key], value, atol=1e-8), key


def test_a_run_of_format_1_is_not_continued(place: Path, capsys: Capture) -> None:
    folder = interrupted("format-1.ckpt")
    status, _, err = here(capsys, "train", *RUN, f"run_dir={folder}", "resume=auto")
    assert status == 2
    assert "format-1.ckpt/checkpoints/last.ckpt was written in format 1" in err
    assert "its run cannot be continued; start a new run from them with init=" in err


def test_a_run_of_format_2_goes_on_to_its_end(place: Path, capsys: Capture) -> None:
    folder = interrupted("format-2.ckpt")
    status, out, err = here(capsys, "train", *RUN, f"run_dir={folder}", "resume=auto")
    assert status == 0, err
    assert "resumed at step 3" in out
    assert read_checkpoint(folder / "checkpoints" / "last.ckpt")["global_step"] == 6
    assert losses(folder) == pytest.approx(LOSSES, abs=1e-4)


@pytest.mark.parametrize("given", [("evaluate", "checkpoint"), ("train", "init")])
def test_a_bit_that_turned_over_is_told(given: tuple[str, str], place: Path, capsys: Capture) -> None:
    verb, setting = given
    data = bytearray(Path(FILES[-1]).read_bytes())
    data[len(data) // 2] ^= 1
    Path("flipped.ckpt").write_bytes(data)
    more = RUN if verb == "train" else ()
    status, _, err = here(capsys, verb, *more, f"{setting}=flipped.ckpt", f"run_dir=damaged-{verb}")
    assert status == 2
    assert err.splitlines()[-1] == "clipbio: flipped.ckpt is damaged: its bytes are not those that were written"
