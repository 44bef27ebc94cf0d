"""Videos of ``a2g replay``: episodes one after another, or all of a session at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, overload

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from a2g_cli.cli.commands.summary import name_of, outcome_words
from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Image
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.display.episode_video import Dream, EpisodeCanvas, EpisodeWords
from a2g_cli.display.grid_video import GridCanvas, tiling
from a2g_cli.display.lines import printable, say
from a2g_cli.display.video import write_video

_HEIGHT = 256
"""Small frames are enlarged to about this [px]."""
HOLD = 1.0
"""How long the end of an episode stands still, so that its verdict can be read [s]."""
MOST = 200
"""Most episodes in a grid."""

Summary = Mapping[str, Any]


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


def words_of(name: str, summary: Summary, estimates: Sequence[tuple[int, float]]) -> EpisodeWords:
    """Return what is said of a recording in a video."""
    outcome = summary["outcome"]
    verdict = f"{outcome_words(outcome)} (judge: {outcome['judge']})"
    return EpisodeWords(name, summary["steps"], estimates, outcome["success"], verdict)


def dreams_of(recording: Recording) -> list[Dream]:
    """Return what the policy imagined, plan by plan. Raises RecordingError."""
    return [
        Dream(
            plan.step,
            plan.words(),
            [plan.label(number) for number in range(len(plan.shows))],
            recording.imagined_frames(plan),
        )
        for plan in recording.imagined
    ]


def export(
    console: Console,
    workspace: Workspace,
    paths: Sequence[Path],
    summaries: Sequence[Summary],
    video: Path,
    speed: float,
) -> None:
    """Write the episodes one after another; each stands still for a second at its end.

    Raises:
        UsageError: recordings with different rates or sizes, or an unknown kind of video.
        RecordingError, A2GError: a recording cannot be read, or the video not be written.
    """
    rate = _rate(summaries)
    held = _held(rate, speed)
    total = sum(summary["steps"] + 1 + held for summary in summaries)
    with Progress(console=console, transient=True, disable=not console.is_interactive) as progress:
        task = progress.add_task(escape(printable(video.name)), total=total)

        def frames() -> Iterator[Image]:
            for path, summary in zip(paths, summaries, strict=True):
                with Recording(path) as recording:
                    words = words_of(name_of(workspace, path), summary, recording.outcome.estimates)
                    for frame in _episode(recording, words, held):
                        progress.advance(task)
                        yield frame

        write_video(video, frames(), rate * speed, scale=1)
    say(console, f"{total} frames written.", "dim")


def _episode(recording: Recording, words: EpisodeWords, held: int) -> Iterator[Image]:
    canvas = EpisodeCanvas(words, recording.goal.images, _HEIGHT, dreams=dreams_of(recording))
    frame: Image | None = None
    for step, now in enumerate(Frames(recording)):
        if not now:
            raise UsageError(f"{words.name} has no camera, so there is no video of it.")
        frame = canvas.moment(step, now)
        yield frame
    if frame is not None:
        yield from [frame] * held


def export_grid(
    console: Console, paths: Sequence[Path], summaries: Sequence[Summary], video: Path, speed: float
) -> None:
    """Write all episodes at once, by their first cameras; each shows its last frame and its verdict when it has ended.

    Raises:
        UsageError: recordings with different rates, more than ``MOST``, one without a camera, or an unknown kind of video.
        RecordingError, A2GError: a recording cannot be read, or the video not be written.
    """
    if len(paths) > MOST:
        raise UsageError(f"a grid shows at most {MOST} episodes, and there are {len(paths)}: name some of them.")
    rate = _rate(summaries)
    held = _held(rate, speed)
    longest = max(summary["steps"] for summary in summaries)
    with (
        ExitStack() as opened,
        Progress(console=console, transient=True, disable=not console.is_interactive) as progress,
    ):
        recordings = [opened.enter_context(Recording(path)) for path in paths]
        if blind := [one.path.stem for one in recordings if not one.cameras]:
            raise UsageError(f"{blind[0]} has no camera: it cannot be in a grid.")
        canvas = _grid(recordings, summaries)
        task = progress.add_task(escape(printable(video.name)), total=longest + 1 + held)

        def frames() -> Iterator[Image]:
            shown = [recording.frame(recording.cameras[0], 0) for recording in recordings]
            for step in range(longest + 1):
                for number, recording in enumerate(recordings):
                    if 0 < step <= recording.length:
                        shown[number] = recording.frame(recording.cameras[0], step)
                frame = canvas.frame(step, shown)
                progress.advance(task)
                yield frame
            for _ in range(held):
                progress.advance(task)
                yield frame

        write_video(video, frames(), rate * speed, scale=1)
    others = sorted({camera for one in recordings for camera in one.cameras[1:]})
    if others:
        say(console, f"the grid shows the first camera of each episode, without {', '.join(others)}.", "dim")
    say(console, f"{longest + 1 + held} frames of {len(paths)} episodes written.", "dim")


def _grid(recordings: Sequence[Recording], summaries: Sequence[Summary]) -> GridCanvas:
    """Return the canvas; a goal that all episodes have has a tile of its own."""
    words = [
        words_of(path.stem.removeprefix("episode-"), summary, one.outcome.estimates)
        for one, summary in zip(recordings, summaries, strict=True)
        for path in [one.path]
    ]
    words = [EpisodeWords(one.name, one.steps, one.estimates, one.success, _short(one.success)) for one in words]
    goals = [one.goal.images.get(one.cameras[0]) for one in recordings]
    first: dict[str, Image] = {}
    if len({one.goal.fingerprint for one in recordings}) == 1 and (shared := goals[0]) is not None:
        first, goals = {f"goal {recordings[0].goal.name}": shared}, [None] * len(goals)
    height, width = recordings[0].spec.cameras[recordings[0].cameras[0]]
    return GridCanvas(tiling(len(recordings) + len(first), height / width), words, goals, first)


def _short(success: bool | None) -> str:
    return {True: "success", False: "no success", None: "not judged"}[success]


def _rate(summaries: Sequence[Summary]) -> float:
    """Return the rate of all recordings [Hz]. Raises UsageError if there is none, or more than one."""
    rates = {summary["rate"] for summary in summaries}
    if len(rates) > 1 or None in rates:
        raise UsageError(f"recordings at {', '.join(map(str, rates))} Hz cannot share one video: name one recording.")
    return float(rates.pop())


def _held(rate: float, speed: float) -> int:
    """Return for how many frames an ending stands still."""
    return round(HOLD * rate * speed)
