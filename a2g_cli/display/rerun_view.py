"""A recording in Rerun's viewer: cameras beside their goals, actions, measured values and steps-to-go on one timeline.

Its entities are those of ``data/formats/rerun.py``, which can be imported again, and beside them ``steps_to_go`` (the
policy's estimate at each plan), ``verdict``, and what the policy imagined: ``imagined/1`` and on, with ``imagined/words``,
from the step of their plan until the next one.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.files import replacing
from a2g_cli.data.formats.image_files import png
from a2g_cli.data.formats.rerun import APPLICATION, SUFFIX, library, log_recording
from a2g_cli.data.recording import storage
from a2g_cli.data.recording.imagined import Imagined
from a2g_cli.data.recording.reader import Recording

STEPS_TO_GO, VERDICT, IMAGINED = "steps_to_go", "verdict", "imagined"
"""Entities."""


def check_viewer() -> None:
    """Raise A2GError if Rerun is not installed, or if its viewer has no display to open on."""
    library()
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise A2GError(
            "Rerun's viewer needs a display, and this terminal has none: --rrd FILE.rrd writes a file, which "
            "`rerun FILE.rrd` opens on another machine."
        )


def open_viewer(paths: Sequence[Path], verdicts: Sequence[str]) -> None:
    """Open Rerun's viewer, or the one that is open already, with each of ``paths``; ``verdicts`` are in words.

    Raises:
        A2GError: Rerun is not installed, or its viewer cannot be opened.
        RecordingError: a recording is damaged.
    """
    check_viewer()
    rr = library()
    for path, verdict in zip(paths, verdicts, strict=True):
        with Recording(path) as recording:
            stream = _stream(rr, path)
            try:
                stream.spawn(hide_welcome_screen=True)
            except (RuntimeError, OSError) as error:
                raise A2GError(f"Rerun's viewer cannot be opened: {error}") from error
            _log(rr, stream, recording, verdict)


def save(path: Path, target: Path, verdict: str) -> None:
    """Write the recording ``path`` as ``target``, for Rerun's viewer; a file that is there is replaced.

    Raises:
        UsageError: ``target`` is not the name of a Rerun file.
        A2GError: Rerun is not installed, or the file cannot be written.
        RecordingError: the recording is damaged.
    """
    check_name(target)
    rr = library()
    with Recording(path) as recording, storage.writing(target), replacing(target, ".building") as building:
        stream = _stream(rr, path)
        building.touch()  # what the disk refuses is an OSError, which Rerun's own error is not
        stream.save(str(building))
        _log(rr, stream, recording, verdict)


def check_name(target: Path) -> None:
    """Raise UsageError if ``target`` is not the name of a Rerun file."""
    if target.suffix.lower() != SUFFIX or target.is_dir():
        raise UsageError(f"{target.name!r} is not the name of a Rerun file: expected a name that ends in {SUFFIX}.")


def _stream(rr: Any, path: Path) -> Any:
    return rr.RecordingStream(APPLICATION, recording_id=f"{path.parent.name}-{path.stem}")


def _log(rr: Any, stream: Any, recording: Recording, verdict: str) -> None:
    """Send everything, and end the stream."""
    try:
        stream.send_blueprint(_layout(recording))
        stream.send_recording_name(f"{recording.path.parent.name}/{recording.path.stem}: {recording.goal.name}")
        stream.log(VERDICT, rr.TextDocument(verdict), static=True)
        log_recording(rr, stream, recording)
        times = recording.times
        for step, left in recording.outcome.estimates:
            if step < len(times):
                _at(stream, step, times)
                stream.log(STEPS_TO_GO, rr.Scalars(float(left)))
        for plan in recording.imagined:
            _at(stream, plan.step, times)
            stream.log(f"{IMAGINED}/words", rr.TextDocument(plan.words()))
            for number, frame in enumerate(recording.imagined_frames(plan), 1):
                stream.log(f"{IMAGINED}/{number}", rr.EncodedImage(contents=png(frame), media_type="image/png"))
    finally:
        stream.flush()
        stream.disconnect()


def _at(stream: Any, step: int, times: NDArray[np.float64]) -> None:
    stream.set_time("step", sequence=step)
    with suppress(ValueError, OverflowError):  # a clock that was not recorded
        stream.set_time("robot", duration=float(times[step]))


def _layout(recording: Recording) -> Any:
    """Return where everything stands: images on the left, numbers over time on the right."""
    import rerun.blueprint as rrb

    rows = []
    for camera in recording.cameras:
        views = [rrb.Spatial2DView(origin=f"camera/{camera}", name=f"now {camera}")]
        if camera in recording.goal.images:
            views.append(rrb.Spatial2DView(origin=f"goal/{camera}", name="goal"))
        rows.append(rrb.Horizontal(*views))
    if recording.imagined:
        plan = recording.imagined[0]
        frames = [
            rrb.Spatial2DView(origin=f"{IMAGINED}/{number + 1}", name=_name(plan, number))
            for number in range(len(plan.shows))
        ]
        rows += [rrb.Horizontal(*frames), rrb.TextDocumentView(origin=f"{IMAGINED}/words", name="imagined")]
    curves = [rrb.TimeSeriesView(origin=STEPS_TO_GO, name="steps to go (policy's estimate)")]
    curves.append(rrb.TimeSeriesView(origin="action", name="actions"))
    if recording.spec.proprioception_names:
        curves.append(rrb.TimeSeriesView(origin="proprioception", name="measured"))
    words = rrb.TextDocumentView(origin=VERDICT, name="verdict")
    return rrb.Blueprint(
        rrb.Horizontal(rrb.Vertical(*rows, words), rrb.Vertical(*curves)), rrb.TimePanel(timeline="step")
    )


def _name(plan: Imagined, number: int) -> str:
    """Return how far ahead a frame is, which is the same for every plan if it is a near one."""
    return (
        f"imagined, +{plan.shows[number] - plan.step}"
        if number < plan.near
        else f"imagined, far {number - plan.near + 1}"
    )
