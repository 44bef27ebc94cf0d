"""What every camera must do. A driver's tests inherit from CameraContract and say how to make one."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from a2g_cli.cameras.base import Camera
from a2g_cli.core.errors import HardwareError


class CameraContract:
    """Inherit, name the class ``Test...``, and override ``make_camera``."""

    timeout = 2.0
    """How long a frame may take to come [s]."""

    def make_camera(self) -> Camera:
        """Return a new camera that is not open yet."""
        raise NotImplementedError

    @pytest.fixture
    def camera(self) -> Iterator[Camera]:
        camera = self.make_camera()
        camera.open()
        yield camera
        camera.close()

    def test_a_frame_is_rgb_bytes(self, camera: Camera) -> None:
        frame = camera.read(self.timeout)
        assert frame.image.dtype == np.uint8
        assert frame.image.ndim == 3
        assert frame.image.shape[2] == 3
        assert frame.image.size > 0
        assert np.isfinite(frame.captured_at)

    def test_sequence_and_time_never_go_back(self, camera: Camera) -> None:
        frames = [camera.read(self.timeout) for _ in range(4)]
        for earlier, later in pairwise(frames):
            assert later.sequence >= earlier.sequence
            assert later.captured_at >= earlier.captured_at
            assert later.image.shape == earlier.image.shape
            if later.sequence == earlier.sequence:
                assert later.captured_at == earlier.captured_at
                assert np.array_equal(later.image, earlier.image)

    def test_a_frame_is_never_overwritten(self, camera: Camera) -> None:
        first = camera.read(self.timeout)
        kept = first.image.copy()
        for _ in range(3):
            camera.read(self.timeout)
        assert np.array_equal(first.image, kept)

    def test_reading_a_camera_that_is_not_open_is_an_error(self) -> None:
        with pytest.raises(HardwareError):
            self.make_camera().read(self.timeout)

    def test_closing_twice_is_harmless_and_reading_then_is_an_error(self, camera: Camera) -> None:
        camera.close()
        camera.close()
        with pytest.raises(HardwareError):
            camera.read(self.timeout)

    def test_closing_before_opening_is_harmless(self) -> None:
        self.make_camera().close()

    def test_it_opens_again(self, camera: Camera) -> None:
        shape = camera.read(self.timeout).image.shape
        camera.close()
        camera.open()
        assert camera.read(self.timeout).image.shape == shape
