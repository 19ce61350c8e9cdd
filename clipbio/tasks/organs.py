"""`python -m clipbio organs`: a segmenter of organs, and what is written and read of organs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clipbio.errors import ClipbioError, nearest

__all__ = ["organs"]

Config = Mapping[str, Any]


def organs(config: Config) -> Any:
    """Do one thing with organs.

    Args:
        config: Plain resolved config of `conf/organs.yaml`.
    """
    action = str(config["action"])
    if action not in _ACTIONS:
        raise ClipbioError(f"action={action} is unknown{nearest(action, _ACTIONS)}")
    for key, actions in _ACTIONS_OF.items():
        if config[key] not in (None, False) and action not in actions:
            raise ClipbioError(f"{key}= goes with action={' or '.join(actions)}, not with {action}: leave it out")
        if key in _NEEDED.get(action, ()) and config[key] is None:
            raise ClipbioError(f"action={action} needs {key}=")
    return _ACTIONS[action](config)


def _train(config: Config) -> Any:
    from clipbio.tasks.organs_training import train

    return train(config)


def _evaluate(config: Config) -> Any:
    from clipbio.tasks.organs_training import evaluate

    return evaluate(config)


def _predict(config: Config) -> None:
    from clipbio.tasks.organs_writing import predict

    predict(config)


def _export(config: Config) -> None:
    from clipbio.tasks.organs_writing import export

    export(config)


def _import(config: Config) -> None:
    from clipbio.tasks.organs_importing import import_coco

    import_coco(config)


_ACTIONS: dict[str, Callable[[Config], Any]] = {
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "export": _export,
    "import": _import,
}
# What would be passed over without a word elsewhere.
_ACTIONS_OF = {
    "checkpoint": ("evaluate", "predict"),
    "out": ("evaluate", "predict", "export", "import"),
    "overwrite": ("predict", "export", "import"),
    "crops": ("predict", "export", "import"),
    "annotations": ("import",),
    "images": ("import",),
    "table": ("import",),
}
_NEEDED = {
    "evaluate": ("checkpoint",),
    "predict": ("checkpoint", "out"),
    "export": ("out",),
    "import": ("annotations", "out"),
}
