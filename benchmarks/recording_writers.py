"""The writers that benchmarks/recording.py holds side by side: a2g's own, its way with other codecs, and other programs'."""

import io
import queue
import sys
import threading
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import av
import h5py
import numpy as np
import PIL.Image

from a2g_cli.core.types import Goal, Image, Observation, Outcome, Provenance
from a2g_cli.data.recording import journal
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.writer import RecordingWriter
from a2g_cli.robots.base import RobotSpec

Frames = Mapping[str, Image]
RATE = 30
JOINTS = 7


class Writer(Protocol):
    """What the benchmark asks of each."""

    lossless: bool

    def append(self, _step: int, frames: Frames, /) -> None:
        """Take one step from the control thread."""

    def finish(self) -> Path:
        """Return where the whole episode is, when it is on the disk."""

    def open(self, path: Path) -> Callable[[str, int, int], int]:
        """Open an episode; return what reads frames ``[start : stop]`` of a camera and returns how many there were."""


def numbers(step: int) -> np.ndarray:
    """Return some joints' positions."""
    return np.full(JOINTS, step, np.float32)


class Own:
    """a2g's RecordingWriter, with the deflate that it is given."""

    lossless = True

    def __init__(self, folder: Path, sizes: dict[str, tuple[int, int]], deflate: Callable[[Any], bytes]) -> None:
        names = tuple(f"j{index}" for index in range(JOINTS))
        limits = (-1e9,) * JOINTS, (1e9,) * JOINTS
        self._spec = RobotSpec("bench", names, ("rad",) * JOINTS, *limits, RATE, names, ("rad",) * JOINTS, sizes)
        self._path = folder / "episode-0000.hdf5"
        self._writer: RecordingWriter | None = None
        self._before, journal.deflate = journal.deflate, deflate  # type: ignore[assignment]  # another function in its place

    def append(self, step: int, frames: Frames) -> None:
        """Append; the first step opens the file."""
        time = step / RATE
        seen = Observation(frames, numbers(step), dict.fromkeys(frames, time), time)
        if self._writer is None:
            goal = Goal("bench", {camera: image.copy() for camera, image in frames.items()}, "bench")
            self._writer = RecordingWriter(self._path, self._spec, goal, Provenance("bench", "still"), seen)
        else:
            self._writer.append(numbers(step), numbers(step), seen)

    def finish(self) -> Path:
        """Build the HDF5 file, durably."""
        assert self._writer is not None
        self._writer.finish(Outcome(None, "none", "steps"))
        journal.deflate = self._before
        return self._path

    def open(self, path: Path) -> Callable[[str, int, int], int]:
        """Open and check the recording."""
        recording = Recording(path)
        _ = recording.length
        return lambda camera, start, stop: len(recording.frames(camera, start, stop))


def stored(image: Image) -> bytes:
    """Return the bytes as they are, in zlib's clothes."""
    return zlib.compress(image.data, 0)


def zlib_1(image: Image) -> bytes:
    """Return what recordings held before."""
    return zlib.compress(image.data, 1)


class Threaded:
    """a2g's way with a codec that HDF5's gzip filter does not unpack: a copy to a queue, a thread that packs and appends."""

    def __init__(self, folder: Path, encode: Callable[[Image], bytes], decode: Callable[[bytes], Image]) -> None:
        self._path = folder / "frames.bin"
        self._file = self._path.open("wb")
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._encode, self._decode = encode, decode
        self.lossless = encode is not jpeg
        self._queue: queue.Queue[Frames | None] = queue.Queue(16)
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def append(self, _step: int, frames: Frames) -> None:
        """Copy and queue."""
        self._queue.put({camera: image.copy() for camera, image in frames.items()})

    def _work(self) -> None:
        while (frames := self._queue.get()) is not None:
            for camera, image in frames.items():
                data = self._encode(image)
                self._places.setdefault(camera, []).append((self._file.tell(), len(data)))
                self._file.write(data)

    def finish(self) -> Path:
        """Wait for the thread."""
        self._queue.put(None)
        self._thread.join()
        self._file.close()
        return self._path

    def open(self, path: Path) -> Callable[[str, int, int], int]:
        """Read by the places that are known."""
        file = path.open("rb")

        def read(camera: str, start: int, stop: int) -> int:
            for place, size in self._places[camera][start:stop]:
                file.seek(place)
                self._decode(file.read(size))
            return stop - start

        return read


def packer(form: str, **options: Any) -> Callable[[Image], bytes]:
    """Return Pillow's encoder."""

    def encode(image: Image) -> bytes:
        buffer = io.BytesIO()
        PIL.Image.fromarray(image).save(buffer, form, **options)
        return buffer.getvalue()

    return encode


png, jpeg = packer("PNG", compress_level=1), packer("JPEG", quality=95)


def unpack(data: bytes) -> Image:
    """Return an image's pixels."""
    return np.asarray(PIL.Image.open(io.BytesIO(data)))


class VideoWriter:
    """A video a camera, packed in a thread."""

    def __init__(self, folder: Path, lossless: bool) -> None:
        self.lossless = lossless
        self._folder = folder
        self._queue: queue.Queue[Frames | None] = queue.Queue(16)
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def append(self, _step: int, frames: Frames) -> None:
        """Copy and queue."""
        self._queue.put({camera: image.copy() for camera, image in frames.items()})

    def _work(self) -> None:
        videos: dict[str, tuple[Any, Any]] = {}
        codec, pixels, crf = ("libx264rgb", "rgb24", "0") if self.lossless else ("libx264", "yuv420p", "18")
        while (frames := self._queue.get()) is not None:
            for camera, image in frames.items():
                if camera not in videos:
                    file = av.open(str(self._folder / f"{camera}.mp4"), "w")
                    options = {"crf": crf, "g": "2", "preset": "ultrafast", "threads": "1"}
                    stream = file.add_stream(codec, rate=RATE, options=options)
                    stream.height, stream.width, stream.pix_fmt = *image.shape[:2], pixels
                    videos[camera] = file, stream
                file, stream = videos[camera]
                file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for file, stream in videos.values():
            file.mux(stream.encode())
            file.close()

    def finish(self) -> Path:
        """Wait for the thread."""
        self._queue.put(None)
        self._thread.join()
        return self._folder

    def open(self, path: Path) -> Callable[[str, int, int], int]:
        """Open a video when it is asked for."""
        from a2g_cli.data.formats.videos import Stretch, read_mp4

        return lambda camera, start, stop: sum(
            1
            for _ in read_mp4(
                Stretch(path / f"{camera}.mp4", start / RATE, stop / RATE, stop - start, RATE, (480, 640))
            )
        )


class Direct(Threaded):
    """lzf, which packs inside HDF5 alone: the thread writes into the file itself."""

    def __init__(self, folder: Path, sizes: dict[str, tuple[int, int]], options: dict[str, Any]) -> None:
        self._hdf5 = folder / "frames.hdf5"
        self._open = h5py.File(self._hdf5, "w")
        self._videos = {
            camera: self._open.create_dataset(
                camera, (0, *size, 3), "u1", maxshape=(None, *size, 3), chunks=(1, *size, 3), **options
            )
            for camera, size in sizes.items()
        }
        super().__init__(folder, stored, unpack)

    def _work(self) -> None:
        while (frames := self._queue.get()) is not None:
            for camera, image in frames.items():
                video = self._videos[camera]
                video.resize(len(video) + 1, axis=0)
                video[-1] = image

    def finish(self) -> Path:
        """Wait for the thread and close."""
        super().finish()
        self._open.close()
        return self._hdf5

    def open(self, path: Path) -> Callable[[str, int, int], int]:
        """Open the file."""
        file = h5py.File(path, "r")
        return lambda camera, start, stop: len(file[camera][start:stop])


class Plain:
    """h5py as robomimic's collectors use it: lists in memory, written at the end of the episode, frames as they are."""

    lossless = True

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self._path, self._options = folder / "demo.hdf5", options
        self._frames: dict[str, list[Image]] = {}

    def append(self, _step: int, frames: Frames) -> None:
        """Keep a copy: cameras use their buffers again."""
        for camera, image in frames.items():
            self._frames.setdefault(camera, []).append(image.copy())

    def finish(self) -> Path:
        """Write everything."""
        with h5py.File(self._path, "w") as file:
            for camera, video in self._frames.items():
                file.create_dataset(f"data/demo_0/obs/{camera}_image", data=np.stack(video), **self._options)
        self._frames.clear()
        return self._path

    def open(self, path: Path) -> Callable[[str, int, int], int]:
        """Open the file."""
        file = h5py.File(path, "r")
        return lambda camera, start, stop: len(file[f"data/demo_0/obs/{camera}_image"][start:stop])


class LeRobot:
    """LeRobot's own dataset: PNG files by its threads and a video at the end, or a video while it goes on."""

    lossless = False

    def __init__(self, folder: Path, sizes: dict[str, tuple[int, int]], streaming: bool) -> None:
        dataset = lerobot_dataset()
        names = [f"j{index}" for index in range(JOINTS)]
        joints = {"dtype": "float32", "shape": (JOINTS,), "names": names}
        features: dict[str, Any] = {"action": joints, "observation.state": dict(joints)}
        for camera, size in sizes.items():
            axes = ["height", "width", "channels"]
            features[f"observation.images.{camera}"] = {"dtype": "video", "shape": (*size, 3), "names": axes}
        self._root = folder / "set"
        more: dict[str, Any] = {"streaming_encoding": True} if streaming else {"image_writer_threads": 8}
        self._data = dataset.create("a2g/bench", RATE, features, root=self._root, vcodec="h264", **more)

    def append(self, step: int, frames: Frames) -> None:
        """Add a frame, as its record script does."""
        images = {f"observation.images.{camera}": image.copy() for camera, image in frames.items()}
        self._data.add_frame({"action": numbers(step), "observation.state": numbers(step), "task": "bench", **images})

    def finish(self) -> Path:
        """Save the episode."""
        self._data.save_episode(parallel_encoding=False)
        self._data.finalize()
        return self._root

    def open(self, path: Path) -> Callable[[str, int, int], int]:
        """Open it as training does: a window of frames by ``delta_timestamps``."""
        window = {
            f"observation.images.{camera}": [index / RATE for index in range(16)] for camera in ("front", "wrist")
        }
        data = lerobot_dataset()("a2g/bench", root=path, video_backend="pyav", delta_timestamps=window)

        def read(camera: str, start: int, _stop: int) -> int:
            return len(data[start][f"observation.images.{camera}"])

        return read


def lerobot_dataset() -> Any:
    """Return LeRobot's class. Raises ImportError where it is not installed."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from lerobot_itself import stand_in

    if "torchvision" not in sys.modules:
        stand_in()
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset
