"""Configs: where they are, what may be overridden, and how they become objects."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from clipbio.errors import ClipbioError, nearest
from clipbio.setting_types import check_types

__all__ = ["check_overrides", "check_signatures", "compose", "config_dir", "config_groups", "instantiate", "plain"]

# What a config may name: our parts and those of the libraries whose parts fit in their place.
_ALLOWED_TARGETS = ("clipbio.", "pytorch_lightning.", "torch.", "torchvision.", "timm.")
# Parts to which anything may be added: they are dictionaries, or checked against Lightning's own signature.
_OPEN = ("trainer.", "callbacks.", "logger.", "benchmark.", "model.", "data.streams.", "text.", "sources.")
# Conditions of a search: the index says which columns it has.
_FILTERS = "where."
_HYDRA_KEYS = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")


def config_dir() -> Path:
    """Return the folder of configs: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").exists():
            return folder
    raise ClipbioError(f"no configs were found in {package / 'conf'} or {package.parent / 'conf'}: reinstall clipbio")


def compose(name: str, overrides: Sequence[str] = ()) -> DictConfig:
    """Compose a config by name, with Hydra's override syntax.

    Raises:
        ClipbioError: A key or a choice is unknown; the message names the nearest valid one.
    """
    check_overrides(name, overrides)
    return _compose(name, overrides)


def _compose(name: str, overrides: Sequence[str]) -> DictConfig:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException

    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            return hydra_compose(name, overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ClipbioError(_first_line(error)) from error
    finally:
        GlobalHydra.instance().clear()


def check_overrides(name: str, overrides: Sequence[str]) -> None:
    """Refuse overrides of unknown keys and unknown choices, naming the nearest valid one."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ClipbioError(f"override not understood: {_first_line(error)}") from error
    groups = config_groups()
    single, values = [], []
    for override in parsed:
        key = override.key_or_group
        if key == "hydra" or key.startswith(("hydra.", "hydra/")):
            continue
        text = _first_choice(override)
        if key in groups:
            _check_choices(key, text, groups[key])
            single.append(text)
        else:
            values.append((key, text))
    config = _compose(name, single)
    for key, text in values:
        if not (text.startswith("+") and _is_judged_later(config, key)):
            _check_key(config, key, name)


def config_groups() -> dict[str, list[str]]:
    """Return the config groups and their choices."""
    root = config_dir()
    return {
        folder.relative_to(root).as_posix(): sorted(path.stem for path in folder.glob("*.yaml"))
        for folder in sorted(root.rglob("*"))
        if folder.is_dir()
    }


def _first_choice(override: Any) -> str:
    """Return the override itself, or for a sweep the one that stands for its first value."""
    if not override.is_sweep_override():
        return str(override.input_line)
    key = override.get_key_element()
    if override.is_choice_sweep():
        return f"{key}={next(iter(override.sweep_string_iterator()))}"
    return f"{key}={override.value().start!s}" if override.is_range_sweep() else str(override.input_line)


def _check_choices(group: str, text: str, choices: Sequence[str]) -> None:
    if text.startswith("~"):
        return
    value = text.partition("=")[2].strip()
    for choice in re.split(r"[\[\],\s]+", value.strip("[]")):
        if choice and choice != "null" and choice not in choices:
            raise ClipbioError(f"{group}={choice}: there is no such choice{nearest(choice, choices)}")


def _check_key(config: DictConfig, key: str, name: str) -> None:
    node: Any = config
    path: list[str] = []
    for part in key.split("."):
        # Not `part in node`: omegaconf says no of a key whose value is still missing.
        if isinstance(node, DictConfig) and part not in list(node):
            keys = [".".join([*path, str(other)]) for other in node]
            wanted = ".".join([*path, part])
            hint = _elsewhere(config, part) or nearest(wanted, keys)
            if path == ["data", "streams"]:
                hint = f"; a further stream is added with '+{key}=...'"
            raise ClipbioError(f"{wanted} is no setting of '{name}'{hint}")
        path.append(part)
        node = node._get_node(part) if isinstance(node, DictConfig) else None
        if node is None or not isinstance(node, DictConfig) or node._is_none() or node._is_missing():
            return
        if node._is_interpolation():
            return


def _is_judged_later(config: DictConfig, key: str) -> bool:
    """Tell whether an added key lies in a part whose constructor, or an own check, will judge it."""
    if key.startswith(_OPEN) or (key.startswith(_FILTERS) and _FILTERS.rstrip(".") in list(config)):
        return True
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, DictConfig):
            return False
        if "_target_" in list(node):
            return True
        node = node._get_node(part) if part in list(node) else None
    return False


def _elsewhere(config: DictConfig, part: str) -> str:
    """Suggest a key of that very name in another place of the config, if there is one."""
    found = [path for path in _paths(config) if path.rpartition(".")[2] == part]
    return f"; did you mean '{found[0]}'?" if found else ""


def _paths(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for name in config:
        key = str(name)
        path = f"{prefix}.{key}" if prefix else key
        yield path
        node = config._get_node(key)
        if isinstance(node, DictConfig) and not (node._is_none() or node._is_missing() or node._is_interpolation()):
            yield from _paths(node, path)


def check_signatures(config: Any, path: str = "") -> None:
    """Check every part of a plain config against the signature of what it builds.

    Raises:
        ClipbioError: A key is no parameter, a parameter without default is missing, or a target is not allowed.
    """
    for part, place in _parts(config, path):
        _check_signature(part, place)


def _parts(config: Any, path: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield what builds something, and where it stands."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield config, path
        for key, value in config.items():
            yield from _parts(value, f"{path}.{key}" if path else str(key))
    elif isinstance(config, list):
        for place, value in enumerate(config):
            yield from _parts(value, f"{path}[{place}]")


def _check_signature(config: Mapping[str, Any], path: str) -> None:
    parameters = inspect.signature(_target(str(config["_target_"]), path)).parameters
    given = [str(key) for key in config if key not in _HYDRA_KEYS]
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        for key in given:
            if key not in parameters:
                raise ClipbioError(f"{path}.{key} is no setting of {config['_target_']}{nearest(key, parameters)}")
    if config.get("_partial_"):
        return
    for name, parameter in parameters.items():
        plain_kind = parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        if plain_kind and parameter.default is inspect.Parameter.empty and name not in given:
            raise ClipbioError(f"{path}.{name} is missing: {config['_target_']} needs it")


def _check_values(config: Mapping[str, Any], path: str) -> None:
    """Check the plain settings of a part that is ours against the types of its constructor."""
    if str(config["_target_"]).startswith("clipbio."):
        # A part inside is built first: what it becomes is no plain value.
        settings = {str(key): value for key, value in config.items() if next(_parts(value, ""), None) is None}
        check_types(_target(str(config["_target_"]), path), settings, path)


def _target(name: str, path: str) -> Any:
    from hydra.utils import get_object

    if not name.startswith(_ALLOWED_TARGETS):
        raise ClipbioError(f"{path}._target_={name} is not allowed; it must begin with {', '.join(_ALLOWED_TARGETS)}")
    try:
        return get_object(name)
    except Exception as error:
        raise ClipbioError(f"{path}._target_={name} does not exist: {_first_line(error)}") from error


def instantiate(config: Any, path: str = "", **values: Any) -> Any:
    """Build the object that a config describes, its parts first; lists and dictionaries become plain ones.

    Args:
        config: Part of a config with `_target_`.
        path: Where it stands, for messages.
        values: Further arguments.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate as hydra_instantiate

    plain_config = plain(config) if isinstance(config, DictConfig) else dict(config)
    check_signatures(plain_config | dict.fromkeys(values), path)
    for part, place in _parts(plain_config, path):
        _check_values(part, place)
    try:
        return hydra_instantiate(plain_config, _convert_="all", **values)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, ClipbioError):
            raise cause from None
        if isinstance(cause, ImportError):
            raise ClipbioError(
                f"{path}: {_first_line(cause)}; install the package or the extra that brings it"
            ) from error
        if isinstance(cause, TypeError | ValueError):
            raise ClipbioError(f"{path}: {_first_line(cause)}") from error
        raise


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a config as plain containers with everything resolved.

    Raises:
        ClipbioError: A value must be given, or refers to nothing; the message names the key.
    """
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise ClipbioError(f"{' and '.join(missing)} must be given: add {missing[0]}=VALUE")
    try:
        container = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ClipbioError(_first_line(error)) from error
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
