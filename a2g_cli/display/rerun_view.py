"""A recording in Rerun's viewer: cameras beside their goals, actions, measured values and steps-to-go on one timeline.

Its entities are those of ``data/formats/rerun.py``, which can be imported again, and beside them ``steps_to_go`` (the
policy's estimate at each plan) and ``verdict``. Recordings hold no imagined frames, so there are none to show.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.files import replacing
from a2g_cli.data.formats.rerun import APPLICATION, SUFFIX, library, log_recording
from a2g_cli.data.recording import storage
from a2g_cli.data.recording.reader import Recording

STEPS_TO_GO, VERDICT = "steps_to_go", "verdict"
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
                stream.set_time("step", sequence=step)
                with suppress(ValueError, OverflowError):  # a clock that was not recorded
                    stream.set_time("robot", duration=float(times[step]))
                stream.log(STEPS_TO_GO, rr.Scalars(float(left)))
    finally:
        stream.flush()
        stream.disconnect()


def _layout(recording: Recording) -> Any:
    """Return where everything stands: images on the left, numbers over time on the right."""
    import rerun.blueprint as rrb

    rows = []
    for camera in recording.cameras:
        views = [rrb.Spatial2DView(origin=f"camera/{camera}", name=f"now {camera}")]
        if camera in recording.goal.images:
            views.append(rrb.Spatial2DView(origin=f"goal/{camera}", name="goal"))
        rows.append(rrb.Horizontal(*views))
    curves = [rrb.TimeSeriesView(origin=STEPS_TO_GO, name="steps to go (policy's estimate)")]
    curves.append(rrb.TimeSeriesView(origin="action", name="actions"))
    if recording.spec.proprioception_names:
        curves.append(rrb.TimeSeriesView(origin="proprioception", name="measured"))
    words = rrb.TextDocumentView(origin=VERDICT, name="verdict")
    return rrb.Blueprint(
        rrb.Horizontal(rrb.Vertical(*rows, words), rrb.Vertical(*curves)), rrb.TimePanel(timeline="step")
    )
