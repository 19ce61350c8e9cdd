"""`python -m clipbio VERB [overrides]`: one verb per task, Hydra's override syntax everywhere."""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError, Pruned, Stopped, nearest

__all__ = ["main", "run"]

# Verb: what it does, and the task that does it. Heavy imports wait until a verb is chosen.
VERBS = {
    "train": ("train a model, evaluate it and write a report", "clipbio.tasks.train:train"),
    "evaluate": ("run benchmarks on a run, a checkpoint or a pretrained model", "clipbio.tasks.evaluate:evaluate"),
    "embed": ("write the vectors of splits or of plain pictures as files", "clipbio.tasks.embed:embed_data"),
    "compare": ("put runs side by side: figures, differences, tests, a leaderboard", "clipbio.tasks.compare:compare"),
    "reproduce": ("run a run again and compare its figures", "clipbio.tasks.reproduce:reproduce"),
    "export": ("write the weights of a run as one file, adapters merged", "clipbio.tasks.export:export_weights"),
    "labels": ("write the vectors of a list of taxa as a label set", "clipbio.tasks.labels:write_labels"),
    "predict": ("say what is on pictures: taxa, own labels or bins", "clipbio.tasks.predict:predict"),
    "describe": ("say which characters pictures show, in words", "clipbio.tasks.describe:describe"),
    "organs": ("find leaves, flowers and fruits on sheets; COCO files, crops", "clipbio.tasks.organs:organs"),
    "index": ("make specimens and their descriptions a search index, or change one", "clipbio.tasks.index:index"),
    "serve": ("serve the search page of an index, and its HTTP interface", "clipbio.tasks.serve:serve"),
    "search": ("find specimens, species and descriptions by words, pictures, barcodes", "clipbio.tasks.search:search"),
    "traits": ("say what descriptions tell, as structured characters", "clipbio.tasks.traits:extract_traits"),
    "ground": ("show where on a picture words are", "clipbio.tasks.ground:ground"),
    "prepare": ("turn a specimen table into shards with a manifest", "clipbio.tasks.prepare:prepare_shards"),
    "convert": ("write shards in another project's layout", "clipbio.tasks.convert:convert_shards"),
    "split": ("write which specimen stands in which split as a table", "clipbio.tasks.split:split_source"),
    "check": ("report what is in shards, a table or any source, and its defects", "clipbio.tasks.check:check_data"),
    "audit": (
        "say what splits share and should not, such as pictures and barcodes",
        "clipbio.tasks.audit:audit_splits",
    ),
    "suites": ("list the published data sets, and which of them are here", "clipbio.tasks.list_suites:list_suites"),
    "lint": ("report truncated, colliding and constant texts of a regime", "clipbio.tasks.lint:lint_texts"),
}
USAGE_ERROR, INPUT_ERROR, INTERRUPTED = 2, 2, 130

log = logging.getLogger("clipbio")

_failures: list[str] = []


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0 if given else USAGE_ERROR
    verb, *overrides = given
    if verb not in VERBS:
        return _fail(f"there is no verb '{verb}'{nearest(verb, VERBS)}")
    return run(verb, overrides)


def run(verb: str, overrides: Sequence[str]) -> int:
    """Run one verb with overrides and return the exit status.

    Every error that a user can act on becomes one line on standard error.
    """
    _log_to_console()
    try:
        return _run(verb, list(overrides))
    except ClipbioError as error:
        return _fail(str(error), error.exit_code)
    except Stopped as stopped:
        return _fail(str(stopped), stopped.exit_code)
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except KeyboardInterrupt:
        return _fail("interrupted; a training run continues with resume=auto", INTERRUPTED)


def _run(verb: str, overrides: list[str]) -> int:
    import hydra
    from hydra._internal.utils import get_args_parser

    from clipbio.config import check_overrides, config_dir
    from clipbio.tasks.launching import check_launch, is_alone, watched_jobs
    from clipbio.tasks.positional import with_keys
    from clipbio.tasks.source_overrides import spelled_out
    from clipbio.tasks.sweep_start import check_swept, summed_up

    overrides = spelled_out(with_keys(verb, overrides))
    if {"--help", "-h"} & set(overrides):
        sys.stdout.write(_verb_help(verb))
        return 0
    given = get_args_parser().parse_args(overrides)
    check_launch(given.overrides, multirun=given.multirun)
    check_overrides(verb, given.overrides)
    if verb == "train":
        check_swept(given.overrides)
    _failures.clear()
    job = _Job(verb, alone=is_alone(given.overrides, multirun=given.multirun))
    task = hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=verb)(job)
    before = sys.argv
    sys.argv = [f"clipbio {verb}", *overrides]
    try:
        with summed_up(), watched_jobs(_failures.append):
            task()
    finally:
        sys.argv = before
    if _failures:
        for failure in _failures:
            _fail(f"failed: {failure}")
        return _fail(f"{len(_failures)} of the jobs failed; the same command tries them again", 1)
    return 0


class _Job:
    """What Hydra runs, once or for each job of a sweep."""

    # Hydra names a job after the module of the function it is given.
    __module__ = __name__

    def __init__(self, verb: str, *, alone: bool = False) -> None:
        self.verb = verb
        # Launched, but not a sweep: the run folder is its own.
        self.alone = alone
        # A launcher may run jobs in other processes, where nobody reads `_failures`.
        self.process = os.getpid()
        self.__name__ = verb
        self.__qualname__ = verb

    def __call__(self, config: Any) -> Any:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        from clipbio.config import plain

        if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
            return self._launched(config)
        try:
            return self._work(plain(config))
        except ClipbioError as error:
            raise _Told(str(error), error.exit_code) from error

    def _launched(self, config: Any) -> Any:
        """Do a job that a launcher gives, here or in a process of its own."""
        elsewhere = os.getpid() != self.process
        if elsewhere:
            _log_to_console()
            _may_go_on(config)
        try:
            if not self.alone:
                _own_folder(config)
            return self._point(config)
        except Stopped as stopped:
            if not elsewhere:
                raise
            raise _Told(str(stopped), stopped.exit_code) from stopped
        except Exception as error:
            if elsewhere:
                raise
            _failures.append(str(error) or type(error).__name__)
            return None

    def _point(self, config: Any) -> Any:
        """Do one job unless it is done, and say so; a failure is told and left to the caller."""
        from clipbio.config import plain
        from clipbio.tasks.sweep import evaluated_before, met_before, told

        try:
            values = plain(config)
            if self.verb == "train" and (done := met_before(values)) is not None:
                return _outcome(done, values)
            if self.verb == "evaluate":
                if not self.alone and not values["overwrite"] and evaluated_before(values):
                    return None
                # What an earlier attempt of this job left; the folder of anything else is refused by its config.
                values["overwrite"] = True
            outcome = self._work(values)
            told("planned" if values.get("dry_run") else "finished", values if self.verb == "train" else None)
            return outcome
        except Pruned as pruned:
            told(f"pruned, {pruned}")
            return None
        except Exception as error:
            if not isinstance(error, ClipbioError):
                log.exception("a job of the sweep failed")
            told(f"failed: {error}")
            raise

    def _work(self, values: dict[str, Any]) -> Any:
        module, _, function = VERBS[self.verb][1].partition(":")
        return _outcome(getattr(importlib.import_module(module), function)(values), values)


def _may_go_on(config: Any) -> None:
    """Let a launched job, which a batch system may begin again, continue what is in its folder."""
    if config.get("resume") == "never":
        config.resume = "auto"


def _own_folder(config: Any) -> None:
    """Give a job of a sweep a folder named by what it computes, before anything refers to it."""
    from omegaconf import open_dict

    from clipbio.config import plain
    from clipbio.training.run import config_hash

    values = plain(config)
    if "run_dir" not in values:
        return
    with open_dict(config):
        config.run_dir = f"{values['run_dir']}/{config_hash(values)}"
        for logger in (config.get("logger") or {}).values():
            if "group" in logger and logger.group is None:
                logger.group = Path(values["run_dir"]).expanduser().resolve().name
        # What is in a folder of this name can only be the same run.
        _may_go_on(config)


class _Told(SystemExit):
    """Leaves Hydra, which would print a traceback for any other exception."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(_fail(message, status))


def _outcome(metrics: Any, values: dict[str, Any]) -> Any:
    """Return what a sweeper optimises, where the config names it."""
    wanted = values.get("optimized_metric")
    return metrics.get(wanted) if wanted and isinstance(metrics, dict) else None


def _verb_help(verb: str) -> str:
    """Return what a verb does, the choices of each config group, and its settings with their comments."""
    from clipbio.config import config_dir, config_groups

    settings = (config_dir() / f"{verb}.yaml").read_text(encoding="utf-8")
    named = [name for name in config_groups() if f"- {name}:" in settings or f"/{name}:" in settings]
    parts = re.findall(r"^  - (\w+)$", settings, re.MULTILINE)
    included = [config_dir() / f"{part}.yaml" for part in parts if part not in ("house", "_self_")]
    lines = [f"python -m clipbio {verb} [KEY=VALUE ...]: {VERBS[verb][0]}", "", "Choices (GROUP=CHOICE):"]
    lines += [f"  {name:<12} {' '.join(config_groups()[name])}" for name in named]
    lines += [
        "",
        "Settings (KEY=VALUE; those of a choice stand in conf/GROUP/CHOICE.yaml and are given as GROUP.KEY=VALUE):",
        "",
        settings,
        *(path.read_text(encoding="utf-8") for path in included),
        "--cfg job prints the composed config; -m runs a sweep over comma-separated values.",
        "",
    ]
    return "\n".join(lines)


def _fail(message: str, status: int = INPUT_ERROR) -> int:
    sys.stderr.write(f"clipbio: {' '.join(message.split())}\n")
    return status


def _log_to_console() -> None:
    from rich.console import Console
    from rich.logging import RichHandler

    handler = RichHandler(console=Console(stderr=True), show_path=False, show_level=False, log_time_format="%H:%M:%S")
    logger = logging.getLogger("clipbio")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)


def _help() -> str:
    lines = ["usage: python -m clipbio VERB [KEY=VALUE ...]", ""]
    lines += [f"  {name:<10} {what}" for name, (what, _) in VERBS.items()]
    lines += [
        "",
        "Settings are given as KEY=VALUE; 'python -m clipbio VERB --help' lists them, '--cfg job' prints the result.",
        "First steps: python -m clipbio train experiment=quickstart run_dir=runs/quickstart",
        "",
    ]
    return "\n".join(lines)
