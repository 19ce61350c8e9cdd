"""How templates of pages and reports are read: strictly, and with everything that is put into them escaped."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

__all__ = ["template_environment"]


def template_environment(*folders: Path, autoescape: bool = True) -> Environment:
    """Return the environment of templates in some folders.

    Args:
        folders: Where they are looked for, in this order.
        autoescape: Escape values for HTML; False for Markdown, whose filters escape.
    """
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
