"""Hook of mkdocs: pages of the repository that lie outside of docs/ become pages of the site.

Links stay those that also work in the repository; here they are turned to where the pages lie on the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

# A README would become the index of its section.
PAGES = {"benchmarks/README.md": "benchmarks/scripts.md", "benchmarks/RESULTS.md": "benchmarks/results.md"}
_CONF = re.compile(r"\]\(\.\./conf/(\w+)/(\w+)\.yaml\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside."""
    root = Path(config.config_file_path).parent
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(root / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links between docs/ and its neighbours."""
    if page.file.src_uri in PAGES.values():
        return markdown.replace("](../docs/", "](../").replace("](RESULTS.md", "](results.md")
    markdown = _CONF.sub(r"](configuration/\1.md#\2)", markdown)
    for source, target in PAGES.items():
        markdown = markdown.replace(f"](../{source}", f"]({target}")
    return markdown
