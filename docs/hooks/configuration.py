"""Hook of mkdocs: each config group becomes a page, made of the YAML files with their comments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_MARK = "<!-- groups -->"


def on_config(config: Any) -> Any:
    """Put the pages of the groups into the navigation, below the page that tells how settings are given."""
    names = ["commands", *_groups(_conf(config))]
    pages = [{name: f"configuration/{name.replace('/', '-')}.md"} for name in names]
    config.nav = _amended(config.nav, pages)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each group, and one for the files of the commands."""
    conf = _conf(config)
    pages = {"commands": sorted(conf.glob("*.yaml"))}
    pages |= {group: sorted((conf / group).glob("*.yaml")) for group in _groups(conf)}
    for group, paths in pages.items():
        name = f"configuration/{group.replace('/', '-')}.md"
        files.append(File.generated(config, name, content=_page(group, paths)))
    return files


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """Write the table of groups where a page asks for it."""
    return markdown.replace(_MARK, _table(_conf(config))) if _MARK in markdown else markdown


def _conf(config: Any) -> Path:
    return Path(config.config_file_path).parent / "conf"


def _groups(conf: Path) -> list[str]:
    return sorted({path.parent.relative_to(conf).as_posix() for path in conf.rglob("*.yaml")} - {"."})


def _amended(nav: list[Any], pages: list[dict[str, str]]) -> list[Any]:
    """Return the navigation with the entry of the configuration made a section."""
    amended = []
    for entry in nav:
        (title, target), *_ = entry.items()
        if target == "configuration.md":
            amended.append({title: [target, *pages]})
        else:
            amended.append({title: _amended(target, pages)} if _holds(target) else entry)
    return amended


def _holds(target: Any) -> bool:
    return isinstance(target, list) and all(isinstance(entry, dict) for entry in target)


def _page(group: str, paths: list[Path]) -> str:
    parts = [f"## {path.stem}\n\n```yaml\n{path.read_text(encoding='utf-8').rstrip()}\n```\n" for path in paths]
    title = "Commands" if group == "commands" else group
    return "\n".join([f"# {title}\n\n{_use(group, paths)}\n", *parts])


def _use(group: str, paths: list[Path]) -> str:
    """Return how the settings of a group are given."""
    if group == "commands":
        return (
            "The settings of each verb: `python -m clipbio VERB KEY=VALUE`. Files without a verb are parts of several."
        )
    if group.endswith("/shared"):
        return f"What files of `{group.removesuffix('/shared')}` have in common; not chosen by themselves."
    if all("# @package _global_" in path.read_text(encoding="utf-8") for path in paths):
        return f"Chosen with `{group}=CHOICE`. Its settings are those of the command: `KEY=VALUE`."
    key = f"{group}.CHOICE" if group == "benchmark" else group.replace("/", ".")
    return f"Chosen with `{group}=CHOICE`; a setting of it is given as `{key}.KEY=VALUE`."


def _table(conf: Path) -> str:
    rows = ["| group | choices |", "|---|---|", "| [commands](configuration/commands.md) | the settings of each verb |"]
    for group in _groups(conf):
        page = f"configuration/{group.replace('/', '-')}.md"
        choices = " ".join(f"[`{path.stem}`]({page}#{path.stem})" for path in sorted((conf / group).glob("*.yaml")))
        rows.append(f"| [{group}]({page}) | {choices} |")
    return "\n".join(rows)
