"""``a2g recordings export`` and ``import``: convert to and from other programs' formats."""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast, get_args

from rich.progress import Progress

from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.cli.commands.report import Report
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.workspace import Workspace, expanded
from a2g_cli.data.formats.importing import ImportOptions, bring_in
from a2g_cli.data.formats.incoming import Flip
from a2g_cli.data.formats.reading import ColourOrder, ReadOptions
from a2g_cli.data.formats.registry import detect, find
from a2g_cli.data.formats.renaming import parse_renames
from a2g_cli.data.recording import schema
from a2g_cli.data.recording.sessions import find_recordings
from a2g_cli.display.console import stderr_console
from a2g_cli.display.lines import printable
from a2g_cli.display.listing import size as amount

_NAMED = 20
"""Most skipped episodes that are listed."""


def export_recordings(workspace: Workspace, names: Sequence[str], form: str, out: Path, lossless: bool) -> Report:
    """Write ``names`` in another program's format to ``out``, completely or not at all.

    The document: ``{"format", "path", "recordings", "bytes", "not_carried", "notes": [text]}``.

    Raises:
        UsageError: unknown format or recording, ``out`` exists or has the wrong suffix.
        A2GError: see their messages.
    """
    chosen = find(form)
    out = expanded(out)
    if out.suffix != chosen.suffix and chosen.suffix:
        raise UsageError(f"--out {out.name} must end in {chosen.suffix}: {chosen.name} is {chosen.holds}.")
    paths = find_recordings(workspace, names)
    notes = chosen.write(paths, out, lossless)
    files = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    document = {
        "format": chosen.name,
        "path": str(out),
        "recordings": len(paths),
        "bytes": total,
        "not_carried": chosen.loses,
        "notes": notes,
    }
    lines = [
        f"{len(paths)} recordings in {out}, {amount(total)}: {chosen.holds}.",
        f"{_left_out(chosen.loses)}.",
        *notes,
    ]
    return Report(document, [printable(line) for line in lines])


def import_recordings(
    workspace: Workspace,
    source: Path,
    form: str | None,
    session: str | None,
    options: ImportOptions,
) -> Report:
    """Make a session from another program's recordings.

    The document: ``{"format", "session", "path", "recordings", "steps", "notes": [text],
    "skipped": {episode: reason}}``.

    Raises:
        UsageError: unknown format, no such file, or the session exists.
        A2GError: see their messages.
    """
    source = expanded(source)
    _check_foreign(source)
    chosen = detect(source) if form is None else find(form)
    if not source.exists():
        raise UsageError(f"{source} does not exist: name a file or folder of {chosen.name}.")
    name = session or default_name(source)
    with Progress(console=stderr_console(), transient=True, disable=not stderr_console().is_interactive) as progress:
        task = progress.add_task("importing", total=None)
        brought = bring_in(
            workspace,
            source,
            chosen,
            name,
            options,
            lambda done: progress.update(task, completed=done),
        )
    document: dict[str, Any] = {
        "format": chosen.name,
        "session": name,
        "path": str(brought.session.folder),
        "recordings": brought.episodes,
        "steps": brought.steps,
        "notes": brought.notes,
        "skipped": brought.skipped,
    }
    lines = [
        f"{brought.episodes} recordings with {brought.steps} steps in the session {name}, from {chosen.name}.",
        *brought.notes,
        *skipped_lines(brought.skipped),
        f"next: {to_type(workspace, 'pretrain', name, *_own_folder(name))}",
    ]
    return Report(document, [printable(line) for line in lines])


def _left_out(loses: str) -> str:
    what, _, more = loses.partition("; ")
    return f"not exported: {loses}" if what != "nothing" else f"Everything was exported{'; ' * bool(more)}{more}"


def _check_foreign(source: Path) -> None:
    """Raise UsageError if ``source`` is a session of a2g, or its file with links to all recordings."""
    folder = source.parent if source.name == "session.hdf5" else source
    if (folder / "session.hdf5").is_file() and any(folder.glob("episode-*.hdf5")):
        raise UsageError(
            f"{folder} is a session of a2g, and needs no import: name it in `a2g adapt` or `a2g pretrain`; copy it into "
            "recordings/sessions of another workspace to use it there."
        )


def import_options(
    rate: float | None,
    resize: str | None,
    episodes: int | None,
    cameras: str | None,
    columns: str | None,
    colour_order: str,
    flip: str | None,
    *,
    skip_bad: bool,
    renames: Sequence[str] = (),
) -> ImportOptions:
    """Return the options, checked. Raises UsageError."""
    orders, flips = get_args(ColourOrder), get_args(Flip)
    if colour_order not in orders:
        raise UnknownNameError("colour order", colour_order, orders)
    if flip is not None and flip not in flips:
        raise UnknownNameError("--flip", flip, flips)
    read = ReadOptions(
        rate, _names("--cameras", cameras), _names("--columns", columns), cast("ColourOrder", colour_order)
    )
    size = None if resize is None else parse_size(resize)
    return ImportOptions(read, size, cast("Flip | None", flip), skip_bad, episodes, parse_renames(renames))


def _names(option: str, text: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    if text is not None and not names:
        raise UsageError(
            f"{option} {text!r} names nothing: expected names with commas between them, such as front,wrist."
        )
    return names


def skipped_lines(skipped: Mapping[str, str]) -> list[str]:
    """Return the lines that list the episodes that were left out, and why."""
    lines = [f"skipped {name}: {reason}." for name, reason in islice(skipped.items(), _NAMED)]
    if len(skipped) > _NAMED:
        lines.append(f"… and {len(skipped) - _NAMED} more: --json lists all of them.")
    return [f"{len(skipped)} episodes were left out:", *lines] if lines else []


def _own_folder(session: str) -> list[str]:
    """Return ``--out`` if the default folder already holds a training, which is probably another one."""
    return ["--out", f"training/{session}"] if Path("training/base").exists() else []


def default_name(source: Path) -> str:
    """Return the default name of the session for ``source``."""
    stem = source.resolve().name.removesuffix(schema.SUFFIX).removesuffix(".rrd")
    return f"imported-{re.sub(r'[^A-Za-z0-9._-]+', '-', stem).strip('-.')[:50] or 'data'}"


def parse_size(text: str) -> tuple[int, int]:
    """Return (H, W) for ``64`` or ``WIDTHxHEIGHT`` [px]. Raises UsageError."""
    match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", text)
    width, height = (0, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
    if not (1 <= width <= schema.MAX_SIDE and 1 <= height <= schema.MAX_SIDE):
        raise UsageError(f"--resize {text!r}: expected WIDTHxHEIGHT, such as 64x64, or one number for both.")
    return height, width
