"""`python -m clipbio traits`: what descriptions say, as structured characters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clipbio.errors import ClipbioError
from clipbio.files import whole_folder
from clipbio.progress import progress_bar
from clipbio.tasks.asked import flag, new_folder, whole_number
from clipbio.tasks.descriptions import asked_source, descriptions_of, one_text, text_of_file
from clipbio.tasks.traits_table import tell_summary, tell_traits
from clipbio.traits import Described, Reader
from clipbio.traits.archive import TRAITS, TraitArchive
from clipbio.traits.summary import Summary

__all__ = ["extract_traits"]

Config = Mapping[str, Any]


def extract_traits(config: Config) -> None:
    """Extract traits, write them where `out` names a folder, and print what was found.

    Args:
        config: Plain resolved config of `conf/traits.yaml`.
    """
    rows = config["rows"] if config["rows"] is None else whole_number(config["rows"], "rows")
    overwrite = flag(config["overwrite"], "overwrite")
    asked = config["out"] not in (None, "")
    out = new_folder(config["out"], overwrite=overwrite, mark=TRAITS) if asked else None
    language = None if config["language"] is None else str(config["language"])
    reader = Reader(group=config["group"], language=language, own=config["vocabulary"])
    given = _given(config)
    described = [given] if given else _of_data(config, out)
    if not described:
        raise ClipbioError("there is no description: neither a species nor a specimen has one")
    if out is None:
        tell_traits(described[0], reader.of(described[0])[1])
        return
    with whole_folder(out) as folder:
        summary = _written(folder, described, reader)
    tell_summary(summary, out, rows)


def _written(folder: Path, described: Iterable[Described], reader: Reader) -> Summary:
    summary, described = Summary(), list(described)
    with TraitArchive(folder) as archive, progress_bar() as bar:
        task = bar.add_task("extracting traits", total=len(described))
        for about in described:
            group, traits = reader.of(about)
            archive.add(about, traits, group=group or "")
            summary.add(about, traits)
            bar.advance(task)
    return summary


def _of_data(config: Config, out: Path | None) -> list[Described]:
    source = asked_source(config)
    if out is None:
        raise ClipbioError("out is missing: name the folder to write")
    return descriptions_of(source)


def _given(config: Config) -> Described | None:
    """Return the text that was given as such, None where data were."""
    asked = [key for key in ("description", "file") if config[key] not in (None, "")]
    with_data = config["data"]["root"] is not None or bool(config.get("source") or config["sources"])
    if len(asked) + with_data > 1:
        raise ClipbioError("give one of description=, file= and data (data.root= or source=), not several")
    name = str(config["name"] or "")
    if config["name"] and not asked:
        raise ClipbioError("name= goes with description= or file=: data have names of their own")
    if not asked:
        return None
    if asked == ["file"]:
        path = Path(str(config["file"])).expanduser()
        return one_text(text_of_file(path), name, source=path.name)
    return one_text(str(config["description"]), name)
