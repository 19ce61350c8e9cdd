"""`python -m clipbio audit`, and the audit before each training: do splits share what they must not?"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from clipbio.data.leakage import Audit, audit
from clipbio.data.leakage_kinds import KINDS
from clipbio.data.leakage_report import audit_table, write_audit
from clipbio.data.roots import is_remote, local_folder, shown
from clipbio.data.shards import ShardFolder, resolve
from clipbio.data.splits import SplitRows, whole_split
from clipbio.errors import ClipbioError
from clipbio.files import write_json
from clipbio.tasks.asked import flag, report_folder

if TYPE_CHECKING:
    # The verb does not wait for Lightning.
    from clipbio.data.datamodule import SpecimenData

__all__ = ["audit_run", "audit_splits"]

log = logging.getLogger(__name__)


def audit_splits(config: Mapping[str, Any]) -> None:
    """Compare the splits of a folder, or those of two folders, print the result and write the report.

    Args:
        config: Plain resolved config of `conf/audit.yaml`.
    """
    roots = [str(config["root"]), *([str(config["other"])] if config["other"] else [])]
    cache, out = local_folder(config["cache_dir"], "cache_dir"), report_folder(config["out"])
    strict = flag(config["strict"], "strict")
    folders = [resolve(root if is_remote(root, "root") else Path(root).expanduser(), cache) for root in roots]
    first, *second = (_splits(folder, place if len(folders) > 1 else None) for place, folder in enumerate(folders))
    result = audit(first, second[0] if second else None, held_out=str(config["held_out"]))
    title = f"leakage: {' and '.join(map(shown, roots))}"
    console = Console()
    console.print(audit_table(result, title))
    for leak in result.leaks:
        console.print(f"leak: {leak}", markup=False, highlight=False, soft_wrap=True)
    if out:
        page = write_audit(result, out, title)
        console.print(f"report: {page}", markup=False, soft_wrap=True)
    if result.blind:
        console.print(result.blind, markup=False, soft_wrap=True)
    if not result.leaks:
        console.print(f"no leaks in {result.pairs} pairs of splits")
    elif strict:
        raise ClipbioError(f"leakage: {result.summary()}")


def _splits(folder: ShardFolder, place: int | None) -> dict[str, SplitRows]:
    """Return the splits of a folder, named with the place of the folder where there are two."""
    names = [name for name, samples in folder.splits.items() if samples]
    return {name if place is None else f"{name} ({place + 1})": whole_split(folder, name) for name in names}


def audit_run(data: SpecimenData, run_dir: Path, *, refuse: bool) -> Audit:
    """Compare what a run trains on with what it is evaluated on, on the columns that are loaded already.

    Pictures are compared where the model reads images, barcodes where it reads DNA.
    Writes `leakage.json` into the run folder and one line to the log.

    Args:
        data: The data of a run that is planned.
        run_dir: The run folder.
        refuse: Raise if there is a leak.
    """
    parts = dict(data.splits)
    known = {id(part) for part in parts.values() if part.name == "train"}
    for name, one in data.planned.items():
        if id(one.split) not in known:
            # Whatever it is called where it stands: here it is trained on.
            parts[f"stream {name}"] = replace(one.split, name="train")
            known.add(id(one.split))
    unread = {kind for kind, name in (("image", "image"), ("barcode", "dna")) if name not in data.modalities}
    result = audit(parts, kinds=[kind for kind in KINDS if kind not in unread])
    write_json(run_dir / "leakage.json", result.to_dict())
    if result.leaks and refuse:
        raise ClipbioError(f"leakage: {result.summary()}; split again, or go on with leakage=warn")
    if result.leaks:
        log.warning("leakage: %s; see %s", result.summary(), run_dir / "leakage.json")
    else:
        log.info("leakage: %s", result.summary())
    return result
