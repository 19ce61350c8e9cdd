"""`python -m clipbio check`: what is in this data, and what is wrong with it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipbio.checking.check import check
from clipbio.checking.console import render
from clipbio.data.sources import Source
from clipbio.errors import ClipbioError
from clipbio.files import write_json
from clipbio.tasks.asked import flag, report_folder
from clipbio.tasks.sources import build_source

__all__ = ["check_data"]

_SETTINGS = ("decode", "near_duplicates", "max_images", "context_length", "max_texts")


def check_data(config: Mapping[str, Any]) -> None:
    """Print a report, write it where `out` names a folder, and end with an error if the data cannot pass.

    Args:
        config: Plain resolved config of `conf/check.yaml`.
    """
    settings = {name: config[name] for name in _SETTINGS}
    out, strict = report_folder(config["out"]), flag(config["strict"], "strict")
    report = check(_data(config), name=_name(config), progress=True, **settings)
    render(report)
    if out is not None:
        from clipbio.checking.page import write_page  # late: it draws, which takes seconds to load

        write_json(out / "check.json", report.to_dict())
        write_page(report, out / "check.html")
    if failure := report.failure(strict=strict):
        raise ClipbioError(f"{report.walk.name}: {failure}, see the table above")


def _data(config: Mapping[str, Any]) -> str | Source:
    root = config["root"]
    from_source = bool(config.get("source") or config["sources"])
    if (root is None) != from_source:
        told = "not both" if from_source else "one of them is needed"
        raise ClipbioError(f"give root=FOLDER (shards or a specimen table) or source=NAME source.root=FOLDER, {told}")
    if from_source:
        return build_source(config)
    if not config["split"]["_target_"].endswith(".Keep"):
        raise ClipbioError("split= goes with source=NAME source.root=FOLDER; a root is checked with the splits it has")
    return str(root)


def _name(config: Mapping[str, Any]) -> str:
    """Return what the report calls a source: where its data stand, or what its parts are called."""
    if config["sources"]:
        return ", ".join(map(str, config["sources"]))
    return str((config.get("source") or {}).get("root") or "")
