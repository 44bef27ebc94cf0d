"""Checks that ``obs`` and ``next_obs`` show the right rows. ``verify`` runs it as a child process, and says why.

``python -m a2g_cli.data.recording.views`` reads paths from stdin, one JSON string per line, and answers each with a JSON
list of problems.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.standard_output import kept_for_data, printing_aside
from a2g_cli.data.recording import schema, storage, untrusted
from a2g_cli.data.recording.reader import Recording


def problems(path: Path) -> list[str]:
    """Return the problems of the views in the recording ``path``."""
    try:
        with Recording(path) as recording, storage.reading(path), untrusted.opened(path) as file:
            return [
                problem
                for group, begin in (("obs", 0), ("next_obs", 1))
                for key, target in schema.view_targets(recording.spec).items()
                for problem in _view(file, f"{schema.DEMO}/{group}/{key}", target, begin, recording.length)
            ]
    except RecordingError as error:
        return [str(error)]


def _view(file: Any, name: str, target: str, begin: int, steps: int) -> Iterator[str]:
    """Yield what is wrong if ``name`` does not show rows ``[begin : begin + steps]`` of ``target`` in this file."""
    node = file
    for part in name.split("/"):  # part by part: a link could lead out of the file
        if not isinstance(node, h5py.Group) or not untrusted.holds(node, part):
            yield f"{name} is missing"
            return
        node = node[part]
    view, rows = node, file[target]
    if not isinstance(view, h5py.Dataset):
        yield f"{name} is not a dataset"
        return
    if not view.is_virtual or [(s.file_name, s.dset_name.strip("/")) for s in view.virtual_sources()] != [
        (".", target)
    ]:
        yield f"{name} is not a view of {target} in this file"
    elif view.shape != (steps, *rows.shape[1:]):
        yield f"{name} has shape {view.shape}, there are {steps} actions"
    else:
        # The first and the last row are enough: a view is one contiguous window.
        for index in sorted({0, steps - 1}):
            if not np.array_equal(view[index], rows[begin + index], equal_nan=rows.dtype.kind == "f"):
                yield f"{name}[{index}] is not {target}[{begin + index}]"


if __name__ == "__main__":
    with kept_for_data(), printing_aside() as data:
        for line in sys.stdin:
            data.write(json.dumps(problems(Path(json.loads(line)))) + "\n")
            data.flush()
