import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from camera_contract import CameraContract
from camera_examples import HEIGHT, WIDTH, scene
from realsense_examples import AUTOMATIC, SERIAL, SoftwareRealSense

from a2g_cli.cameras import realsense, realsense_sdk
from a2g_cli.cameras.base import Camera, Frame
from a2g_cli.cameras.device_time import DeviceTime
from a2g_cli.cameras.metadata import Framing
from a2g_cli.cameras.reader import CameraReader
from a2g_cli.cameras.realsense import RealSenseCamera
from a2g_cli.core.errors import HardwareError, UsageError
from a2g_cli.core.plugins import load

# Looked for, not imported: without the system's libusb it must work all the same.
if find_spec("pyrealsense2") is None:
    pytest.skip("there is no pyrealsense2 for this system", allow_module_level=True)
SHAPE = {"width": WIDTH, "height": HEIGHT, "rate": 60}
BAG = Path(__file__).parent / "data" / "software-realsense.bag"
"""Recorded from `rs.software_device` by `rs.recorder` of SDK 2.55.1: later ones play .bag, and record .db3 alone."""


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftwareRealSense]:
    with SoftwareRealSense() as made:
        monkeypatch.setattr(realsense_sdk, "attached", made.attached)
        monkeypatch.setattr(realsense, "COMES_BACK", 0.5)
        monkeypatch.setattr(realsense, "FIRST_FRAME", 1.0)
        monkeypatch.setattr(realsense, "STALL", 0.15)
        yield made


def camera(**settings) -> RealSenseCamera:
    return RealSenseCamera(SERIAL, **{**SHAPE, "warm_up": 0.0, "exposure": 700.0, **settings})


class TestLive(CameraContract):
    @pytest.fixture(autouse=True)
    def plugged_in(self, device: SoftwareRealSense) -> None: ...

    def make_camera(self) -> Camera:
        return camera()


class TestLiveWithDepthInAReader(CameraContract):
    @pytest.fixture(autouse=True)
    def plugged_in(self, device: SoftwareRealSense) -> None: ...

    def make_camera(self) -> Camera:
        return CameraReader("front", camera(depth=True), Framing(size=(24, 24)))

    def test_depth_is_framed_as_the_image_is(self, camera: Camera) -> None:
        frame = camera.read(2.0)
        assert frame.depth is not None
        assert frame.depth.shape == frame.image.shape[:2] == (24, 24)


def record(path: Path, device: SoftwareRealSense, seconds: float = 0.5) -> Path:
    """Record what ``device`` sends, by the SDK's own recorder."""
    rs = device.rs
    recorder = rs.recorder(str(path), device.device)
    queue = rs.frame_queue(1)
    sensors = list(recorder.query_sensors())
    for sensor in sensors:
        sensor.open(sensor.get_stream_profiles())
        sensor.start(queue)
    time.sleep(seconds)
    for sensor in sensors:
        sensor.stop()
        sensor.close()
    recorder.pause()
    return path


@pytest.fixture(scope="module")
def db3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with SoftwareRealSense() as device:
        return record(tmp_path_factory.mktemp("recorded") / "bench.db3", device)


class TestRecordedFile(CameraContract):
    @pytest.fixture(autouse=True)
    def recorded(self, db3: Path) -> None:
        self.path = db3

    def make_camera(self) -> Camera:
        return RealSenseCamera(str(self.path))


class TestBag(CameraContract):
    def make_camera(self) -> Camera:
        return RealSenseCamera(str(BAG))


def opened(made: RealSenseCamera) -> RealSenseCamera:
    made.open()
    return made


def test_it_is_announced() -> None:
    assert load("camera", "realsense") is RealSenseCamera


def test_images_are_those_that_the_device_sent_when_it_took_them(device: SoftwareRealSense) -> None:
    made = opened(camera())
    frame = made.read(1.0)
    sent = device.image(0)
    index = next(i for i in range(device.fed + 1) if np.array_equal(device.image(i), frame.image))
    assert index > 0
    assert sent.shape == frame.image.shape
    assert 0.014 < time.monotonic() - frame.captured_at < 1.0  # stamped 15 ms before it was sent
    assert frame.depth is None
    made.close()


def test_depth_comes_where_it_is_asked_for(device: SoftwareRealSense) -> None:
    made = opened(camera(depth=True))
    frames = [made.read(1.0) for _ in range(3)]
    for frame in frames:
        assert frame.depth is not None
        assert frame.depth.dtype == np.uint16
        assert frame.depth.shape == (HEIGHT, WIDTH)
        assert abs(int(frame.depth[0, 0]) - 1000 - frame.sequence) < device.fed + 1
    assert made.view is not None
    assert made.view.settings["depth_units"] == pytest.approx(0.0005)
    made.close()


def test_exposure_is_locked_where_images_are_as_bright_as_the_automatic_made_them(device: SoftwareRealSense) -> None:
    made = opened(camera(exposure=None, gain=32.0, white_balance=5000.0))
    option = device.rs.option
    assert device.colour.get_option(option.enable_auto_exposure) == 0
    assert device.colour.get_option(option.enable_auto_white_balance) == 0
    assert made.view is not None
    settings = made.view.settings
    assert settings["exposure"] == device.colour.get_option(option.exposure) == pytest.approx(700, rel=0.06)
    assert (settings["gain"], settings["white_balance"]) == (32.0, 5000.0)
    assert (settings["model"], settings["firmware"], settings["rate"]) == ("Software D435", "1.2.3", 60)
    assert made.read(1.0).image.mean() == pytest.approx(AUTOMATIC, rel=0.06)
    assert made.view.device == f"realsense:{SERIAL}"
    made.close()


def test_unlocked_stays_automatic(device: SoftwareRealSense) -> None:
    made = opened(camera(exposure=None, lock=False))
    assert device.colour.get_option(device.rs.option.enable_auto_exposure) == 1
    assert made.view is not None
    assert made.view.settings["locked"] is False
    made.close()


def test_a_stream_that_stops_is_reset_once_and_set_as_it_was(device: SoftwareRealSense) -> None:
    made = opened(camera(exposure=600.0))
    before = made.read(1.0)
    device.silent = True
    after = made.read(0.3)
    assert device.resets == 1
    assert after.sequence > before.sequence
    assert after.captured_at > before.captured_at
    assert device.colour.get_option(device.rs.option.exposure) == 600.0
    assert device.colour.get_option(device.rs.option.enable_auto_exposure) == 0
    assert "reset" in made.warnings[0]
    device.silent = True
    with pytest.raises(HardwareError, match="even after a reset: unplug it"):
        made.read(0.3)
    assert device.resets == 1
    made.close()


def test_a_device_that_does_not_come_back_is_a_clear_error(device: SoftwareRealSense) -> None:
    made = opened(camera())
    device.silent, device.comes_back = True, False
    with pytest.raises(HardwareError, match="sends nothing, even after a reset"):
        made.read(0.3)
    made.close()
    device.silent = False
    made = opened(camera())
    device.silent, device.plugged_in = True, False
    with pytest.raises(HardwareError, match=r"could not be restarted: .* was not found; none is plugged in"):
        made.read(0.3)
    made.close()


def test_a_reader_s_patience_is_no_reason_for_a_reset(device: SoftwareRealSense) -> None:
    made = opened(camera())
    made.read(1.0)
    device.silent = True
    time.sleep(0.02)
    made._wait(0.001)  # whatever is on its way
    with pytest.raises(HardwareError, match=r"no image within 0\.01 s"):
        made.read(0.01)
    assert device.resets == 0
    made.close()


def test_usb_2_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with SoftwareRealSense(usb="2.1") as slow:
        monkeypatch.setattr(realsense_sdk, "attached", slow.attached)
        made = opened(camera())
        assert "USB 2.1" in made.warnings[0]
        made.close()
        with pytest.raises(HardwareError, match=r"no color of 1280x720@60; it has 64x48@60. It is on USB 2"):
            opened(camera(width=1280, height=720))


def test_a_frozen_device_is_seen_by_its_reader(device: SoftwareRealSense) -> None:
    reader = CameraReader("front", camera())
    reader.open()
    device.frozen = True

    def still() -> float:
        frame = reader.read(1.0)
        assert frame.unchanged_since is not None
        return frame.captured_at - frame.unchanged_since

    end = time.monotonic() + 10
    while still() < 0.1:
        assert time.monotonic() < end
        time.sleep(0.02)
    reader.close()


def test_which_camera(device: SoftwareRealSense) -> None:
    only = opened(RealSenseCamera(**SHAPE, warm_up=0.0, exposure=700.0))
    assert only.view is not None
    assert only.view.device == f"realsense:{SERIAL}"
    only.close()
    with pytest.raises(HardwareError, match=f"realsense:42 was not found; plugged in: {SERIAL}"):
        RealSenseCamera("42", **SHAPE).open()


def test_settings_out_of_range_are_refused(device: SoftwareRealSense) -> None:
    with pytest.raises(UsageError, match="exposure 20000 is outside what the camera allows: 1 to 10000"):
        camera(exposure=20000.0).open()
    with pytest.raises(UsageError, match="need lock = true"):
        camera(lock=False)
    with pytest.raises(UsageError, match="no such file"):
        RealSenseCamera("nowhere.db3")


def test_a_file_plays_its_images_in_order_and_again(db3: Path) -> None:
    made = opened(RealSenseCamera(str(db3)))
    frames: list[Frame] = []
    end = time.monotonic() + 20
    while len(frames) < 5 or frames[-1].sequence < 40:  # half a second at 60 Hz holds 30
        frames.append(made.read(2.0))
        assert time.monotonic() < end
    sequences = [frame.sequence for frame in frames]
    assert sequences == sorted(set(sequences))
    assert made.view is not None
    assert made.view.device == f"realsense:{db3}"
    assert frames[0].image.shape == scene().shape
    made.close()


def test_a_file_that_is_no_recording(tmp_path: Path) -> None:
    for name in ("text.db3", "text.bag"):
        (tmp_path / name).write_text("no recording")
        with pytest.raises(HardwareError, match=r"cannot be played|cannot be started"):
            RealSenseCamera(str(tmp_path / name)).open()


def test_a_missing_library_of_the_system_is_named() -> None:
    code = (
        "from a2g_cli.cameras import realsense_sdk\n"
        "from a2g_cli.core.errors import HardwareError\n"
        "realsense_sdk.bundled_libusb = lambda: None\n"
        "def load(*_):\n"
        "    try:\n"
        "        raise ImportError('libusb-1.0.so.0: cannot open shared object file: No such file or directory')\n"
        "    except ImportError as error:\n"
        "        raise HardwareError(f'pyrealsense2 does not load: {error}') from error\n"
        "if realsense_sdk.system_libusb():\n"
        "    realsense_sdk.sdk = load\n"
        "try:\n    realsense_sdk.load()\n"
        "except HardwareError as error:\n    print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "apt install libusb-1.0-0" in said
    assert "needs a system library that is not installed" in said


class TestDeviceTime:
    def test_jitter_of_arrival_is_taken_out(self) -> None:
        clock = DeviceTime()
        random = np.random.default_rng(0)
        times = [
            (k / 30, clock.captured_at(5000 + k / 30, False, k / 30 + 0.01 + random.exponential(0.01)))
            for k in range(300)
        ]
        errors = np.array([found - true for true, found in times[100:]])
        assert np.ptp(errors) < 0.002  # arrivals vary by 50 ms and more
        assert 0.009 < errors.mean() < 0.015  # the least way here remains: nobody can tell it from a later clock

    def test_a_clock_that_begins_anew_is_noticed(self) -> None:
        clock = DeviceTime()
        clock.captured_at(4294.9, False, 100.0)
        assert clock.captured_at(0.1, False, 100.2) == pytest.approx(100.2)

    def test_the_host_s_own_stamps_are_taken_as_they_are_unless_they_cannot_be(self) -> None:
        clock = DeviceTime()
        taken = clock.captured_at(time.time() - 0.05, True)
        assert time.monotonic() - taken == pytest.approx(0.05, abs=0.02)
        assert clock.captured_at(0.0, True, 50.0) == 50.0

    def test_never_in_the_future(self) -> None:
        clock = DeviceTime()
        assert all(clock.captured_at(k / 30, False, k / 30 * 0.999) <= k / 30 * 0.999 for k in range(1, 100))
