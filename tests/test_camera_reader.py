import threading
import time

import numpy as np
import pytest
from camera_contract import CameraContract
from camera_examples import HEIGHT, WIDTH, FaultyCamera

from a2g_cli.cameras.base import Camera
from a2g_cli.cameras.metadata import Framing
from a2g_cli.cameras.reader import CameraReader
from a2g_cli.core.clock import SteppedClock
from a2g_cli.core.errors import HardwareError, UsageError


def wait_for(condition, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


class TestCameraReader(CameraContract):
    def make_camera(self) -> Camera:
        return CameraReader("front", FaultyCamera())


@pytest.fixture
def camera() -> FaultyCamera:
    return FaultyCamera()


@pytest.fixture
def reader(camera: FaultyCamera):
    reader = CameraReader("front", camera, max_age=0.3)
    reader.open()
    yield reader
    reader.close()


def test_it_keeps_the_newest_frame_and_hands_it_out_again(camera: FaultyCamera, reader: CameraReader) -> None:
    first = reader.read(1.0)
    wait_for(lambda: reader.newest().sequence >= first.sequence + 3)  # nobody read what came between
    camera.stalled = True
    time.sleep(0.05)  # whatever is on its way comes, then nothing
    assert reader.read(1.0) is reader.read(1.0)


def test_a_stale_frame_is_an_error_and_never_handed_out(camera: FaultyCamera, reader: CameraReader) -> None:
    camera.stalled = True
    wait_for(lambda: reader.age(reader.newest()) > 0.3)
    with pytest.raises(HardwareError, match=r"'front' sends nothing: the newest frame is 0\.\d+ s old, 0\.3 s"):
        reader.read(0.05)
    assert reader.newest() is not None  # whoever judges ages itself can still look at it


def test_a_frozen_camera_shows_since_when(camera: FaultyCamera, reader: CameraReader) -> None:
    lively = reader.read(1.0)
    assert lively.unchanged_since == lively.captured_at
    camera.frozen = True
    wait_for(lambda: reader.newest().captured_at - reader.newest().unchanged_since > 0.2)
    still = reader.read(1.0)
    assert still.sequence > lively.sequence
    assert reader.age(still) < 0.3  # it is not old: only its bytes are
    camera.frozen = False
    wait_for(lambda: reader.newest().unchanged_since == reader.newest().captured_at)


def test_a_camera_that_fails_says_so_at_once_and_can_be_opened_again(
    camera: FaultyCamera, reader: CameraReader
) -> None:
    camera.unplugged = True
    for _ in range(2):
        with pytest.raises(HardwareError, match="was unplugged"):
            wait_for(lambda: reader.read(5.0) is None)
    assert (camera.opened, camera.closed) == (1, 1)
    reader.close()
    with pytest.raises(HardwareError, match="not plugged in"):
        reader.open()
    camera.unplugged = False
    reader.open()
    assert reader.read(1.0).image.shape == (HEIGHT, WIDTH, 3)


def test_opening_closing_and_reading_happen_in_one_thread(camera: FaultyCamera) -> None:
    threads = set()
    for name in ("open", "read", "close"):
        method = getattr(camera, name)
        setattr(camera, name, lambda *a, m=method: (threads.add(threading.current_thread().name), m(*a))[1])
    reader = CameraReader("front", camera)
    reader.open()
    reader.read(1.0)
    reader.close()
    assert threads == {"camera-front"}
    assert "camera-front" not in {thread.name for thread in threading.enumerate()}


def test_images_are_cropped_and_resized_and_the_view_says_so(camera: FaultyCamera) -> None:
    reader = CameraReader("front", camera, Framing(size=(24, 24)))
    reader.open()
    assert reader.read(1.0).image.shape == (24, 24, 3)
    assert reader.view.crop == ((WIDTH - HEIGHT) // 2, 0, HEIGHT, HEIGHT)
    assert reader.view.device == "faulty:1"
    reader.close()
    outside = CameraReader("front", camera, Framing(crop=(0, 0, WIDTH + 1, 4)))
    with pytest.raises(UsageError, match="leaves the camera's image of 64x48"):
        outside.open()


def test_times_are_on_the_robot_s_clock(camera: FaultyCamera) -> None:
    clock = SteppedClock()
    clock.advance(1000.0)
    reader = CameraReader("front", camera, clock=clock)
    reader.open()
    assert 999.0 < reader.read(1.0).captured_at <= 1000.0
    reader.close()


def test_an_age_that_allows_nothing_is_refused(camera: FaultyCamera) -> None:
    for age in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError):
            CameraReader("front", camera, max_age=age)


def test_framing_keeps_the_middle() -> None:
    image = np.arange(4 * 8 * 3, dtype=np.uint8).reshape(4, 8, 3)
    assert np.array_equal(Framing().apply(image), image)
    assert Framing().apply(image) is not image
    assert Framing(size=(4, 4)).part(4, 8) == (2, 0, 4, 4)
    assert np.array_equal(Framing(size=(4, 4)).apply(image), image[:, 2:6])
    assert np.array_equal(Framing(crop=(1, 0, 2, 3)).apply(image), image[:3, 1:3])
    assert Framing(crop=(0, 0, 8, 4), size=(2, 4)).apply(image).shape == (2, 4, 3)
    for crop in ((-1, 0, 2, 2), (0, 0, 0, 2)):
        with pytest.raises(UsageError, match="keeps nothing"):
            Framing(crop=crop)
    with pytest.raises(UsageError, match="cannot be made"):
        Framing(size=(0, 4))
