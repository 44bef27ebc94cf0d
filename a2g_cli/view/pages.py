"""Makes the pages: Jinja escapes everything that comes from the disk; script and style are the package's own."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from a2g_cli import __version__, report
from a2g_cli.view.finding import address

_OWN, _REPORT = Path(__file__).parent / "templates", Path(report.__file__).parent / "templates"
FILES: Mapping[str, tuple[Path, str]] = {
    "report.css": (_REPORT / "report.css", "text/css"),
    "report.js": (_REPORT / "report.js", "text/javascript"),
    "view.css": (_OWN / "view.css", "text/css"),
    "view.js": (_OWN / "view.js", "text/javascript"),
}
"""Files of the package that pages use: name in the address -> file, type."""


@cache
def _environment() -> Environment:
    made = Environment(
        loader=ChoiceLoader([PackageLoader("a2g_cli.view"), PackageLoader("a2g_cli.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["address"] = address
    made.globals["version"] = __version__
    return made


def page(template: str, **known: Any) -> bytes:
    """Return a page in UTF-8; what is no text, as in a folder's name, is replaced by question marks."""
    return _environment().get_template(template).render(**known).encode("utf-8", "replace")


def package_file(name: str) -> tuple[bytes, str] | None:
    """Return a file of the package and its type; None if pages use no such file."""
    known = FILES.get(name)
    return None if known is None else (known[0].read_bytes(), known[1])
