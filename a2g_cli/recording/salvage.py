"""Makes a recording of what a writer left behind that died, or gave up."""

from pathlib import Path

from a2g_cli.episode import Outcome
from a2g_cli.errors import RecordingError
from a2g_cli.recording import schema, storage
from a2g_cli.recording.assemble import BUILDING, assemble
from a2g_cli.recording.reader import Recording

ENDING = schema.SUFFIX + schema.PARTIAL_SUFFIX


def salvage(partial: Path) -> Path:
    """Make a recording of what a ``.partial`` holds, beside it (``NAME-salvaged.hdf5``), and return its path.

    The ``.partial`` is left as it is. Nobody judged the episode: its outcome is ``stopped_by="salvaged"``.

    Raises:
        RecordingError: it is no unfinished recording, holds no complete step, or was salvaged before.
    """
    partial = Path(partial)
    if not partial.name.endswith(ENDING):
        raise RecordingError(f"{partial} is not unfinished: the name of such a recording ends in {ENDING}.")
    if not partial.is_file():
        raise RecordingError(f"{partial} does not exist: `a2g recordings` lists what there is.")
    stem = partial.name.removesuffix(ENDING)
    path = partial.with_name(f"{stem}-salvaged{schema.SUFFIX}")
    complete = partial.with_name(stem + schema.SUFFIX)
    if complete.exists():
        raise RecordingError(
            f"{complete} is complete: {partial.name} is what is left of writing it, and may be removed."
        )
    with storage.reading(partial, "unfinished recording"):
        if storage.held(partial):
            raise RecordingError(f"{partial} is being written at this moment: there is nothing to repair.")
    if path.exists():
        raise RecordingError(f"{path} exists: {partial.name} was salvaged before.")
    complete.with_name(complete.name + BUILDING).unlink(missing_ok=True)  # half of what the dead writer was building
    assemble(partial, path, Outcome(None, "none", "salvaged"))
    try:
        with Recording(path):
            return path
    except RecordingError:
        path.unlink()
        raise
