"""``a2g replay``: play recordings in the terminal, make a video of them, or show them in Rerun."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from a2g_cli.cli.commands.replay_video import Frames, dreams_of, export, export_grid
from a2g_cli.cli.commands.report import Report
from a2g_cli.cli.commands.summary import name_of, one_line, outcome_words, summarise
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import find_recordings
from a2g_cli.display import rerun_view
from a2g_cli.display.console import draws_images, stderr_console
from a2g_cli.display.episode_video import EpisodeWords
from a2g_cli.display.lines import printable
from a2g_cli.display.player import play


@dataclass(frozen=True)
class Showing:
    """How recordings are shown; without anything, they are played in the terminal."""

    video: Path | None = None
    """A video of them is written."""
    grid: bool = False
    """Whether the video shows all of them at once."""
    rerun: bool = False
    """Whether Rerun's viewer is opened."""
    rrd: Path | None = None
    """A file for Rerun's viewer is written."""

    def __post_init__(self) -> None:
        """Raise UsageError for a grid without a video, and for what is no name of a Rerun file."""
        if self.grid and self.video is None:
            raise UsageError("--grid makes a video of all episodes at once: add --video FILE.mp4.")
        if self.rrd is not None:
            rerun_view.check_name(self.rrd)

    @property
    def plays(self) -> bool:
        """Whether they are played in the terminal."""
        return self.video is None and self.rrd is None and not self.rerun


def replay(
    workspace: Workspace, name: str, showing: Showing | None = None, speed: float = 1.0, quiet: bool = False
) -> Report:
    """Show the recordings of ``name``; ``quiet``: they are not played in the terminal.

    The document: ``{"recordings": [SUMMARY], "video": path or null, "rrd": path or null}``.

    Raises:
        UnknownNameError: no such recording, or the session is empty.
        UsageError: an unknown kind of video, recordings with different rates, several recordings for one Rerun file.
        RecordingError: a recording cannot be read.
        A2GError: a file cannot be written; Rerun is not installed, or has no display.
    """
    showing = showing or Showing()
    paths = find_recordings(workspace, [name])
    if not paths:
        raise UnknownNameError("recording", name, [], "the session is empty.")
    if showing.rerun:
        rerun_view.check_viewer()
    if showing.rrd is not None and len(paths) > 1:
        raise UsageError(
            f"a Rerun file holds one recording, and {name} has {len(paths)}: name one, as in {name}/latest."
        )
    summaries = [summarise(workspace, path) for path in paths]
    verdicts = [one_line(summary) for summary in summaries]
    console = stderr_console()
    if showing.video is not None:
        if showing.grid:
            export_grid(console, paths, summaries, showing.video, speed)
        else:
            export(console, workspace, paths, summaries, showing.video, speed)
    if showing.rrd is not None:
        rerun_view.save(paths[0], showing.rrd, verdicts[0])
    if showing.rerun:
        rerun_view.open_viewer(paths, verdicts)
    if showing.plays and not quiet and draws_images(console):
        _play(console, workspace, paths, summaries, speed)
    made = {"video": showing.video, "rrd": showing.rrd}
    lines = [printable(verdict) for verdict in verdicts]
    lines += [printable(f"{what}: {path}") for what, path in made.items() if path is not None]
    written = {what: None if path is None else str(path.resolve()) for what, path in made.items()}
    return Report({"recordings": summaries, **written}, lines)


def _play(
    console: Console, workspace: Workspace, paths: Sequence[Path], summaries: Sequence[dict[str, Any]], speed: float
) -> None:
    """Play recordings one after another, until a person stops."""
    for path, summary in zip(paths, summaries, strict=True):
        with Recording(path) as recording:
            words = captions(name_of(workspace, path), summary, recording.outcome.estimates)
            dreams = dreams_of(recording)
            rate = recording.spec.rate
            if not play(console, Frames(recording), recording.goal, rate, words, dreams, speed=speed):
                return


def captions(name: str, summary: dict[str, Any], estimates: Sequence[tuple[int, float]] = ()) -> list[str]:
    """Return a caption for each of T + 1 observations: the step, the steps to go, and at the end the outcome."""
    steps = summary["steps"]
    words = EpisodeWords(name, steps, estimates)
    lines = []
    for index in range(steps + 1):
        left = words.left_at(index)
        ahead = "" if left is None else f"  {left:.1f} to go"
        lines.append(f"{name}  step {index:>{len(str(steps))}}/{steps}{ahead}")
    lines[-1] += f"  {outcome_words(summary['outcome'])}"
    return lines
