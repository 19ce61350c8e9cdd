"""Hook of mkdocs: pages of the repository that lie outside of docs/ become pages of the site.

Links stay those that also work in the repository; here they are turned to where the pages lie on the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PAGES = ("benchmarks/README.md", "benchmarks/RESULTS.md")
_CONF = re.compile(r"\]\(\.\./conf/(\w+)/(\w+)\.yaml\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside."""
    root = Path(config.config_file_path).parent
    for page in PAGES:
        files.append(File.generated(config, page, content=(root / page).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links between docs/ and its neighbours."""
    if page.file.src_uri in PAGES:
        return markdown.replace("](../docs/", "](../")
    markdown = _CONF.sub(r"](configuration/\1.md#\2)", markdown)
    return markdown.replace("](../benchmarks/", "](benchmarks/")
