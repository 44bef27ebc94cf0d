"""The journal of a running episode (``.partial``): an append-only log with a checksum on every record.

HDF5 cannot do this: a process that is killed while HDF5 writes leaves a file that may not open, and a full disk ends the
process while the arm moves. In an append-only log, the records that were written before stay intact, and the checksum
shows that the last one is torn.

    file     = "a2g partial 3\n" salt (uint32) record*
    record   = length (uint32) checksum (uint32) payload, little endian
    payload  = "H" header; "G" and one zlib'd image, for each goal camera in the header's order; "S" and a step, T + 1
               times, and after any of them "I" and frames that a plan imagined (``imagined.py``); "E" and the outcome, if the
               episode ended
    header   = JSON: the attributes of the recording, and the goal cameras with height and width
    step     = time (f8), captured_at (one f8 per camera), proprioception (P f4), requested (A f4), sent (A f4);
               for each camera length (uint32) and the zlib'd frame (H W 3 bytes); for each depth camera the same with its
               depth (H W u2); acted_at, due_at, planning (f8 each)
    outcome  = JSON: the recording's attribute of that name

The first step is the observation before any action; its actions and their times have no meaning. A checksum is the CRC-32 of
length and payload, seeded with the checksum of the record before, the first with the salt. After a power cut a disk may
return zeros or old blocks of another journal: neither is taken for a record.
"""

import fcntl
import math
import os
import re
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from isal import isal_zlib

from a2g_cli.core.files import sync_folder, write_all
from a2g_cli.core.types import Depth, Image, Observation, Outcome, StepTiming, Vector
from a2g_cli.data.recording import imagined, schema
from a2g_cli.data.recording.imagined import Imagined
from a2g_cli.robots.base import RobotSpec

MAGIC = b"a2g partial 3\n"
_BEFORE = b"a2g partial 2\n"
"""The same, but without imagined frames; as long as ``MAGIC``."""
_OLDER = b"a2g partial 1\n"
_MAGIC_START = b"a2g partial "

_RECORD = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_TIMING = struct.Struct("<ddd")

NO_TIMING = StepTiming(math.nan)
"""The timing of a step that was not timed."""
_HEADER, _GOAL, _STEP, _IMAGINED, _END = b"H", b"G", b"S", b"I", b"E"


@dataclass(frozen=True)
class Step:
    """An action and the observation that it led to, as a record holds them."""

    requested: Vector
    """(A,)."""
    sent: Vector
    """(A,)."""
    proprioception: Vector
    """(P,)."""
    time: float
    captured_at: tuple[float, ...]
    """One per camera, in the spec's order [s]."""
    frames: tuple[bytes, ...]
    """Deflated; one per camera in the spec's order, then one per depth camera."""
    timing: StepTiming = NO_TIMING


def deflate(image: Image | Depth) -> bytes:
    """Return an image's bytes in zlib's format, the same that HDF5's gzip filter stores."""
    # ISA-L, level 2: zlib's ratio in a third of zlib's time (benchmarks/recording.py). Any zlib unpacks it.
    return isal_zlib.compress(np.ascontiguousarray(image).data, 2)


def inflate(data: bytes, shape: tuple[int, ...], dtype: str = "u1") -> Any:
    """Return the image of ``shape`` in ``data``. Raises ValueError for any other content, without unpacking all of it."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    unpacker = zlib.decompressobj()
    try:
        pixels = unpacker.decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError(f"a frame cannot be unpacked: {error}") from error
    if len(pixels) != size or unpacker.unconsumed_tail or unpacker.unused_data:
        raise ValueError(f"a frame does not have {size} bytes")
    return np.frombuffer(pixels, dtype).reshape(shape)


def _checksum(length: int, payload: bytes, before: int) -> int:
    return zlib.crc32(payload, zlib.crc32(_LENGTH.pack(length), before))


class JournalWriter:
    """Appends records to the new file ``path`` and holds its lock. Raises OSError."""

    def __init__(self, path: Path) -> None:
        # Exclusive: of two writers of one episode, the second is refused.
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self.error: OSError | None = None
        """The first error. Nothing is written after it: what follows a torn record cannot be read."""
        with suppress(OSError):  # some network disks have no locks
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._unnamed: Path | None = path.parent
        salt = os.urandom(_LENGTH.size)
        (self._before,) = _LENGTH.unpack(salt)
        try:
            self._write(MAGIC + salt)
        except OSError:
            self.close()
            path.unlink()
            raise

    def append(self, payload: bytes) -> None:
        """Add one record. When this returns, a kill of the process does not lose it."""
        self._before = _checksum(len(payload), payload, self._before)
        self._write(_RECORD.pack(len(payload), self._before) + payload)

    def sync(self) -> None:
        """Bring the appended records to the disk. When this returns, a power cut does not lose them."""
        if self.error is not None:
            raise self.error
        try:
            os.fsync(self._descriptor)
            if self._unnamed is not None:
                sync_folder(self._unnamed)
                self._unnamed = None
        except OSError as error:
            # The system may have dropped what it could not write, and reports it only once.
            self.error = error
            raise

    def _write(self, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        try:
            write_all(self._descriptor, data)
        except OSError as error:
            self.error = error
            raise

    def close(self) -> None:
        """Close the file; harmless when called twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def pack_header(attributes: Mapping[str, str], goal: Mapping[str, Image]) -> list[bytes]:
    """Return the payloads that come before the steps."""
    cameras = [{"name": name, "height": image.shape[0], "width": image.shape[1]} for name, image in goal.items()]
    header = {"attributes": dict(attributes), "goal_cameras": cameras}
    return [
        _HEADER + schema.to_json("header", header).encode(),
        *(_GOAL + deflate(image) for image in goal.values()),
    ]


def pack_step(
    spec: RobotSpec, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming = NO_TIMING
) -> bytes:
    """Return the payload of one step."""
    parts = [
        _STEP,
        np.asarray([observation.time, *(observation.captured_at[camera] for camera in spec.cameras)], "<f8").tobytes(),
        *(np.asarray(vector, "<f4").tobytes() for vector in (observation.proprioception, requested, sent)),
    ]
    for camera in spec.cameras:
        frame = deflate(observation.images[camera])
        parts += [_LENGTH.pack(len(frame)), frame]
    for camera in spec.depth:
        frame = deflate(observation.depth[camera].astype("<u2", copy=False))
        parts += [_LENGTH.pack(len(frame)), frame]
    return b"".join([*parts, _TIMING.pack(timing.acted_at, timing.due_at, timing.planning)])


def pack_imagined(spec: RobotSpec, one: Imagined) -> bytes:
    """Return the payload of frames that a plan imagined. Raises ValueError if the robot has no such camera."""
    return _IMAGINED + imagined.pack(one, list(spec.cameras))


def pack_end(outcome: Outcome) -> bytes:
    """Return the payload that comes after the last step of an episode that ended."""
    return _END + schema.outcome_to_json(outcome).encode()


class JournalReader:
    """Reads the intact records of a journal. The file is untrusted: everything is checked.

    Raises (from every method): OSError, KeyError, TypeError, ValueError.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.outcome: Outcome | None = None
        """How the episode ended; None if its writer died before that."""
        try:
            self._records = self._scan()
            if not self._records:
                raise ValueError("it ends before its header")
            self._read_header()
            if self._records[-1][0] == _END:
                self.outcome = schema.outcome_from_json(self._payload(-1).decode())
                self._records.pop()
        except BaseException:
            self._file.close()
            raise

    def _scan(self) -> list[tuple[bytes, int, int]]:
        """Return (kind, begin, length) of every record before the first torn one."""
        magic = self._file.read(len(MAGIC))
        if magic not in {MAGIC, _BEFORE}:
            if magic == _OLDER:
                raise ValueError("an older a2g wrote it, and can repair it")
            newer = magic.startswith(_MAGIC_START)
            raise ValueError("a newer a2g is needed to read it" if newer else "it is not an unfinished recording")
        (before,) = _LENGTH.unpack(self._file.read(_LENGTH.size).ljust(_LENGTH.size, b"\0"))
        size = os.fstat(self._file.fileno()).st_size
        records: list[tuple[bytes, int, int]] = []
        while len(head := self._file.read(_RECORD.size)) == _RECORD.size:
            length, checksum = _RECORD.unpack(head)
            begin = self._file.tell()
            if not 1 <= length <= size - begin:
                break
            payload = self._file.read(length)
            before = _checksum(length, payload, before)
            if before != checksum:
                break
            records.append((payload[:1], begin + 1, length - 1))
            if len(records) > 2 * schema.MAX_STEPS + schema.MAX_NAMES:
                raise ValueError(f"it has more than {len(records) - 1} records")
        return records

    def _payload(self, index: int) -> bytes:
        _, begin, length = self._records[index]
        self._file.seek(begin)
        return self._file.read(length)

    def _read_header(self) -> None:
        header = schema.from_json(self._payload(0).decode())
        self.attributes: dict[str, str] = {name: str(text) for name, text in header["attributes"].items()}
        self.spec = schema.spec_from_json(self.attributes["spec"])
        self._goal_cameras: list[dict[str, Any]] = header["goal_cameras"]
        schema.check_keys("camera", [*self.spec.cameras, *(camera["name"] for camera in self._goal_cameras)])
        goals = len(self._goal_cameras)
        kinds = b"".join(kind for kind, _, _ in self._records)
        if goals > schema.MAX_NAMES or not re.fullmatch(rb"H(G{0,%d}|G{%d}(S[SI]*)?E?)" % (goals, goals), kinds):
            raise ValueError("its records are out of order")
        self._steps = [index for index, (kind, _, _) in enumerate(self._records) if kind == _STEP]
        self._imagined = [index for index, (kind, _, _) in enumerate(self._records) if kind == _IMAGINED]

    def goal_images(self) -> dict[str, Image]:
        """Return camera -> (H, W, 3) of the goal."""
        images = {}
        for index, camera in enumerate(self._goal_cameras, start=1):
            height, width = int(camera["height"]), int(camera["width"])
            if not (1 <= height <= schema.MAX_SIDE and 1 <= width <= schema.MAX_SIDE):
                raise ValueError(f"a goal of {height}x{width}")
            images[camera["name"]] = inflate(self._payload(index), (height, width, 3))
        return images

    @property
    def observations(self) -> int:
        """T + 1: the number of intact steps."""
        return len(self._steps)

    def imagined(self) -> list[Imagined]:
        """Return the frames of each plan that are kept, of intact steps alone."""
        cameras = list(self.spec.cameras)
        plans = [imagined.unpack(self._payload(index), cameras) for index in self._imagined]
        return [one for one in plans if one.step < len(self._steps)]

    def step(self, index: int) -> Step:
        """Return step ``index`` of T + 1."""
        payload, spec = self._payload(self._steps[index]), self.spec
        cameras, width, joints = len(spec.cameras), len(spec.action_names), len(spec.proprioception_names)
        begin = 8 * (1 + cameras)
        end = begin + 4 * (joints + 2 * width)
        clock = np.frombuffer(payload[:begin], "<f8")
        numbers = np.frombuffer(payload[begin:end], "<f4").astype(np.float32)
        if len(clock) != 1 + cameras or len(numbers) != joints + 2 * width:
            raise ValueError(f"step {index} is too short")
        frames = []
        for _ in range(cameras + len(spec.depth)):
            (length,) = _LENGTH.unpack_from(payload.ljust(end + _LENGTH.size, b"\0"), end)
            frames.append(payload[end + _LENGTH.size : end + _LENGTH.size + length])
            end += _LENGTH.size + length
        described = end + _TIMING.size
        if described != len(payload):
            raise ValueError(f"step {index} has {len(payload)} bytes, {described} are described")
        timing = StepTiming(*_TIMING.unpack_from(payload, end))
        proprioception, requested, sent = np.split(numbers, [joints, joints + width])
        return Step(requested, sent, proprioception, float(clock[0]), tuple(clock[1:].tolist()), tuple(frames), timing)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
