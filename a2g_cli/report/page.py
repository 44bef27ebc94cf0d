"""Makes one HTML file of a report. Jinja escapes everything that comes from the disk; script and style are the package's own.

The file asks for nothing outside of itself: a Content-Security-Policy forbids it, and allows no script but the one whose hash
it names.
"""

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from a2g_cli import __version__
from a2g_cli.core.errors import A2GError
from a2g_cli.core.files import make_folder, replacing
from a2g_cli.report.contents import Page

_TEMPLATES = "templates"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("a2g_cli.report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def html(page: Page) -> str:
    """Return the whole file as text."""
    script, style = _own("report.js"), _own("report.css")
    return (
        _environment()
        .get_template("report.html")
        .render(
            page=page,
            script=Markup(script),  # noqa: S704 - the package's own file, without any data in it
            style=Markup(style),  # noqa: S704
            policy=policy(),
            filters=_filters,
            version=__version__,
            made_at=datetime.now(UTC).isoformat(timespec="minutes"),
        )
    )


def policy() -> str:
    """Return the Content-Security-Policy of a report: nothing but its own script, style, images and videos."""
    script, style = _hash(_own("report.js")), _hash(_own("report.css"))
    return (
        f"default-src 'none'; img-src data:; media-src data:; style-src '{style}'; script-src '{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _filters(page: Page) -> list[tuple[str, str, list[str]]]:
    """Return the filters of the gallery that tell episodes apart: (attribute of a card, title, values)."""
    cards = page.cards
    offered = [
        ("judges", "judges", ["disagree" if card.disagreement else "agree" for card in cards]),
        ("said", "outcome", [card.said for card in cards]),
        ("round", "round", [str(card.round or "") for card in cards]),
        ("stage", "part of the round", [card.stage for card in cards]),
        ("goal", "goal", [card.goal for card in cards]),
        ("adapter", "adapter", [card.adapter for card in cards]),
    ]
    chosen = [(name, title, sorted(set(values) - {""})) for name, title, values in offered]
    return [(name, title, values) for name, title, values in chosen if len(values) > 1]


def write_page(page: Page, path: Path) -> int:
    """Write the report to ``path``, completely or not at all; return its size [bytes]. Raises A2GError."""
    data = html(page).encode("utf-8", "replace")
    try:
        make_folder(path.parent)
        with replacing(path, ".partial") as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise A2GError(f"{path} cannot be written: {error.strerror or error}.") from error
    return len(data)


def _own(name: str) -> str:
    return (Path(__file__).parent / _TEMPLATES / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
