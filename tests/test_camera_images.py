from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from camera_contract import CameraContract
from camera_examples import HEIGHT, WIDTH, folder, scene, video

from a2g_cli.cameras.base import Camera
from a2g_cli.cameras.images import ImagesCamera
from a2g_cli.core.errors import HardwareError, UsageError
from a2g_cli.core.plugins import load


class TestFolder(CameraContract):
    @pytest.fixture(autouse=True)
    def made(self, tmp_path: Path) -> None:
        self.path = folder(tmp_path / "images")

    def make_camera(self) -> Camera:
        return ImagesCamera(str(self.path), rate=100.0)


class TestVideo(CameraContract):
    @pytest.fixture(autouse=True)
    def made(self, tmp_path: Path) -> None:
        self.path = video(tmp_path / "clip.mp4")

    def make_camera(self) -> Camera:
        return ImagesCamera(str(self.path), rate=100.0)


def read_all(camera: Camera) -> None:
    for _ in range(10):
        camera.read(1.0)


def test_it_is_announced() -> None:
    assert load("camera", "images") is ImagesCamera


def test_images_come_in_the_order_of_their_numbers_and_begin_again(tmp_path: Path) -> None:
    camera = ImagesCamera(str(folder(tmp_path / "images", 5)), rate=1000.0)
    camera.open()
    frames = [camera.read(1.0) for _ in range(12)]
    for frame in frames:
        assert np.array_equal(frame.image, scene((frame.sequence - 1) % 5))
    assert camera.view is not None
    assert (camera.view.width, camera.view.height) == (WIDTH, HEIGHT)


def test_they_are_due_at_even_times(tmp_path: Path) -> None:
    camera = ImagesCamera(str(video(tmp_path / "clip.mp4", rate=20)))
    camera.open()
    frames = [camera.read(1.0) for _ in range(4)]
    gaps = [later.captured_at - earlier.captured_at for earlier, later in pairwise(frames)]
    assert min(gaps) > 0.05 - 1e-6  # a slow machine may be late, never early


def test_without_a_loop_it_ends(tmp_path: Path) -> None:
    camera = ImagesCamera(str(folder(tmp_path / "images", 2)), rate=1000.0, loop=False)
    camera.open()
    with pytest.raises(HardwareError, match="has ended"):
        read_all(camera)


def test_waiting_ends_in_time(tmp_path: Path) -> None:
    camera = ImagesCamera(str(folder(tmp_path / "images", 2)), rate=0.01)
    camera.open()
    camera.read(1.0)
    with pytest.raises(HardwareError, match="no image within"):
        camera.read(0.01)


def test_what_cannot_be_played(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        ImagesCamera(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="0 Hz"):
        ImagesCamera(str(tmp_path), rate=0.0)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_text("no image")
    for name, message in (
        ("empty", "holds no image"),
        ("text.mp4", "cannot be played"),
        ("broken", "cannot be read"),
    ):
        camera = ImagesCamera(str(tmp_path / name))
        with pytest.raises(HardwareError, match=message):
            camera.open()
    mixed = folder(tmp_path / "mixed", 2)
    PIL.Image.new("RGB", (9, 9)).save(mixed / "frame99.png")
    camera = ImagesCamera(str(mixed), rate=1000.0)
    camera.open()
    with pytest.raises(HardwareError, match="an image is 9x9, the first one 64x48"):
        read_all(camera)
