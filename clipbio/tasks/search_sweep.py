"""A search: optuna draws points, a launcher of Hydra runs them, and the study is told what became of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf, open_dict

from clipbio.config import plain
from clipbio.errors import ClipbioError
from clipbio.studies import distribution, open_study, sampler
from clipbio.tasks.quoting import quoted
from clipbio.tasks.search_space import as_override, split_overrides
from clipbio.tasks.sweep_points import objective, score
from clipbio.training.run import RunFolder, config_hash

__all__ = ["SearchSweep"]

log = logging.getLogger(__name__)

_JOURNAL = "study.journal"


class SearchSweep:
    """One attempt at a search; the study, and with it what is left to do, lies in the folder of the sweep.

    A point that was not finished (interrupted, failed) stays open in the study: the next attempt runs it first, with
    the same settings and in the same folder, so that it goes on from its checkpoint and stands in the study once.

    Args:
        settings: `sampler`, `trials`, `jobs`, `first`, `seed`, `space` and `prune`.
        config: Config of the whole sweep.
        loader: What composes the config of a point.
        launcher: What runs points.
    """

    def __init__(
        self, settings: Mapping[str, Any], config: DictConfig, loader: ConfigLoader, launcher: Launcher
    ) -> None:
        containers = {key: OmegaConf.to_container(one) for key, one in settings.items() if OmegaConf.is_config(one)}
        self.settings = dict(settings) | containers
        self.config = config
        self.loader = loader
        self.launcher = launcher
        self.folder = Path(str(config.hydra.sweep.dir)).expanduser()
        self.journal = self.folder / _JOURNAL
        self.launched = 0

    def run(self, arguments: list[str]) -> None:
        """Run points until there are as many as asked for.

        Raises:
            ClipbioError: The space is wrong, or the search is already running.
        """
        parsed = OverridesParser.create(config_loader=self.loader).parse_overrides(arguments)
        self.shared, space = split_overrides(parsed, self.settings["space"])
        if not space:
            raise ClipbioError(
                "nothing is searched for: give hydra.sweeper.space, or settings such as optim.lr=interval(1e-4,1e-2)"
            )
        self.space = {key: distribution(key, values) for key, values in space.items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f".{_JOURNAL}.running")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ClipbioError(f"the search in {self.folder} is already running") from None
        with lock:
            self._search()

    def _search(self) -> None:
        self.mode = str(self._composed([])["checkpoint"]["mode"])
        self.study = open_study(self.journal, mode=self.mode, pruner=self.settings["prune"])
        tried: set[int] = set()
        while batch := self._next(tried):
            tried |= set(batch)
            self._run({number: self._overrides(number, parameters) for number, parameters in batch.items()})

    def _next(self, tried: set[int]) -> dict[int, dict[str, Any]]:
        """Return the next points by number: first those that an earlier attempt left open, then new ones."""
        jobs, most = int(self.settings["jobs"]), int(self.settings["trials"])
        trials = self.study.get_trials(deepcopy=False)
        left = [one for one in trials if not one.state.is_finished() and one.number not in tried]
        found = {one.number: dict(one.params) for one in left[:jobs]}
        for number in range(len(trials), min(most, len(trials) + jobs - len(found))):
            self.study.sampler = sampler(
                str(self.settings["sampler"]),
                seed=int(self.settings["seed"]),
                number=number,
                first=int(self.settings["first"]),
            )
            found[number] = dict(self.study.ask(self.space).params)
        return found

    def _overrides(self, number: int, parameters: Mapping[str, Any]) -> list[str]:
        overrides = [*self.shared, *(as_override(key, value) for key, value in parameters.items())]
        if self.settings["prune"]:
            pruner = ",".join(f"{key}:{value}" for key, value in self.settings["prune"].items())
            study = quoted(str(self.journal.resolve()))
            overrides.append(f"pruning={{study:{study},trial:{number},pruner:{{{pruner}}}}}")
        return overrides

    def _run(self, batch: Mapping[int, list[str]]) -> None:
        """Run points that are not done, each folder once, and tell the study of all."""
        configs = {number: self._composed(overrides) for number, overrides in batch.items()}
        folders = {number: self.folder / config_hash(config) for number, config in configs.items()}
        open_ = {folders[number]: batch[number] for number in batch}
        self.launcher.launch(list(open_.values()), initial_job_idx=min(batch))
        for number, folder in folders.items():
            self._tell(number, folder, configs[number])

    def _composed(self, overrides: list[str]) -> dict[str, Any]:
        """Return the config of a point as its job will see it."""
        config = self.loader.load_sweep_config(self.config, [*(overrides or self.shared)])
        with open_dict(config):
            config.pop("hydra")
        return plain(config)

    def _tell(self, number: int, folder: Path, config: Mapping[str, Any]) -> None:
        """Tell the study how a point ended; one that did not is left open for the next attempt."""
        import optuna

        state, value = RunFolder(folder).status.get("state"), score(folder, config)
        if state == "finished" and value is not None:
            self.study.tell(number, value)
        elif state == "finished":
            log.warning("point %d has no %s: the search learns nothing from it", number + 1, objective(config))
            self.study.tell(number, state=optuna.trial.TrialState.FAIL)
        elif state == "pruned":
            self.study.tell(number, state=optuna.trial.TrialState.PRUNED)
