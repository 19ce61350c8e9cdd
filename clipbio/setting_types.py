"""Settings against the types of the constructor that takes them, before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from clipbio.errors import ClipbioError, closest

__all__ = ["check_types"]

_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null"}


def check_types(target: Any, values: Mapping[str, Any], path: str) -> None:
    """Refuse plain values that a parameter cannot take; types that are no plain ones are left to the constructor.

    Raises:
        ClipbioError: With the setting, its value, and what it must be.
    """
    try:
        hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (AttributeError, NameError):  # a type that is imported for the type checker alone
        return
    for name, value in values.items():
        if name in hints and not _fits(value, hints[name]):
            valid = [one for one in get_args(hints[name]) if isinstance(one, str)]
            hint = closest(str(value), valid) if get_origin(hints[name]) is Literal else ""
            raise ClipbioError(f"{path}.{name}={_shown(value)} must be {_told(hints[name])}{hint}")


def _fits(value: Any, kind: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is Sequence or origin in (list, tuple):
        return isinstance(value, list | tuple) and (len(parts) != 1 or all(_fits(one, parts[0]) for one in value))
    if origin is Mapping or origin is dict:
        return isinstance(value, Mapping) and all(_fits(one, parts[1]) for one in value.values())
    if kind in (int, float):
        return isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    return not isinstance(kind, type) or kind not in _NAMES or isinstance(value, kind)


def _told(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(map(_told, parts))
    if origin is Literal:
        return "one of " + ", ".join(map(str, parts))
    if origin is Sequence or origin in (list, tuple):
        return f"a list such as {'[1,2]' if parts[0] in (int, float) else '[a,b]'}"
    if origin is Mapping or origin is dict:
        return f"a dictionary such as {{name: {'0.1' if parts[1] is float else 'value'}}}"
    return _NAMES.get(kind, str(kind))


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).replace("'", "")
