"""Writes Rerun files for Rerun's viewer, one ``.rrd`` per recording. ``rerun_read.py`` reads them.

Entities: ``camera/NAME`` and ``goal/NAME`` (PNG), ``action``, ``action_requested``, ``proprioception`` (numbers in the order
of the spec), ``a2g/…`` (exact times, and the recording's attributes). Timelines: ``step``, and ``robot``, the robot's clock.
A Rerun file does not say what its entities mean: only these names can be read again.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.files import replacing
from a2g_cli.core.types import Image
from a2g_cli.data.formats.image_files import png
from a2g_cli.data.formats.outgoing import building_folder, check_free, frames, timing, words
from a2g_cli.data.recording import storage
from a2g_cli.data.recording.reader import Recording

APPLICATION = "a2g"
WORDS = "a2g/words"
TIMES = "a2g/time"
CAPTURED = "a2g/captured_at"
TIMING = "a2g/timing"
SUFFIX = ".rrd"


def library() -> Any:
    """Return the module ``rerun``. Raises A2GError if it is not installed."""
    try:
        import rerun
        import rerun.chunk
    except ImportError as error:
        raise A2GError("Rerun's format needs rerun-sdk 0.41 or newer: pip install 'a2g[rerun]'") from error
    return rerun


def write(paths: Sequence[Path], target: Path, lossless: bool = True) -> list[str]:
    """Write ``paths`` into the folder ``target``, one file each, or a single one to the file ``target`` (``.rrd``).

    This format is always lossless, whatever ``lossless`` says.

    Raises:
        UsageError: ``target`` exists, or is one file for several recordings.
        A2GError: rerun-sdk is missing, a recording cannot be read, the disk refuses.
    """
    del lossless
    rr = library()
    if not paths:
        raise UsageError("nothing to export: the session has no recording.")
    if target.suffix != SUFFIX:
        with building_folder(target) as folder:
            for number, path in enumerate(paths):
                _write_one(rr, path, folder / f"episode-{number:04d}{SUFFIX}")
        return []
    if len(paths) > 1:
        raise UsageError(f"one {SUFFIX} file holds one recording, not {len(paths)}: let --out name a folder.")
    check_free(target)
    with storage.writing(target), replacing(target, ".building") as building:
        _write_one(rr, paths[0], building)
    return []


def _write_one(rr: Any, path: Path, target: Path) -> None:
    with Recording(path) as recording, storage.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        stream = rr.RecordingStream(APPLICATION, recording_id=f"{path.parent.name}-{path.stem}")
        stream.save(str(target))
        try:
            log_recording(rr, stream, recording)
        finally:
            stream.flush()
            stream.disconnect()


def log_recording(rr: Any, stream: Any, recording: Recording) -> None:
    """Send a recording to a stream of Rerun's, ``rr`` being its library."""
    spec = recording.spec
    attributes = json.dumps(words(recording))
    stream.log(WORDS, rr.TextDocument(attributes, media_type="application/json"), static=True)
    for camera, image in recording.goal.images.items():
        stream.log(["goal", camera], _encoded(rr, image), static=True)
    for entity, names in (("action", spec.action_names), ("proprioception", spec.proprioception_names)):
        if names:
            stream.log(entity, rr.SeriesLines(names=list(names)), static=True)
    times = recording.times
    captured = np.stack([*(recording.captured_at(camera) for camera in recording.cameras), times], axis=1)[:, :-1]
    rows: dict[str, Any] = {
        "proprioception": recording.proprioception,
        TIMES: times[:, None],
        CAPTURED: captured,
        # One row less: no action follows the last observation.
        "action": recording.actions,
        "action_requested": recording.requested,
    }
    if (taken := timing(recording)) is not None:
        rows[TIMING] = taken
    videos = {camera: frames(recording, camera, recording.length + 1) for camera in recording.cameras}
    for step, time in enumerate(times):
        stream.set_time("step", sequence=step)
        if np.isfinite(time):
            stream.set_time("robot", duration=float(time))
        for camera, video in videos.items():
            stream.log(["camera", camera], _encoded(rr, next(video)))
        for entity, values in rows.items():
            if step < len(values) and values.shape[1]:
                stream.log(entity, rr.Scalars(values[step].astype(np.float64)))


def _encoded(rr: Any, image: Image) -> Any:
    return rr.EncodedImage(contents=png(image), media_type="image/png")
