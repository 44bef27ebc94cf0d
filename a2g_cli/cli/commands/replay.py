"""``a2g replay``: play recordings in the terminal, or make a video of them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from a2g_cli.cli.commands.report import Report
from a2g_cli.cli.commands.summary import name_of, one_line, outcome_words, summarise
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import Image
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import find_recordings
from a2g_cli.display.console import draws_images, stderr_console
from a2g_cli.display.lines import printable, say
from a2g_cli.display.player import play
from a2g_cli.display.video import side_by_side, write_video

_VIDEO_HEIGHT = 256
"""Small frames are enlarged to about this [px]."""


def replay(
    workspace: Workspace, name: str, video: Path | None = None, speed: float = 1.0, quiet: bool = False
) -> Report:
    """Play the recordings of ``name`` one after another, or write them to ``video``; ``quiet``: neither.

    Raises:
        UnknownNameError: no such recording, or the session is empty.
        UsageError: an unknown kind of video, or recordings with different rates.
        RecordingError: a recording cannot be read.
        A2GError: the video cannot be written.
    """
    paths = find_recordings(workspace, [name])
    if not paths:
        raise UnknownNameError("recording", name, [], "the session is empty.")
    summaries = [summarise(workspace, path) for path in paths]
    console = stderr_console()
    if video is not None:
        _export(console, workspace, paths, summaries, video, speed)
    elif not quiet and draws_images(console):
        for path, summary in zip(paths, summaries, strict=True):
            with Recording(path) as recording:
                words = captions(name_of(workspace, path), summary)
                if not play(console, Frames(recording), recording.goal, recording.spec.rate, words, speed=speed):
                    break
    lines = [printable(one_line(summary)) for summary in summaries]
    if video is not None:
        lines.append(printable(f"video: {video}"))
    return Report({"recordings": summaries, "video": None if video is None else str(video.resolve())}, lines)


class Frames(Sequence[Mapping[str, Image]]):
    """The images of a recording's T + 1 observations, read one at a time to save memory."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def __len__(self) -> int:
        return self._recording.length + 1

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Image]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Image]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, Image] | Sequence[Mapping[str, Image]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return {camera: self._recording.frame(camera, index) for camera in self._recording.cameras}


def captions(name: str, summary: dict[str, Any]) -> list[str]:
    """Return a caption for each of T + 1 observations: the step, and at the end the outcome."""
    steps = summary["steps"]
    lines = [f"{name}  step {index:>{len(str(steps))}}/{steps}" for index in range(steps + 1)]
    lines[-1] += f"  {outcome_words(summary['outcome'])}"
    return lines


def _export(
    console: Console,
    workspace: Workspace,
    paths: Sequence[Path],
    summaries: Sequence[dict[str, Any]],
    video: Path,
    speed: float,
) -> None:
    rates = {summary["rate"] for summary in summaries}
    if len(rates) > 1 or None in rates:
        raise UsageError(f"recordings at {', '.join(map(str, rates))} Hz cannot share one video: name one recording.")
    total = sum(summary["steps"] + 1 for summary in summaries)
    with Progress(console=console, transient=True, disable=not console.is_interactive) as progress:
        task = progress.add_task(escape(printable(video.name)), total=total)

        def frames() -> Iterator[Image]:
            for path, summary in zip(paths, summaries, strict=True):
                with Recording(path) as recording:
                    for frame in _composed(recording, captions(name_of(workspace, path), summary)):
                        progress.advance(task)
                        yield frame

        write_video(video, frames(), rates.pop() * speed, scale=1)
    say(console, f"{total} frames written.", "dim")


def _composed(recording: Recording, words: Sequence[str]) -> Iterator[Image]:
    """Yield each moment as one image: every camera, each beside its goal."""
    goal = recording.goal.images
    for now, caption in zip(Frames(recording), words, strict=True):
        images = []
        for camera, image in now.items():
            images += [image, goal[camera]] if camera in goal else [image]
        scale = max(1, _VIDEO_HEIGHT // max(image.shape[0] for image in images))
        yield side_by_side(images, scale=scale, caption=caption)
