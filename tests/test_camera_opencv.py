import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from camera_contract import CameraContract
from camera_examples import HEIGHT, WIDTH, scene, video

from a2g_cli.cameras import opencv
from a2g_cli.cameras.base import Camera
from a2g_cli.cameras.opencv import OpenCVCamera
from a2g_cli.core.errors import HardwareError, UsageError
from a2g_cli.core.plugins import load

cv2 = pytest.importorskip("cv2", reason="OpenCV cannot be installed here", exc_type=ModuleNotFoundError)


class TestVideoFile(CameraContract):
    @pytest.fixture(autouse=True)
    def made(self, tmp_path: Path) -> None:
        self.path = video(tmp_path / "clip.avi", rate=50)

    def make_camera(self) -> Camera:
        return OpenCVCamera(str(self.path))


def test_it_is_announced() -> None:
    assert load("camera", "opencv") is OpenCVCamera


def test_a_video_is_played_at_its_own_rate_in_its_own_colours(tmp_path: Path) -> None:
    camera = OpenCVCamera(str(video(tmp_path / "clip.avi", count=6, rate=50)))
    camera.open()
    frames = [camera.read(1.0) for _ in range(4)]
    assert frames[3].captured_at - frames[0].captured_at > 0.055
    red = frames[0].image[int(HEIGHT * 0.6), int(WIDTH * 0.6)].astype(int)
    assert red[0] > red[2] + 80  # blue and red are not swapped
    assert camera.view is not None
    assert camera.view.settings["rate"] == 50
    with pytest.raises(HardwareError, match="has ended"):
        [camera.read(1.0) for _ in range(6)]


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match="does not exist; cameras found: "):
        OpenCVCamera("/dev/video987").open()
    with pytest.raises(HardwareError, match="/dev/video986 does not exist"):
        OpenCVCamera("986").open()
    (tmp_path / "text.avi").write_text("no video")
    with pytest.raises(HardwareError, match="OpenCV cannot play it"):
        OpenCVCamera(str(tmp_path / "text.avi")).open()
    with pytest.raises(HardwareError, match=r"does not support width 99: it gives 64"):
        OpenCVCamera(str(video(tmp_path / "clip.avi")), width=99).open()
    with pytest.raises(UsageError, match="not four letters"):
        OpenCVCamera("0", fourcc="MJPEG")
    with pytest.raises(UsageError, match="need lock = true"):
        OpenCVCamera("0", exposure=100.0, lock=False)


class Device:
    """What a UVC camera does when OpenCV sets its properties: automatics that move, and perhaps cannot be switched off."""

    def __init__(self, lockable: bool = True) -> None:
        self.lockable = lockable
        self.values = {
            cv2.CAP_PROP_FRAME_WIDTH: 640.0,
            cv2.CAP_PROP_FRAME_HEIGHT: 480.0,
            cv2.CAP_PROP_FPS: 30.0,
            cv2.CAP_PROP_AUTO_EXPOSURE: 3.0,
            cv2.CAP_PROP_EXPOSURE: 50.0,
            cv2.CAP_PROP_WB_TEMPERATURE: 4000.0,
        }
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, which: int) -> float:
        return self.values.get(which, 0.0)

    def set(self, which: int, value: float) -> bool:
        if which == cv2.CAP_PROP_AUTO_EXPOSURE and not self.lockable:
            return False
        if which == cv2.CAP_PROP_AUTO_EXPOSURE:
            self.values[cv2.CAP_PROP_EXPOSURE] = 157.0  # jumps to its default, as some do
        self.values[which] = float(value)
        return True

    def read(self) -> tuple[bool, np.ndarray]:
        if self.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 3.0:
            self.values[cv2.CAP_PROP_EXPOSURE] = min(80.0, self.values[cv2.CAP_PROP_EXPOSURE] + 10)
        self.values[cv2.CAP_PROP_POS_MSEC] = 1000 * (time.monotonic() - 0.02)
        shape = (int(self.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(self.get(cv2.CAP_PROP_FRAME_WIDTH)), 3)
        return True, np.zeros(shape, np.uint8)

    def release(self) -> None:
        self.released = True


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    monkeypatch.setattr(opencv, "WARM_UP", 0.05)
    monkeypatch.setattr(cv2, "VideoCapture", lambda path, backend: made)
    return made


def test_the_automatics_are_locked_where_they_settled(device: Device) -> None:
    camera = OpenCVCamera("/dev/null", width=320, height=240, white_balance=5000.0)
    camera.open()
    assert camera.view is not None
    assert device.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 1.0
    assert camera.view.settings["exposure"] == device.values[cv2.CAP_PROP_EXPOSURE] == 80.0
    assert camera.view.settings["white_balance"] == 5000.0
    assert (camera.view.width, camera.view.height) == (320, 240)
    assert device.values[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter_fourcc(*"MJPG")
    assert camera.warnings == []
    frame = camera.read(1.0)
    assert 0.01 < time.monotonic() - frame.captured_at < 1.0  # the device's own stamp
    camera.close()
    assert device.released


def test_a_device_that_cannot_be_locked_warns(device: Device) -> None:
    device.lockable = False
    camera = OpenCVCamera("/dev/null")
    camera.open()
    assert "cannot be locked" in camera.warnings[0]


def test_unlocked_stays_automatic(device: Device) -> None:
    camera = OpenCVCamera("/dev/null", lock=False)
    camera.open()
    assert device.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 3.0
    assert camera.view is not None
    assert camera.view.settings["locked"] is False


LOOPBACK = sorted(Path("/sys/devices/virtual/video4linux").glob("video*"))


@pytest.mark.skipif(not LOOPBACK, reason="no v4l2loopback device on this machine")
class TestLoopback(CameraContract):
    @pytest.fixture(autouse=True)
    def feeding(self) -> Iterator[None]:
        self.device = Path("/dev") / LOOPBACK[0].name
        stop = threading.Event()

        def feed() -> None:
            with av.open(str(self.device), "w", format="v4l2") as container:
                stream = container.add_stream("rawvideo", rate=30)
                stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
                index = 0
                while not stop.wait(1 / 30):
                    index += 1
                    for packet in stream.encode(av.VideoFrame.from_ndarray(scene(index), format="rgb24")):
                        container.mux(packet)

        thread = threading.Thread(target=feed)
        thread.start()
        time.sleep(0.3)
        yield
        stop.set()
        thread.join()

    def make_camera(self) -> Camera:
        return OpenCVCamera(str(self.device), fourcc="YU12")
