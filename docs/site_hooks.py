"""MkDocs hooks: pages that stand outside of docs/ join the site, and links between the repository's files lead to pages."""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OUTSIDE = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "a2g_cli/checkpoints/base/README.md": "reference/base.md",
    "adapters/README.md": "reference/adapters.md",
    "recordings/README.md": "reference/recordings.md",
}
"""File of the repository -> page of the site."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of ``OUTSIDE``, and have a change of them build the site again."""
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Return a page's text with its links as they are on the site."""
    return relinked(markdown, page.file.src_uri)


def relinked(markdown: str, page: str) -> str:
    """Return the text of ``page`` with links to files as links to their pages.

    A file that is no page of the site, such as a module, becomes its text alone: the site may be read without the
    repository. A link to a file that does not exist is left as it is: MkDocs then warns, and a strict build fails.
    """
    sources = {name: source for source, name in OUTSIDE.items()}
    folder = PurePosixPath(sources.get(page, f"docs/{page}")).parent

    def link(match: re.Match[str]) -> str:
        image, words, target = match.groups()
        path, hash_sign, anchor = target.partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return match[0]
        file = os.path.normpath(folder / path)
        if file in OUTSIDE:
            there = OUTSIDE[file]
        elif file.startswith("docs/"):
            there = file.removeprefix("docs/")
        else:
            return words if (ROOT / file).exists() else match[0]
        start = PurePosixPath(page).parent
        return f"{image}[{words}]({os.path.relpath(there, start)}{hash_sign}{anchor})"

    return LINK.sub(link, markdown)
