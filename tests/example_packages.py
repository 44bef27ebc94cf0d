"""The packages in ``examples/``, installed as a third party's would be."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


@contextmanager
def installed(name: str, scratch: Path) -> Iterator[Path]:
    """Install ``examples/NAME`` in a folder on ``sys.path``, offline and without its dependencies; give that folder."""
    site, copy = scratch / "site", scratch / "source"
    copy.mkdir(parents=True)
    for file in (EXAMPLES / name).iterdir():  # building writes beside the source
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "-qqq", "--no-index", "--no-build-isolation", "--no-deps"]
    environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull}
    subprocess.run([*pip, "--target", str(site), str(copy)], check=True, env=environment)
    sys.path.insert(0, str(site))
    try:
        yield site
    finally:
        sys.path.remove(str(site))


def count_lines(name: str) -> int:
    """Return how many lines the package has."""
    return sum(len(file.read_text().splitlines()) for file in (EXAMPLES / name).iterdir() if file.is_file())
