"""`hydra/sweeper=study`: points drawn by optuna, run by any launcher of Hydra.

A plugin and not a driver of its own, because this is where Hydra's launchers take jobs from: the same search runs here,
in several processes and on Slurm. Hydra accepts sweepers from the namespace package `hydra_plugins` alone; all but the
connection to it lies in `clipbio.tasks.search_sweep`, which is not loaded before a search begins.
"""

# No `from __future__ import annotations`: Hydra runs this file before it stands in sys.modules, where dataclasses would
# look up what the annotations mean.
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

__all__ = ["StudySweeper", "StudySweeperConf"]


@dataclass
class StudySweeperConf:
    """Settings under `hydra.sweeper`."""

    _target_: str = "hydra_plugins.clipbio_study.StudySweeper"
    # tpe, which learns from earlier points, or random.
    sampler: str = "tpe"
    # Points in all, over all attempts at the sweep.
    trials: int = 20
    # Points at once, where the launcher runs several.
    jobs: int = 1
    # Points that tpe draws at random before it learns.
    first: int = 8
    seed: int = 0
    # Setting: [a, b, c], or {low: 1e-4, high: 1e-2, log: true}.
    space: dict[str, Any] = field(default_factory=dict)
    # {kind: median, runs: 4, percent: 25}: give up a run that is below the median of the others; null gives up none.
    prune: Any = None


ConfigStore.instance().store(group="hydra/sweeper", name="study", node=StudySweeperConf, provider="clipbio")


class StudySweeper(Sweeper):
    """Draw points, run them in batches, and tell the study what became of them."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives a sweeper."""
        from hydra.core.plugins import Plugins

        self.context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the search with the overrides of the command line."""
        assert self.config is not None
        assert self.launcher is not None
        assert self.context is not None
        from clipbio.tasks.search_sweep import SearchSweep

        SearchSweep(self.settings, self.config, self.context.config_loader, self.launcher).run(arguments)
