"""`python -m clipbio check`: is this folder what it says it is?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipbio.data.check import check, render
from clipbio.errors import ClipbioError

__all__ = ["check_data"]


def check_data(config: Mapping[str, Any]) -> None:
    """Print a report; errors end the command with their number.

    Args:
        config: Plain resolved config of `conf/check.yaml`.
    """
    report = check(config["root"], decode=bool(config["decode"]), progress=True)
    if render(report):
        raise ClipbioError(f"{report.root}: {report.errors} errors, see the table above")
