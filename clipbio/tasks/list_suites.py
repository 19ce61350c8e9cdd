"""`python -m clipbio suites`: which published data sets there are, and which of them stand here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from clipbio.config import compose, config_groups, plain
from clipbio.errors import ClipbioError, nearest
from clipbio.tasks.suites import Suite, build_suites, is_suite

__all__ = ["list_suites", "shipped_suites"]


def list_suites(config: Mapping[str, Any]) -> None:
    """Print every published data set with its licence, numbers, how to get it, and whether it is found.

    Args:
        config: Plain resolved config of `conf/suites.yaml`.
    """
    console = Console()
    table = Table("set", "title", "licence", "split: images / classes", "here", title="published data sets",
                  title_justify="left")  # fmt: skip
    suites = shipped_suites(config["benchmark_root"])
    for name, suite in suites.items():
        table.add_row(name, suite.title, suite.licence or "not told", _numbers(suite), _here(name, suite))
    console.print(table)
    if config["name"] is not None and config["name"] not in suites:
        raise ClipbioError(f"name={config['name']} is no published data set{nearest(str(config['name']), suites)}")
    wanted = (
        [config["name"]] if config["name"] else [name for name, suite in suites.items() if _here(name, suite) != "yes"]
    )
    for name in wanted:
        suite = suites[name]
        told = f"{name} ({suite.place or suite.folder}): {' '.join(suite.get.split())} {suite.url or ''}"
        console.print(told, markup=False, highlight=False, soft_wrap=True)


def shipped_suites(root: str | None) -> dict[str, Suite]:
    """Return the data sets of `conf/benchmark/` by name, looked for below a folder."""
    return build_suites({"benchmark": {name: {**one, "base": root} for name, one in _entries().items()}})


@lru_cache
def _entries() -> dict[str, dict[str, Any]]:
    config = compose("evaluate", [f"benchmark=[{','.join(config_groups()['benchmark'])}]"])
    entries = plain(OmegaConf.masked_copy(config, ["benchmark", "benchmark_root"]))["benchmark"]
    return {name: one for name, one in entries.items() if is_suite(one)}


def _numbers(suite: Suite) -> str:
    return "\n".join(
        f"{split}: {' / '.join('?' if (n := counts.get(what)) is None else f'{n:,}' for what in ('images', 'classes'))}"
        for split, counts in suite.expected.items()
    )


def _is_here(suite: Suite) -> bool:
    return suite.place is not None and suite.place.is_dir()


def _here(name: str, suite: Suite) -> str:
    if not _is_here(suite):
        return "no"
    try:
        suite.read(name)
    except ClipbioError:
        return "not whole"
    return "yes"
