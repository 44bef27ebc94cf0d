"""``make quick``: the tests that cover what is being changed, the nearest first, for as long as a person waits.

Which files changed is asked of git, and which tests cover them of the imports: a test file that imports a changed module
comes before one that imports it through others. What there is no time for is skipped, and said.
``SINCE`` is the commit that is compared with (default: where this branch left main, or the last commit).
"""

import ast
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE, TESTS = "a2g_cli", "tests"
SECONDS = 40.0
"""[s] from the start; to collect the tests is part of it."""
FILES = 8
"""More would only be collected, which takes time as well."""
UNTIL = "A2G_TESTS_UNTIL"


def git(*words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed() -> set[Path]:
    """Return the files that are not as they were at ``SINCE``, committed or not."""
    asked, head = os.environ.get("SINCE"), git("rev-parse", "HEAD")
    if asked:
        since = git("rev-parse", "--verify", f"{asked}^{{commit}}")
        if not since:
            sys.exit(f"SINCE={asked} is no commit here")
    else:
        since = next((left for main in ("origin/main", "main") if (left := git("merge-base", main, "HEAD"))), head)
    uncommitted = [*git("diff", "--name-only", "HEAD"), *git("ls-files", "--others", "--exclude-standard")]
    if not asked and since == head and not uncommitted:
        since = git("rev-parse", "HEAD~1")
    return {ROOT / name for name in (*uncommitted, *git("diff", "--name-only", *since, "HEAD"))}


def modules() -> dict[str, Path]:
    """Return the modules of the package and of the tests by the names by which they are imported."""
    found = {}
    for path in (ROOT / PACKAGE).rglob("*.py"):
        found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    for path in (ROOT / TESTS).rglob("*.py"):
        found[path.stem] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> Iterator[Path]:
    """Give the modules that ``path`` imports, wherever in it, or names in a string (a program that it starts, a driver)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [name for alias in node.names for name in (f"{node.module}.{alias.name}", f"{node.module}")]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = re.findall(rf"\b{PACKAGE}(?:\.\w+)+", node.value)
        else:
            continue
        yield from (known[name] for name in names if name in known)


def nearest(files: set[Path]) -> list[Path]:
    """Return the test files that import one of ``files`` themselves or through others.

    The nearest come first, and of those that are as near the ones that import least: they test little else.
    """
    known = modules()
    uses = {path: set(imported(path, known)) for path in known.values()}
    found: list[Path] = []
    reached, border = set(files), set(files)
    while border:
        tests = [path for path in border if ROOT / TESTS in path.parents and path.name.startswith("test_")]
        found += sorted((path for path in tests if path.exists()), key=lambda path: (len(everything(path, uses)), path))
        border = {path for path, used in uses.items() if used & border} - reached
        reached |= border
    return found


def everything(path: Path, uses: dict[Path, set[Path]]) -> set[Path]:
    """Return what ``path`` imports, itself or through others."""
    reached, border = set[Path](), {path}
    while border:
        border = {one for user in border for one in uses[user]} - reached
        reached |= border
    return reached


@contextmanager
def in_time() -> Iterator[None]:
    """End the block as a skipped test when the time is up."""

    def up(*_: object) -> None:
        pytest.skip("no time was left")

    left = float(os.environ[UNTIL]) - time.time()
    if left <= 0:
        up()
    before = signal.signal(signal.SIGALRM, up)
    signal.setitimer(signal.ITIMER_REAL, left)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    """Make no fixture there is no time for (this file is a plugin of the run that it starts)."""
    with in_time():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Run no test there is no time for."""
    with in_time():
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Call it a failure when there was time for no test at all."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter is not None and not reporter.stats.get("passed"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line("no test was run in time: the machine is busy; name a file to pytest instead", red=True)


def main() -> int:
    end = time.time() + SECONDS
    files = changed()
    tests = nearest({path for path in files if path.suffix == ".py"})
    documents = [ROOT / TESTS / "test_readme.py"] if any(path.suffix == ".md" for path in files) else []
    tests += [path for path in documents if path not in tests]
    left = f", of which the {FILES} nearest are run" if len(tests) > FILES else ""
    print(f"{len(files)} files have changed; {len(tests)} files of tests cover them{left}")  # noqa: T201
    if not tests:
        return 0
    tests = tests[:FILES]
    words = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-p", "quick", "-rs"]
    path = os.pathsep.join([str(ROOT), str(ROOT / TESTS), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
    command = [sys.executable, "-m", "pytest", *words, *(str(one.relative_to(ROOT)) for one in tests)]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path, UNTIL: str(end)}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
