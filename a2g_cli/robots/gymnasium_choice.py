"""Which entries of an environment's observation are cameras and which are proprioception: settled once, at the start.

What cannot be settled is refused with what was found and how to choose; what is left out is named.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from a2g_cli.core.errors import UsageError
from a2g_cli.robots.gymnasium_images import Found, Range
from a2g_cli.robots.gymnasium_values import ROOT, Entries, beneath, is_numeric, numbered

CAMERA = "front"
"""What the image is called where the environment has no name for it."""
RENDER = "render"
"""The entry that stands for the environment's own drawing, in the setting ``camera``."""
MOST = 4096
"""Most values in proprioception: as many as a recording has names for."""
WHERE = "under [robot] in a2g.toml"

CameraSetting = Mapping[str, str] | Sequence[str] | str
NumbersSetting = Mapping[str, str] | Sequence[str] | str
Drawn = Callable[[], Found | None]


@dataclass(frozen=True)
class Source:
    """Where a camera's images come from."""

    entry: str
    """Of the observation, or ``RENDER``."""
    index: int
    """Which of the images that stand there."""
    count: int
    """How many stand there."""
    range: Range


@dataclass(frozen=True)
class Column:
    """One number of proprioception."""

    name: str
    entry: str
    """Where it stands: in the observation or in ``info``."""
    index: int
    """Which of the entry's numbers it is."""
    size: int
    """How many numbers the entry had at the start."""


def every_image(name: str, found: Entries, looks: Mapping[str, Found], drawn: Drawn) -> dict[str, Source]:
    """Return the cameras where nobody has chosen: every image of the observation, else the environment's own drawing.

    Raises:
        UsageError: there is none, or a stack of several of which somebody has to choose one.
    """
    sure = {entry: one for entry, one in looks.items() if one.certain}
    for entry, one in sure.items():
        if one.count > 1:
            raise UsageError(
                f"{name} shows {entry!r} as {one.words()}: which one? Choose {WHERE}: "
                f'camera = ["{entry}[{one.count - 1}]"], the newest of a frame stack, or camera = ["{RENDER}"], '
                "the environment's own drawing."
            )
    if sure:
        return _by_name(name, [(camera_name(entry), entry, 0, one) for entry, one in sure.items()])
    drawing = drawn()
    if drawing is None or not drawing.certain or drawing.count > 1:
        returned = "none" if drawing is None else drawing.words()
        raise UsageError(
            f"{name} shows no images: render() returns {returned}, and its observation holds {listed(found)}. "
            f"A camera needs HxWx3 bytes; camera = [...] {WHERE} names another entry."
        )
    return _by_name(name, [(CAMERA, RENDER, 0, drawing)])


def chosen_images(
    name: str, setting: CameraSetting, found: Entries, looks: Mapping[str, Found], drawn: Drawn
) -> dict[str, Source]:
    """Return the cameras that somebody has chosen.

    Raises:
        UsageError: no names of entries, or names of what is no image.
    """
    pairs = setting.items() if isinstance(setting, Mapping) else [(None, one) for one in _names("camera", setting)]
    cameras: list[tuple[str, str, int, Found]] = []
    for camera, asked in pairs:
        (wanted,) = _names("camera", asked)
        index: int | None = None
        split = re.fullmatch(r"(.+)\[(-?[0-9]{1,6})\]", wanted)
        if split and wanted not in found:
            wanted, index = split[1], int(split[2])
        here = {entry: one for entry, one in looks.items() if beneath(entry, wanted) and one.range is not None}
        if wanted == RENDER and RENDER not in found and (one := drawn()) is not None and one.range is not None:
            here = {RENDER: one}
        if not here or (camera is not None and len(here) > 1):
            several = "several images" if here else "no image"
            raise UsageError(f"{name} has {several} as {wanted!r}; its observation holds {listed(found)}.")
        for entry, one in here.items():
            if (index is None and one.count > 1) or (index is not None and not -one.count <= index < one.count):
                raise UsageError(
                    f"{name} shows {entry!r} as {one.words()}: choose one, {entry}[0] to {entry}[{one.count - 1}]."
                )
            own = CAMERA if entry == RENDER else camera_name(entry)
            cameras.append((camera or own, entry, index or 0, one))
    if not cameras:
        raise UsageError(f"{name}: camera = {setting!r} {WHERE} names none; its observation holds {listed(found)}.")
    return _by_name(name, cameras)


def _by_name(name: str, cameras: Sequence[tuple[str, str, int, Found]]) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for camera, entry, index, one in cameras:
        if camera in sources:
            raise UsageError(
                f"{name} would have two cameras called {camera!r}: name them {WHERE}, as in "
                f'camera = {{ left = "{sources[camera].entry}", right = "{entry}" }}.'
            )
        sources[camera] = Source(entry, index, one.count, one.range or (0.0, 255.0))
    return sources


def every_number(found: Entries, looks: Mapping[str, Found]) -> list[Column]:
    """Return proprioception where nobody has chosen: all numbers that do not have the shape of an image."""
    return [
        column
        for entry, array in found.items()
        if is_numeric(array) and entry not in looks
        for column in _columns(entry, array.size)
    ]


def chosen_numbers(name: str, setting: NumbersSetting, known: Entries) -> list[Column]:
    """Return the numbers that somebody has chosen: entries with all that lies within them, or single numbers.

    A mapping names them: ``{"x": "observation.0"}``; an entry of several numbers becomes ``x.0``, ``x.1``, ...

    Raises:
        UsageError: no names of entries, or names of what holds no numbers.
    """
    if isinstance(setting, Mapping):
        columns: list[Column] = []
        for label, asked in setting.items():
            (wanted,) = _names("proprioception", asked)
            here = _numbers(name, wanted, known)
            labels = numbered(label, len(here))
            columns += [replace(column, name=one) for one, column in zip(labels, here, strict=True)]
        return columns
    return [column for wanted in _names("proprioception", setting) for column in _numbers(name, wanted, known)]


def _numbers(name: str, wanted: str, known: Entries) -> list[Column]:
    here = {entry: array for entry, array in known.items() if beneath(entry, wanted)}
    single = re.fullmatch(r"(.+)\.([0-9]{1,6})", wanted)
    if not here and single and (array := known.get(single[1])) is not None and is_numeric(array):
        if int(single[2]) >= array.size:
            raise UsageError(f"{name} has {array.size} numbers as {single[1]!r}: {single[1]}.0 to .{array.size - 1}.")
        return [Column(wanted, single[1], int(single[2]), array.size)]
    if not here:
        raise UsageError(f"{name} measures no {wanted}; it has: {listed(known)}.")
    for entry, array in here.items():
        if not is_numeric(array):
            raise UsageError(f"{name} has no numbers as {entry!r}: it is {_kind(array)}.")
    return [column for entry, array in here.items() for column in _columns(entry, array.size)]


def _columns(entry: str, size: int) -> list[Column]:
    return [Column(one, entry, index, size) for index, one in enumerate(numbered(entry, size))]


def check_numbers(name: str, columns: Sequence[Column], known: Entries) -> None:
    """Raise UsageError where proprioception has more values than can be recorded, or two of one name."""
    if len(columns) > MOST:
        used = {column.entry: known[column.entry] for column in columns}
        most = max(used, key=lambda entry: used[entry].size)
        raise UsageError(
            f"{name} measures {len(columns)} numbers, {used[most].size} of them as {most!r}; at most {MOST} can be recorded. "
            f"Choose with proprioception = [...] {WHERE}; it has: {listed(used)}."
        )
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise UsageError(
                f"{name} has two numbers called {column.name!r}: choose with proprioception = [...] {WHERE}."
            )
        seen.add(column.name)


def left_out(
    name: str, found: Entries, looks: Mapping[str, Found], used: set[str], numbers: set[str], chosen: tuple[bool, bool]
) -> list[str]:
    """Return in words what of an observation is left out, and why.

    Args:
        name: of the robot.
        found: the observation.
        looks: which of it has the shape of an image.
        used: entries that are cameras.
        numbers: entries that are proprioception.
        chosen: whether somebody has chosen the cameras, and the numbers: what they leave out is no news to them.
    """
    notes = []
    for entry, array in found.items():
        one = looks.get(entry)
        if entry in numbers:
            continue
        if one is None:
            if not chosen[1]:
                notes.append(f"{name}: {entry!r} is left out: it is {_kind(array)}, not numbers.")
        elif entry in used:
            if one.frames.shape[3] == 4:
                notes.append(f"{name}: the fourth channel of {entry!r} is left out: an image has red, green and blue.")
        elif not chosen[0]:
            how = [f'camera = ["{entry}"] takes it as an image'] if one.range and one.count == 1 else []
            how += [f'proprioception = ["{entry}"] as numbers'] if array.size <= MOST else []
            words = f"; {', '.join(how)} ({WHERE})" if how else ""
            why = "perhaps depth or a mask" if one.frames.shape[3] == 1 else "neither 0 to 1 nor 0 to 255"
            notes.append(f"{name}: {entry!r} is left out: it is {one.words()}, {why}{words}.")
    return notes


def camera_name(entry: str) -> str:
    """Return the name of an entry's camera: a goal's files are called so, which have no slash and few other signs."""
    if entry == ROOT:
        return CAMERA
    return re.sub(r"[^A-Za-z0-9._-]", "_", entry.replace("/", ".")).lstrip("._-")[:80] or CAMERA


def listed(found: Entries) -> str:
    """Return in words what an observation holds."""
    named = [f"{entry} ({_kind(array)})" for entry, array in list(found.items())[:12]]
    return ", ".join(named) + (", …" if len(found) > 12 else "") or "nothing"


def _names(setting: str, value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names):
        raise UsageError(f'{setting} = {value!r}: expected names of entries, as in {setting} = ["image"].')
    return list(names)


def _kind(array: Any) -> str:
    if is_numeric(array):
        return f"{'x'.join(map(str, array.shape)) or 'one'} {array.dtype}"
    if array.dtype.kind == "O" and array.shape == () and array.item() is None:
        return "nothing (None)"
    return {"U": "text", "S": "text", "O": "objects", "c": "complex numbers"}.get(array.dtype.kind, str(array.dtype))
