"""Configs: every shipped one composes and fits its constructors; wrong overrides name the nearest valid key."""

from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from berts import save_bert
from omegaconf import OmegaConf

from clipbio.config import check_overrides, check_signatures, compose, config_dir, instantiate, plain
from clipbio.errors import ClipbioError
from clipbio.training.run import config_difference, config_hash
from clipbio.training.validity import check_config

EXPERIMENTS = sorted(path.stem for path in (config_dir() / "experiment").glob("*.yaml"))
GIVEN = ["data.root=.", "model.image.weights=null"]


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (config_dir() / group).glob("*.yaml"))


def overrides_for(experiment: str) -> list[str]:
    if experiment == "bioclip2":
        return ["data.root=.", "data.streams.replay.root=."]
    if experiment in ("barcode_pretrain", "herbarium_clip", "bioclip", "bioclip_inat21", "biocap"):
        return ["data.root=."]
    if experiment == "organ_crops":
        return ["data.streams.crops.root=."]
    virtual = (
        "quickstart",
        "replay",
        "captions",
        "captioning",
        "trimodal_virtual",
        "characters_virtual",
        "grounding_virtual",
    )
    return [] if experiment in virtual else GIVEN


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_fits_its_constructors(experiment: str) -> None:
    config = plain(compose("train", [f"experiment={experiment}", *overrides_for(experiment)]))
    check_config(config)
    check_signatures(config)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_part_of_every_experiment_is_built(experiment: str, tmp_path: Path) -> None:
    overrides = [f"experiment={experiment}", *overrides_for(experiment), "logger=none", f"cache_dir={tmp_path}"]
    if experiment.startswith("bioscan_clip"):  # their text model comes from the hub
        overrides.append(f"model.text.weights={save_bert(tmp_path / 'bert', max_position_embeddings=80)}")
    if experiment == "bioclip2":  # 400 million weights are too many for a test
        overrides += ["model.name=clipbio:clipbio_tiny", "model.pretrained=null"]
    config = plain(compose("train", overrides))
    built = {name: instantiate(config[name], name) for name in ("data", "loss", "optim", "augmentation", "text")}
    built["model"] = instantiate(config["model"], "model", load_weights=False)
    built |= {name: instantiate(part, name) for name, part in config.get("benchmark", {}).items()}
    assert all("_target_" in part for part in config.get("benchmark", {}).values())
    wanted = {name for name in ("image", "text", "dna") if config["model"].get(name)}
    assert set(built["model"].modalities) == wanted
    assert set(built["loss"].modalities) <= wanted
    assert built["data"].batch_size == config["data"]["batch_size"]
    assert all(part is not None for part in built.values())


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_is_headed_by_a_comment(experiment: str) -> None:
    lines = (config_dir() / "experiment" / f"{experiment}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")


@pytest.mark.parametrize(
    ("group", "choice"),
    [(group, choice) for group in ("text", "loss", "optim", "trainer", "callbacks", "logger", "debug") for choice in options(group)],
)  # fmt: skip
def test_every_choice_of_every_group_composes(group: str, choice: str) -> None:
    config = plain(compose("train", [f"{group}={choice}"]))
    check_signatures(config)
    check_config(config)


@pytest.mark.parametrize(
    "name",
    [
        *("evaluate", "embed", "export", "labels", "predict", "describe", "ground", "compare", "suites"),
        *("prepare", "convert", "split", "check", "audit", "lint", "traits", "organs"),
    ],
)
def test_the_other_commands_compose(name: str) -> None:
    needed = {
        "prepare": ["source.root=x", "out=y"],
        "convert": ["root=x", "out=y"],
        "split": ["source.root=x", "out=y"],
        "check": ["root=x"],
        "audit": ["root=x"],
        "lint": ["data.root=x"],
        "traits": ["data.root=x", "out=y"],
        "compare": ["runs=[x]"],
        "embed": ["images=x", "out=y"],
        "export": ["checkpoint=x", "out=y"],
        "labels": ["checkpoint=x", "taxa=z", "out=y"],
    }
    check_signatures(plain(compose(name, needed.get(name, []))))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.batchsize=3", "did you mean 'data.batch_size'"),
        ("optim.learning_rate=3", "optim.learning_rate is no setting of 'train'"),
        ("batch_size=3", "did you mean 'data.batch_size'"),
        ("experiment=quikstart", "did you mean 'quickstart'"),
        ("model=lyte", "did you mean 'lite'"),
        ("benchmark=[zero_shoot]", "did you mean 'zero_shot'"),
        ("durations=3", "did you mean 'duration'"),
        ("+validation.evry=3", "did you mean 'validation.every'"),
        ("++checkpoint.monitr=x", "did you mean 'checkpoint.monitor'"),
        ("a b c", "override not understood"),
        ("data.streams.replay.root=x", "a further stream is added with"),
    ],
)
def test_wrong_overrides_name_the_nearest_valid_one(override: str, message: str) -> None:
    with pytest.raises(ClipbioError, match=message.replace("[", r"\[")):
        check_overrides("train", [override])


@pytest.mark.parametrize(
    "override",
    [
        "text=common,mixed",
        "seed=range(3)",
        "optim.lr=1e-3,1e-4",
        "run_dir=x",
        "hydra.verbose=true",
        "data.root=x",
        "+trainer.max_time=1",
        "+optim.momentum=0.9",
        "init=x",
        "+data.streams.replay.root=x",
        "+text@data.streams.replay.text=common",
    ],
)
def test_right_overrides_and_sweeps_pass(override: str) -> None:
    check_overrides("train", [override])


def test_an_unknown_key_of_a_part_is_refused_by_its_signature() -> None:
    with pytest.raises(ClipbioError, match=r"optim\.momentum is no setting of clipbio\.training\.AdamWRecipe"):
        check_signatures(plain(compose("train", ["+optim.momentum=0.9"])))


def test_targets_outside_the_allowed_libraries_are_refused() -> None:
    with pytest.raises(ClipbioError, match="is not allowed"):
        instantiate({"_target_": "os.system", "command": "true"}, "part")


def test_an_error_of_a_constructor_arrives_as_it_is() -> None:
    with pytest.raises(ClipbioError, match=r"^optim\.lr=-1"):
        instantiate({"_target_": "clipbio.training.AdamWRecipe", "lr": -1}, "optim")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("duration=12 parsecs", "duration='12 parsecs' is no duration"),
        ("data.batch_size=0", "data.batch_size=0 must be"),
        ("checkpoint.mode=best", "checkpoint.mode='best'"),
        ("init=nowhere/run", "init=nowhere/run does not exist"),
        ("+trainer.accumulate_grad_batches=4", "never meet as negatives"),
        ("+trainer.max_step=4", "trainer.max_step is no setting of the trainer"),
        ("+trainer.max_steps=4", "trainer.max_steps is no setting of the trainer"),
        ("validation.splits=[val,test]", "never chosen on test"),
        ("validation.splits=val", "must be a list"),
        ("evaluate_splits=test", "must be a list"),
        ("data.streams.main.split=test", "training reads the split train alone"),
        ("+data.streams.replay.rot=x", "data.streams.replay.rot is no setting of a stream; did you mean 'root'"),
        ("+data.streams.replay.root=nowhere", "data.streams.replay.root=nowhere does not exist"),
        ("+data.streams.replay=x", "data.streams must hold settings by name"),
        ("seed=zero", "seed=zero must be a whole number"),
        ("validation.every=0 steps", "must be more than nothing"),
    ],
)
def test_values_are_checked_before_anything_is_loaded(override: str, message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        check_config(plain(compose("train", [override])))


@pytest.mark.parametrize("override", ["augmentation.scale=[2,3]", "augmentation.ratio=[0,1]", "augmentation.flip=7"])
def test_impossible_augmentation_is_told(override: str) -> None:
    with pytest.raises(ClipbioError, match=override.partition("=")[0]):
        instantiate(compose("train", [override])["augmentation"], "augmentation")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.precision=16-mixed"], "precision=16-mixed needs a GPU: on a CPU take bf16-mixed"),
        (["trainer.precision=16-true"], "precision=16-true is not supported; valid are: 32-true"),
        (["compile=yes please"], "compile=yes please must be true, false or options"),
        (["compile={moed: default}"], "did you mean 'mode'"),
    ],
)
def test_precision_and_compile_are_checked_before_anything_is_loaded(overrides: list[str], message: str) -> None:
    with pytest.raises(ClipbioError, match=message):
        check_config(plain(compose("train", overrides)))


def test_callbacks_may_stand_together() -> None:
    config = plain(compose("train", ["callbacks=[sample_log,ema,early_stopping]", "callbacks.ema.decay=0.5"]))
    assert set(config["callbacks"]) == {"sample_log", "ema", "early_stopping"}
    assert instantiate(config["callbacks"]["ema"], "callbacks.ema").decay == 0.5


def test_fp16_is_left_to_a_gpu() -> None:
    check_config(plain(compose("train", ["trainer=gpu", "trainer.precision=16-mixed", "compile={mode: default}"])))


def test_how_it_runs_may_change_between_attempts() -> None:
    one, other = (
        plain(compose("train", overrides))
        for overrides in ([], ["compile=true", "model.image.gradient_checkpointing=true"])
    )
    assert config_difference(one, other) == []


def test_a_changed_precision_is_another_run_but_another_machine_is_not() -> None:
    one, other, elsewhere = (
        plain(compose("train", overrides))
        for overrides in ([], ["trainer.precision=bf16-mixed"], ["data.num_workers=3", "run_dir=x", "progress=false"])
    )
    assert config_hash(one) != config_hash(other)
    assert config_hash(one) == config_hash(elsewhere)
    assert config_difference(one, other) == ["trainer.precision: 32-true -> bf16-mixed"]


def test_every_key_of_every_yaml_is_plain_data() -> None:
    for path in config_dir().rglob("*.yaml"):
        assert isinstance(yaml.safe_load(path.read_text()) or {}, dict), path
        assert "!!" not in path.read_text()


def test_each_test_module_has_a_name_of_its_own() -> None:
    """Two of one name cannot be collected together."""
    names = sorted(path.name for path in Path(__file__).resolve().parent.rglob("test_*.py"))
    assert [one for one, other in pairwise(names) if one == other] == []


def test_all_that_must_be_given_is_named() -> None:
    config = OmegaConf.create({"data": {"root": "???", "streams": {"replay": {"root": "???"}}}})
    with pytest.raises(
        ClipbioError, match=r"^data\.root and data\.streams\.replay\.root must be given: add data\.root"
    ):
        plain(config)


def test_a_run_from_before_a_setting_was_added_is_the_same_run() -> None:
    config = plain(compose("train"))
    before = {
        **config,
        "optim": {key: value for key, value in config["optim"].items() if "scale" not in key and "base" not in key},
    }
    assert set(before["optim"]) != set(config["optim"])
    assert config_difference(before, config) == []
    assert config_hash(before) == config_hash(config)
    scaled = plain(compose("train", ["optim.scale_lr=linear"]))
    assert config_difference(before, scaled) == ["optim.scale_lr: None -> linear"]
