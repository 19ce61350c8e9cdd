"""Published protocols that benchmarks can follow to the letter, beside the corrected form that is the default.

A benchmark that has such forms names them in its `PROTOCOLS`; its figures then stand under `TASK_PROTOCOL`.
"""

from __future__ import annotations

from collections.abc import Iterable

from clipbio.errors import ClipbioError, closest

__all__ = ["OWN", "PROTOCOLS", "chosen_protocols", "task_name"]

OWN = "clipbio"
"""The corrected form."""

PROTOCOLS = (OWN, "bioclip_v1", "bioclip_v2", "clibd")


def task_name(task: str, protocol: str) -> str:
    """Return under which task the figures of a protocol stand."""
    return task if protocol == OWN else f"{task}_{protocol}"


def chosen_protocols(asked: str | Iterable[str], forms: Iterable[str]) -> tuple[str, ...]:
    """Return the forms in which a benchmark is run, given the protocols that are asked for.

    A benchmark that has none of them is run in its own form: there its published code has nothing to reproduce.

    Args:
        asked: One protocol, or several to compare side by side.
        forms: Published protocols of which the benchmark has a form.

    Raises:
        ClipbioError: A protocol is unknown, or none is given.
    """
    names = tuple(dict.fromkeys([asked] if isinstance(asked, str) else asked))
    for name in names or ("",):
        if name not in PROTOCOLS:
            raise ClipbioError(
                f"protocol has no choice '{name}'{closest(name, PROTOCOLS)}; valid are: {', '.join(PROTOCOLS)}"
            )
    return tuple(name for name in names if name == OWN or name in forms) or (OWN,)
