"""The pages say what is there: trees and references are current, and commands, options and files that they name exist."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from a2g_cli.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "adapters/README.md",
    "recordings/README.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md")),
)
HISTORY = "docs/lab-notes.md"
"""Notes keep the words of their day."""


@pytest.mark.parametrize("script", ["make_tree.py", "make_reference.py"])
def test_what_is_made_from_the_code_is_current(script: str) -> None:
    subprocess.run([sys.executable, f"docs/{script}", "--check"], cwd=ROOT, check=True)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_every_command_it_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = set(re.findall(r"^    a2g ([a-z-]+)", text, re.MULTILINE)) | set(re.findall(r"`a2g ([a-z-]+)", text))
    for command in sorted(commands):
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0, f"a2g {command}"


def options_of(words: list[str]) -> set[str]:
    """Return the options of the command that ``words`` begin with, `recordings export` for one."""
    command: Any = typer.main.get_command(app)
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
    return {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help", "--version"}


@pytest.mark.parametrize("page", [page for page in PAGES if page != HISTORY])
def test_every_option_it_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = re.findall(r"^    a2g ([^#\n]+)", text, re.MULTILINE) + re.findall(r"`a2g ([^`]+)`", text)
    for line in lines:
        words = line.split()
        known = options_of(words)
        for option in re.findall(r"(?<!\S)--[a-z0-9-]+", line):
            assert option in known, f"a2g {line}"


@pytest.mark.parametrize("page", PAGES)
def test_every_file_it_links_to_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), target


def test_no_page_shows_a_merge_that_was_not_finished() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("docs/*/*.md")):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"^(<{7}|={7}|>{7})( |$)", text, re.MULTILINE), page
