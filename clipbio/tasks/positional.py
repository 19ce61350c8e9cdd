"""Arguments without a key: `compare RUN RUN` is `compare runs=[RUN,RUN]`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clipbio.errors import ClipbioError
from clipbio.tasks.quoting import as_typed, quoted
from clipbio.tasks.search_arguments import search_overrides
from clipbio.tasks.traits_arguments import traits_overrides

__all__ = ["with_keys"]

# Verb: the key that takes what has none, as a list, or as the one thing that it is.
_KEYS = {"compare": "runs", "embed": "images", "predict": "images", "describe": "image"}
_SINGLE_KEYS = {"index": "out", "serve": "index", "reproduce": "run"}


def with_keys(verb: str, arguments: Sequence[str]) -> list[str]:
    """Return arguments as overrides of Hydra: those without a key, and existing folders, become one quoted list.

    For `search` the first of them is the index, and the others are the words of the query; for `traits` it is data, a
    file or a description. Ids stay as they are typed.

    Raises:
        ClipbioError: There are several where a verb takes one.
    """
    if verb == "search":
        return search_overrides(arguments, _settings(verb))
    if verb == "traits":
        return traits_overrides(arguments)
    if verb == "index":
        arguments = [f"ids={as_typed(one[4:])}" if one.startswith("ids=[") else one for one in arguments]
    key = _KEYS.get(verb) or _SINGLE_KEYS.get(verb)
    plain = [one for one in arguments if key and _is_plain(one)]
    if not plain:
        return list(arguments)
    others = [_whole(one) for one in arguments if one not in plain]
    if verb in _SINGLE_KEYS:
        if len(plain) > 1:
            raise ClipbioError(f"{verb} takes one {key}, here are {len(plain)}: {', '.join(plain)}")
        return [*others, f"{key}={quoted(plain[0])}"]
    return [*others, f"{key}=[{','.join(map(quoted, plain))}]"]


def _whole(override: str) -> str:
    """Return an override whose value holds a second equals sign, as the folder of a sweep does, with it in quotes."""
    key, _, value = override.partition("=")
    return f"{key}={quoted(value)}" if "=" in value and value[0] not in "'\"[{" else override


def _is_plain(argument: str) -> bool:
    """Tell whether an argument is a path: a folder of a sweep may be called lr=0.1."""
    if argument.startswith(("-", "+", "~")):
        return False
    return "=" not in argument or Path(argument).expanduser().is_dir()


def _settings(verb: str) -> set[str]:
    """Return the settings of a verb and its config groups."""
    import yaml

    from clipbio.config import config_dir, config_groups

    settings = yaml.safe_load((config_dir() / f"{verb}.yaml").read_text(encoding="utf-8"))
    return {*settings, *config_groups(), "hydra"}
