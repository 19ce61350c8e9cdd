"""`python -m clipbio reproduce`: a run once more, and whether its figures come out the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from clipbio.distributed import World, join_world, on_main
from clipbio.errors import ClipbioError
from clipbio.evaluation.figures import read_metrics
from clipbio.files import read_json, write_json, write_text
from clipbio.provenance.contents import checkpoint_facts
from clipbio.provenance.differences import Difference, differences, is_exact
from clipbio.provenance.facts import run_facts
from clipbio.provenance.packages import installed, read_packages
from clipbio.provenance.repetition import compare_figures, compare_history
from clipbio.tasks.asked import whole_number
from clipbio.tasks.evaluate import evaluate
from clipbio.tasks.parts import build_data
from clipbio.tasks.reproduction import Reproduction, differences_table
from clipbio.tasks.run_record import RUN
from clipbio.tasks.suites import without_suites
from clipbio.tasks.train import train
from clipbio.training.loggers import read_history
from clipbio.training.run import RunFolder

__all__ = ["reproduce"]

Config = Mapping[str, Any]
_RESULT, _PAGE = "reproduction.json", "reproduction.md"


def reproduce(config: Config) -> None:
    """Run the config of a run folder again, compare what came out, and write `reproduction.json` and `.md`.

    Args:
        config: Plain config of `conf/reproduce.yaml`.

    Raises:
        ClipbioError: The folder holds no finished run, or the data are others.
        SystemExit: With status 1, where the figures are not the same.
    """
    tolerance, other_data = _checked(config)
    before = _Before.read(Path(str(config["run"])).expanduser())
    out = Path(str(config["out"] or f"{before.folder}-reproduced")).expanduser()
    if out.resolve() == before.folder.resolve():
        raise ClipbioError(f"out={out} is the run itself: give another folder")
    again = before.config_again(config, out)
    world = join_world(str(again["trainer"]["accelerator"]))
    console = Console(quiet=not world.is_main)
    found = before.differences(again, world)
    if found:
        console.print(differences_table(found))
    on_main(world, lambda: _judge_data(found, other_data))
    exact = is_exact(before.run, again, found)
    console.print("equal bits are expected" if exact else "equal bits are not promised here: compared by tolerance")
    if before.is_evaluation:
        evaluate(again)
    else:
        train(again)
    if world.is_main:
        result = before.compared(out, found, exact=exact, tolerance=tolerance)
        _tell(result, out, console)
        if not result.reproduced:
            raise SystemExit(1)


def _checked(config: Config) -> tuple[float, str]:
    tolerance, other_data = config["tolerance"], str(config["other_data"])
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or tolerance < 0:
        raise ClipbioError(f"tolerance={tolerance} must be a number of 0 or more")
    if other_data not in ("refuse", "accept"):
        raise ClipbioError(f"other_data={other_data} is unknown; valid are: refuse, accept")
    return float(tolerance), other_data


@dataclass(frozen=True)
class _Before:
    """What a run has left in its folder."""

    folder: Path
    config: dict[str, Any]
    run: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> _Before:
        """Read a run folder.

        Raises:
            ClipbioError: It is none, or has no figures to compare with.
        """
        for name in ("config.yaml", RUN, "metrics.json"):
            if not (folder / name).is_file():
                raise ClipbioError(
                    f"{folder} has no {name}: give the folder of a finished training run or evaluation that has figures"
                )
        return cls(folder, RunFolder(folder).config(), dict(read_json(folder / RUN)))

    @property
    def is_evaluation(self) -> bool:
        """Whether it was made by `evaluate.py`."""
        return "optim" not in self.config

    def config_again(self, asked: Config, out: Path) -> dict[str, Any]:
        """Return the config of the repetition: that of the run in another folder, without loggers."""
        config: dict[str, Any] = _in_folder(self.config, str(self.config["run_dir"]), str(out))
        config |= {"run_dir": str(out), "progress": asked["progress"]}
        config |= {"overwrite": True} if self.is_evaluation else {"resume": "auto", "logger": None}
        if asked["accelerator"] is not None:
            config["trainer"]["accelerator"] = str(asked["accelerator"])
        if asked["data_root"] is not None:
            config["data"]["root"] = str(asked["data_root"])
        if asked["cache_dir"] is not None:
            config["cache_dir"] = str(asked["cache_dir"])
            if config.get("data"):
                config["data"]["cache_dir"] = str(asked["cache_dir"])
        if asked["seed"] is not None:
            seed = whole_number(asked["seed"], "seed")
            # The model's own is drawn from the run's (conf/model), and was resolved.
            if "seed" in (config.get("model") or {}) and config["model"]["seed"] == config["seed"]:
                config["model"]["seed"] = seed
            config["seed"] = seed
        return config

    def differences(self, again: Config, world: World) -> list[Difference]:
        """Return what is not as it was; it opens the data."""
        contents: dict[str, Any] = {}
        if self.run.get("data_manifest") and again.get("data") and without_suites(again) == again:
            hashes = build_data(again, world).contents()
            streams = {name.removeprefix("data.streams."): one for name, one in hashes.items() if name != "data"}
            contents = {"data_manifest": hashes["data"], "stream_manifests": streams}
        else:
            contents = {key: self.run.get(key) for key in ("data_manifest", "stream_manifests")}
        now = run_facts(world_size=world.size, seed=again.get("seed"), **contents)
        return differences(self.run, now, packages=(read_packages(self.folder), installed()))

    def compared(self, out: Path, found: Sequence[Difference], *, exact: bool, tolerance: float) -> Reproduction:
        """Compare the figures, steps and weights of a repetition with those of the run."""
        other_seed = any(one.what == "seed" for one in found)
        metrics = [read_metrics(one / "metrics.json") for one in (self.folder, out)]
        history = None
        if not self.is_evaluation and not other_seed:
            history = compare_history(*(read_history(one / "metrics.jsonl") for one in (self.folder, out)))
        return Reproduction(
            run=str(self.folder),
            out=str(out),
            rule=_rule(exact, other_seed, tolerance),
            exact=exact,
            found=found,
            figures=compare_figures(*metrics, share=None if exact else tolerance, other_seed=other_seed),
            history=history,
            weights={} if other_seed else self._weights(out),
        )

    def _weights(self, out: Path) -> dict[str, bool]:
        then = self.run.get("checkpoints") or checkpoint_facts(self.folder)
        now = checkpoint_facts(out)
        return {name: then[name]["tensors"] == now[name]["tensors"] for name in then if name in now}


def _in_folder(config: Any, before: str, now: str) -> Any:
    """Return a config whose paths inside the run folder are paths inside another one."""
    if isinstance(config, Mapping):
        return {key: _in_folder(value, before, now) for key, value in config.items()}
    if isinstance(config, list):
        return [_in_folder(value, before, now) for value in config]
    inside = isinstance(config, str) and (config == before or config.startswith(f"{before}/"))
    return now + config[len(before) :] if inside else config


def _judge_data(found: Sequence[Difference], other_data: str) -> None:
    others = [one for one in found if one.what == "data" or one.what.startswith("data.streams.")]
    if others and other_data == "refuse":
        told = ", ".join(f"{one.what}: {one.then} -> {one.now}" for one in others)
        raise ClipbioError(
            f"the data are not those of the run ({told}): bring them back, name their place with data_root=, or ask "
            "for the comparison all the same with other_data=accept"
        )


def _rule(exact: bool, other_seed: bool, tolerance: float) -> str:
    if exact:
        return "equal bits"
    if other_seed:
        return "another seed: within the 95 % interval of the difference of two independent figures"
    return f"within {tolerance:g} of half the width of each figure's 95 % interval, or one of what it averages"


def _tell(result: Reproduction, out: Path, console: Console) -> None:
    write_json(out / _RESULT, result.to_dict())
    write_text(out / _PAGE, result.markdown())
    for table in result.console():
        console.print(table)
    for fact in result.facts:
        console.print(fact, markup=False)
    console.print(result.verdict, markup=False, style="bold")
    console.print(f"written: {out / _PAGE}", markup=False, soft_wrap=True)
