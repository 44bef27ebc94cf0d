"""Photos as phones, other programs and bad luck make them: each is read, or refused in one line; none hangs."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from cli_examples import a2g, ask, refused

from a2g_cli.core import photos
from a2g_cli.core.photos import read_photo

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (48, 64, 3), np.uint8)


def exif(*entries: tuple[int, int, int, bytes], extra: bytes = b"") -> bytes:
    """Return an EXIF block of one directory with ``entries`` (tag, type, count, four bytes), and what stands behind it."""
    directory = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    head = b"II" + struct.pack("<HIH", 42, 8, len(entries))
    return b"Exif\0\0" + head + directory + struct.pack("<I", 0) + extra


TURNED = (0x0112, 3, 1, struct.pack("<HH", 6, 0))
"""Orientation 6: the top of what was seen is stored on the left."""
AFTER_TWO = 8 + 2 + 2 * 12 + 4
"""Where what stands behind a directory of two entries begins."""
EXIF = {
    "a negative unsigned value": exif(TURNED, (0x0103, 8, 1, struct.pack("<hh", -6, 0))),
    "a rational number by zero": exif(
        TURNED, (0x011A, 5, 1, struct.pack("<I", AFTER_TWO)), extra=struct.pack("<II", 1, 0)
    ),
    "three values for one": exif(TURNED, (0x011A, 3, 3, struct.pack("<I", AFTER_TWO)), extra=b"\1\0\2\0\3\0"),
    "a type that does not exist": exif(TURNED, (0x011A, 99, 3, struct.pack("<I", AFTER_TWO))),
    "a maker's note that is cut off": exif(TURNED, (0x927C, 7, 1000, struct.pack("<I", AFTER_TWO)), extra=b"x"),
    "a directory far outside": exif(TURNED, (0x8769, 4, 1, struct.pack("<I", 0xFFFFFFF0))),
    "a directory that is itself": exif(TURNED, (0x8769, 4, 1, struct.pack("<I", 8))),
}


def _saved(path: Path, **options: object) -> Path:
    PIL.Image.fromarray(COLOURS).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("block", EXIF.values(), ids=EXIF.keys())
def test_exif_that_holds_anything_else_turns_a_photo_all_the_same(tmp_path: Path, block: bytes, suffix: str) -> None:
    photo = read_photo(_saved(tmp_path / f"a.{suffix}", exif=block))
    assert (photo.pixels.shape, photo.notes) == ((64, 48, 3), ())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_every_orientation_is_turned_as_pillow_turns_it(tmp_path: Path, orientation: int, suffix: str) -> None:
    told = PIL.Image.Exif()
    told[0x0112] = orientation
    path = _saved(tmp_path / f"a.{suffix}", exif=told)
    with PIL.Image.open(path) as image:
        np.testing.assert_array_equal(read_photo(path).pixels, np.array(PIL.ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("block", [b"Exif\0\0garbage", b"Exif\0\0II*\0"], ids=["garbage", "short"])
def test_exif_that_cannot_be_read_is_said_and_the_pixels_are_kept(tmp_path: Path, block: bytes) -> None:
    path = _saved(tmp_path / "a.png", exif=block)
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, COLOURS)
    assert photo.notes[0].startswith("not turned upright: its EXIF data cannot be read")
    assert "not turned upright" in a2g(tmp_path, "capture-goal", "cup", "--from-image", path).stdout


@pytest.mark.parametrize("mode", ["CMYK", "L", "LA", "P", "RGBA", "1", "YCbCr"])
def test_every_way_to_write_colours_is_read(tmp_path: Path, mode: str) -> None:
    PIL.Image.fromarray(COLOURS).convert(mode).save(tmp_path / "a.tif")
    photo = read_photo(tmp_path / "a.tif")
    with PIL.Image.open(tmp_path / "a.tif") as image:
        np.testing.assert_array_equal(photo.pixels, np.array(image.convert("RGB")))


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_image_is_taken_and_said(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    first, second = PIL.Image.new("RGB", (8, 8), (200, 0, 0)), PIL.Image.new("RGB", (8, 8), (0, 0, 200))
    first.save(
        path, save_all=True, append_images=[second], duration=100, **({"lossless": True} if suffix == "webp" else {})
    )
    photo = read_photo(path)
    assert (photo.pixels[0, 0, 0] > 190, photo.notes) == (True, ("the first of its images",))


def _files_that_are_no_photos(folder: Path) -> dict[str, tuple[Path, str]]:
    whole = _saved(folder / "whole.png").read_bytes()
    contents = {
        "empty": (b"", "the file is empty"),
        "cut-off": (whole[: len(whole) // 2], "truncated"),
        "head-alone": (whole[:40], "not a sound PNG"),
        "text": (b"hello", "not a sound PNG"),
        "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a sound PNG"),
        "video": (struct.pack(">I", 24) + b"ftypisom" + bytes(12) + bytes(99), "not a sound PNG"),
    }
    found = {}
    for name, (content, message) in contents.items():
        (folder / f"{name}.png").write_bytes(content)
        found[name] = (folder / f"{name}.png", message)
    PIL.Image.new("I;16", (8, 8), 3000).save(folder / "depth.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "endless.png").symlink_to("/dev/zero")
    return found | {
        "depth": (folder / "depth.png", "an 8-bit colour image is needed"),
        "pipe": (folder / "pipe.png", "not a regular file"),
        "device": (folder / "endless.png", "not a regular file"),
        "folder": (folder, "it is a folder"),
        "nothing": (folder / "none.png", "No such file"),
    }


def test_what_is_no_photo_is_refused_in_one_line_and_never_waited_for(tmp_path: Path) -> None:
    for path, message in _files_that_are_no_photos(tmp_path).values():
        assert message in refused(tmp_path, "capture-goal", "cup", "--from-image", path)


HEIC = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(200)


def test_a_heic_photo_is_read_or_the_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(HEIC)
    try:
        import pillow_heif
    except ImportError:
        said = refused(tmp_path, "capture-goal", "cup", "--from-image", tmp_path / "a.heic")
        assert "pip install 'a2g[heic]'" in said
        assert "JPEG" in said
        return
    pillow_heif.from_pillow(PIL.Image.fromarray(COLOURS)).save(tmp_path / "b.heic", quality=95)
    assert read_photo(tmp_path / "b.heic").pixels.shape == (48, 64, 3)
    assert "cannot be read" in refused(tmp_path, "capture-goal", "cup", "--from-image", tmp_path / "a.heic")


MEMORY = {"JPEG": 250, "PNG": 650}
"""Most that reading a photo of 108 megapixels may take, the program itself included [MB]; as a whole it would be 1600."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("form", MEMORY)
def test_a_photo_of_108_megapixels_is_taken_within_bounded_memory(tmp_path: Path, form: str) -> None:
    path = tmp_path / "large"
    PIL.Image.effect_noise((120, 90), 60).convert("RGB").resize((12_000, 9_000), PIL.Image.Resampling.NEAREST).save(
        path, form, **({"compress_level": 1} if form == "PNG" else {})
    )
    program = (
        "from pathlib import Path; from a2g_cli.core.photos import read_photo\n"
        f"photo = read_photo(Path({str(path)!r}), enough=(48, 64))\n"
        # Not getrusage: its peak begins with that of the process which started this one.
        "peak = Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]\n"
        "print(*photo.pixels.shape, int(peak) // 1000, *photo.notes)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    height, width, _, memory, *note = done.stdout.split()
    assert 96 <= int(height) <= 192
    assert 128 <= int(width) <= 256
    assert int(memory) < MEMORY[form]
    assert "smaller than its 12000x9000" in " ".join(note)


def test_a_photo_made_smaller_shows_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = np.linspace(0, 255, 640).astype(np.uint8)
    PIL.Image.fromarray(np.broadcast_to(ramp[None, :, None], (480, 640, 3)).copy()).save(tmp_path / "a.png")
    whole = read_photo(tmp_path / "a.png", enough=(30, 40)).pixels
    monkeypatch.setattr(photos, "MAX_WHOLE", 1000)
    for mode in ("RGB", "P", "RGBA", "L"):
        with PIL.Image.open(tmp_path / "a.png") as image:
            image.convert(mode).save(tmp_path / "b.png")
        smaller = read_photo(tmp_path / "b.png", enough=(30, 40)).pixels
        assert smaller.shape == (80, 107, 3)
        np.testing.assert_allclose(smaller[40, ::10, 0], whole[240, 3::60, 0], atol=6)
    with pytest.raises(ValueError, match="more than"):
        read_photo(tmp_path / "a.png")


def test_beyond_the_bound_one_line_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _saved(tmp_path / "a.png")
    monkeypatch.setattr(photos, "MAX_PIXELS", 1000)
    monkeypatch.setattr(photos, "MAX_WHOLE", 500)
    assert "save a smaller copy" in refused(tmp_path, "capture-goal", "cup", "--from-image", path)


def test_a_goal_says_that_its_photo_was_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _saved(tmp_path / "a.png")
    monkeypatch.setattr(photos, "MAX_WHOLE", 500)
    assert "first made smaller than its 64x48" in ask(tmp_path, "capture-goal", "cup", "--from-image", path)["source"]
