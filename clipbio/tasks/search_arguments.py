"""Arguments of `search`: an index, words, and filters, as overrides that reach the config as they were typed."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from clipbio.tasks.quoting import as_typed, members, quoted

__all__ = ["search_overrides"]

_SETTING = re.compile(r"(?P<mark>[+~]{0,2})(?P<key>[^\s=,'\"]+)=(?P<value>.*)", re.DOTALL)
# Hydra's own, and those of them that take a word after them.
_FLAGS = ("-h", "-m", "-c", "-i", "-p", "-r", "-cp", "-cn", "-cd", "-sc")
_FLAGS_WITH_WORD = ("-c", "--cfg", "-p", "--package", "--info", "-i", "-cn", "--config-name")
# What people type: commas, quotes and brackets are part of it.
_LITERAL = ("query", "index", "image", "dna", "specimen", "out", "checkpoint")
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*", re.ASCII)


def search_overrides(arguments: Sequence[str], keys: Collection[str]) -> list[str]:
    """Return arguments as overrides of Hydra: the first one without a key is the index, further ones are the words.

    Args:
        arguments: As typed.
        keys: The settings that there are. What looks like another setting is one too, unless it holds spaces.
    """
    overrides: list[str] = []
    filters: list[tuple[str, str]] = []
    plain: list[str] = []
    takes_word = False
    for one in arguments:
        setting = None if Path(one).expanduser().is_dir() else _SETTING.fullmatch(one)
        if takes_word or _is_flag(one):
            overrides.append(one)
        elif setting is None or (setting["key"].split(".")[0] not in keys and any(map(str.isspace, one))):
            plain.append(one)
        elif setting["key"].startswith("where."):
            filters.append((setting["key"].removeprefix("where."), setting["value"]))
        else:
            overrides.append(_literal(setting))
        takes_word = one in _FLAGS_WITH_WORD
    given = {one.partition("=")[0] for one in overrides}
    if plain and "index" not in given:
        overrides.append(f"index={quoted(plain.pop(0))}")
    if plain:
        overrides.append(f"query={quoted(' '.join(plain))}")
    return [*overrides, *_filters(filters)]


def _is_flag(argument: str) -> bool:
    return argument.startswith("--") or argument in _FLAGS


def _literal(setting: re.Match[str]) -> str:
    """Return a setting, one that people type freely in quotes unless it stands in Hydra's."""
    value = setting["value"]
    in_quotes = len(value) > 1 and value[0] == value[-1] == "'"
    if setting["mark"] or setting["key"] not in _LITERAL or value == "null" or in_quotes:
        return setting[0]
    return f"{setting['key']}={quoted(value)}"


def _filters(filters: Sequence[tuple[str, str]]) -> list[str]:
    """Return conditions as entries of the mapping `where`, and of `filters` where Hydra cannot read a column's name."""
    read = [f"++where.{column}={as_typed(value)}" for column, value in filters if _PLAIN_KEY.fullmatch(column)]
    other = [
        quoted(f"{column}={one}")
        for column, value in filters
        if not _PLAIN_KEY.fullmatch(column)
        for one in members(value) or [value]
    ]
    return [*read, *([f"filters=[{','.join(other)}]"] if other else [])]
