"""The README says what is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from a2g_cli.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "adapters/README.md",
    "recordings/README.md",
    "docs/formats.md",
    "docs/hardware.md",
)


def test_the_tree_is_current() -> None:
    subprocess.run([sys.executable, "docs/make_tree.py", "--check"], cwd=ROOT, check=True)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_it_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = set(re.findall(r"^    a2g ([a-z-]+)", text, re.MULTILINE)) | set(re.findall(r"`a2g ([a-z-]+)", text))
    for command in sorted(commands):
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0, f"a2g {command}"


@pytest.mark.parametrize("page", PAGES)
def test_every_file_it_links_to_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), target


def test_no_page_shows_a_merge_that_was_not_finished() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("*/*.md")):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"^(<{7}|={7}|>{7})( |$)", text, re.MULTILINE), page
