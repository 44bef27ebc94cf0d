from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest

from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.types import Image
from a2g_cli.display.video import side_by_side, write_video


def frame(k: int, height: int = 24, width: int = 32) -> Image:
    image = np.full((height, width, 3), 40, np.uint8)
    image[:, : 2 * k + 1] = (200, 80, 40)
    return image


def test_an_mp4_decodes_back(tmp_path: Path) -> None:
    path = tmp_path / "episode.mp4"
    write_video(path, (frame(k) for k in range(10)), rate=12.5)
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        frames = [one.to_ndarray(format="rgb24") for one in file.decode(stream)]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == 12.5
    assert len(frames) == 10
    assert frames[0].shape == (96, 128, 3)
    enlarged = frame(9).repeat(4, axis=0).repeat(4, axis=1)
    assert np.abs(frames[9].astype(int) - enlarged).mean() < 6
    assert [entry.name for entry in tmp_path.iterdir()] == ["episode.mp4"]


def test_an_mp4_can_start_before_it_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "episode.MP4"
    write_video(path, map(frame, range(3)), rate=10)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_odd_sides_become_even(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    write_video(path, [frame(k, 15, 21) for k in range(2)], rate=10, scale=1)
    with av.open(str(path)) as file:
        assert (file.streams.video[0].height, file.streams.video[0].width) == (16, 22)


@pytest.mark.parametrize(("rate", "shown"), [(10.0, 12), (15.0, 12), (100.0, 6)])
def test_a_gif_decodes_back_and_keeps_its_length(tmp_path: Path, rate: float, shown: int) -> None:
    path = tmp_path / "episode.gif"
    write_video(path, map(frame, range(12)), rate, scale=2)
    with PIL.Image.open(path) as file:
        assert (file.n_frames, file.size) == (shown, (64, 48))
        milliseconds = 0
        for index in range(file.n_frames):
            file.seek(index)
            milliseconds += file.info["duration"]
            assert file.info["duration"] >= 20
    assert milliseconds == pytest.approx(1000 * 12 / rate, abs=10)


@pytest.mark.parametrize("name", ["episode.avi", "episode"])
def test_an_unknown_suffix_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.mp4 or \.gif"):
        write_video(tmp_path / name, [frame(0)], 10)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
class TestFailure:
    def test_nothing_is_left_behind_and_the_old_file_stays(self, tmp_path: Path, suffix: str) -> None:
        def frames() -> Iterator[Image]:
            yield frame(0)
            yield frame(1)
            raise KeyboardInterrupt

        path = tmp_path / f"episode{suffix}"
        path.write_bytes(b"old")
        with pytest.raises(KeyboardInterrupt):
            write_video(path, frames(), 10)
        assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
        assert path.read_bytes() == b"old"

    def test_a_folder_that_does_not_exist_is_said_in_one_line(self, tmp_path: Path, suffix: str) -> None:
        with pytest.raises(A2GError, match="cannot be written: No such file") as caught:
            write_video(tmp_path / "missing" / f"a{suffix}", [frame(0)], 10)
        assert "\n" not in str(caught.value)

    def test_no_frames_and_mixed_sizes_are_refused(self, tmp_path: Path, suffix: str) -> None:
        with pytest.raises(UsageError, match="no frames"):
            write_video(tmp_path / f"a{suffix}", [], 10)
        with pytest.raises(UsageError, match="frame 1 is 16x16, but the first is 32x24"):
            write_video(tmp_path / f"a{suffix}", [frame(0), frame(0, 16, 16)], 10)
        assert not list(tmp_path.iterdir())

    def test_impossible_numbers_are_refused(self, tmp_path: Path, suffix: str) -> None:
        for rate, scale in ((0.0, 4), (10.0, 0)):
            with pytest.raises(UsageError, match="expected a rate of"):
                write_video(tmp_path / f"a{suffix}", [frame(0)], rate, scale)


class TestSideBySide:
    def test_pixels_are_repeated_not_blended(self) -> None:
        left, right = frame(3, 8, 8), frame(1, 16, 8)
        joined = side_by_side([left, right], gap=2, scale=3)
        assert joined.shape == (16 * 3, (16 + 2 + 8) * 3, 3)
        assert np.array_equal(joined[::3, ::3][:, 18:], right)
        assert np.array_equal(joined[::3, ::3][::2, :16:2], left)

    def test_it_can_be_written(self, tmp_path: Path) -> None:
        frames = (side_by_side([frame(k), frame(9)]) for k in range(3))
        write_video(tmp_path / "a.mp4", frames, 10, scale=2)
        with av.open(str(tmp_path / "a.mp4")) as file:
            assert len(list(file.decode(video=0))) == 3


def test_images_of_opposite_shapes_take_no_gigabytes() -> None:
    wide, high = np.zeros((1, 8192, 3), np.uint8), np.zeros((8192, 1, 3), np.uint8)
    with pytest.raises(A2GError, match="too large to be shown"):
        side_by_side([wide, high])
    with pytest.raises(A2GError, match="too large to be shown"):
        side_by_side([wide], scale=256)


@pytest.mark.parametrize("rate", [1e300, 1e-300, float("inf"), float("nan")])
def test_a_rate_that_no_video_has_is_refused(tmp_path: Path, rate: float) -> None:
    with pytest.raises(UsageError, match="expected a rate of"):
        write_video(tmp_path / "x.mp4", [frame(0)], rate)
    assert list(tmp_path.iterdir()) == []
