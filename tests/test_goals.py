"""Goal photos are artefacts: whole or not there, and never what they are not."""

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from recording_examples import SPEC, episode, goal

from a2g_cli.core.errors import GoalError, RecordingError, UnknownNameError, UsageError
from a2g_cli.core.types import Goal, Image
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.goals import (
    check_goal,
    goal_from_images,
    goal_from_recording,
    list_goals,
    load_goal,
    remove_goal,
    save_goal,
    sharpness,
)
from a2g_cli.data.recording.writer import write_episode


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def test_a_goal_comes_back_as_it_was(workspace: Workspace) -> None:
    saved = goal()
    folder = save_goal(workspace, saved, notes=["by hand"])
    assert folder == workspace.goals / "cup-on-plate"
    loaded = load_goal(workspace, "cup-on-plate")
    assert (loaded.name, loaded.source, loaded.truth) == (saved.name, saved.source, saved.truth)
    assert loaded.fingerprint == saved.fingerprint
    assert list_goals(workspace) == ["cup-on-plate"]
    assert sorted(entry.name for entry in folder.iterdir()) == ["front.png", "goal.json", "wrist.png"]
    assert [entry.name for entry in workspace.goals.iterdir()] == ["cup-on-plate"]
    assert json.loads((folder / "goal.json").read_text())["notes"] == ["by hand"]
    remove_goal(workspace, "cup-on-plate")
    assert list_goals(workspace) == []


def test_a_goal_is_overwritten_only_when_asked(workspace: Workspace) -> None:
    save_goal(workspace, goal(0))
    with pytest.raises(UsageError, match="exists"):
        save_goal(workspace, goal(1))
    assert load_goal(workspace, "cup-on-plate").fingerprint == goal(0).fingerprint
    save_goal(workspace, goal(1), overwrite=True)
    assert load_goal(workspace, "cup-on-plate").fingerprint == goal(1).fingerprint
    assert [entry.name for entry in workspace.goals.iterdir()] == ["cup-on-plate"]


def test_a_goal_that_cannot_be_saved_leaves_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    save_goal(workspace, goal(0))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PIL.Image.Image, "save", full)
        with pytest.raises(GoalError, match="No space left"):
            save_goal(workspace, goal(1), overwrite=True)
    with pytest.raises(GoalError, match="JSON"):
        save_goal(workspace, replace(goal(1), truth={"x": [float("nan")]}), overwrite=True)
    with pytest.raises(GoalError, match="no image"):
        save_goal(workspace, replace(goal(1), images={}), overwrite=True)
    with pytest.raises(GoalError, match="not uint8"):
        save_goal(workspace, replace(goal(1), images={"front": np.zeros((4, 4), np.uint8)}), overwrite=True)
    assert load_goal(workspace, "cup-on-plate").fingerprint == goal(0).fingerprint
    assert [entry.name for entry in workspace.goals.iterdir()] == ["cup-on-plate"]


def test_a_misspelt_goal_is_offered_the_nearest(workspace: Workspace) -> None:
    with pytest.raises(UnknownNameError, match="capture-goal"):
        load_goal(workspace, "cup")
    save_goal(workspace, goal())
    with pytest.raises(UnknownNameError, match="did you mean cup-on-plate"):
        load_goal(workspace, "cup-on-plat")
    with pytest.raises(UnknownNameError, match="did you mean cup-on-plate"):
        remove_goal(workspace, "cup-on-plat")


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "", ".", "a/b", "x\0", "a" * 81, "x.partial"])
def test_a_name_that_leaves_the_workspace_is_refused(workspace: Workspace, name: str) -> None:
    for use in (
        lambda: load_goal(workspace, name),
        lambda: remove_goal(workspace, name),
        lambda: save_goal(workspace, replace(goal(), name=name)),
    ):
        with pytest.raises(UsageError):
            use()
    with pytest.raises(UsageError):
        save_goal(workspace, replace(goal(), images={"../front": goal().images["front"]}))


def bomb(width: int, height: int) -> bytes:
    """A tiny PNG that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def _edit(folder: Path, **changed: object) -> None:
    path = folder / "goal.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def test_a_goal_whose_description_was_edited_on_windows_is_read(workspace: Workspace) -> None:
    folder = save_goal(workspace, goal())
    text = (folder / "goal.json").read_text().replace("\n", "\r\n").encode()
    (folder / "goal.json").write_bytes(b"\xef\xbb\xbf" + text)
    assert load_goal(workspace, "cup-on-plate").fingerprint == goal().fingerprint


def _repaint(folder: Path) -> None:
    PIL.Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(folder / "front.png")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda f: (f / "front.png").unlink(), "No such file"),
        (lambda f: (f / "goal.json").unlink(), "No such file"),
        (lambda f: (f / "front.png").write_bytes(b""), "the file is empty"),
        (lambda f: (f / "front.png").write_bytes((f / "front.png").read_bytes()[:300]), "damaged"),
        (lambda f: (f / "front.png").write_bytes(bomb(60_000, 60_000)), "more than 134 million pixels"),
        (lambda f: (f / "front.png").write_bytes(bomb(9_000, 8_000)), "more than 67 million pixels (9000x8000)"),
        (lambda f: (f / "front.png").write_bytes(bomb(32, 24)), "damaged"),
        (lambda f: PIL.Image.new("RGB", (32, 24)).save(f / "front.png", format="GIF"), "not a sound PNG"),
        (lambda f: PIL.Image.new("RGB", (24, 32)).save(f / "front.png"), "24x32, goal.json says 32x24"),
        (_repaint, "fingerprint differs"),
        (lambda f: (f / "goal.json").write_text("{"), "damaged"),
        (lambda f: (f / "goal.json").write_text("[" * 50_000), "damaged"),
        (lambda f: (f / "goal.json").write_text("[]"), "does not describe a goal"),
        (lambda f: (f / "goal.json").write_bytes(b"\xff\xfe{}"), "damaged"),
        (lambda f: (f / "goal.json").write_text(" " * 2_000_000), "too large"),
        (lambda f: _edit(f, a2g_goal=2), "a newer a2g"),
        (lambda f: _edit(f, a2g_goal="x"), "format x"),
        (lambda f: _edit(f, cameras=[]), "does not describe a goal"),
        (lambda f: _edit(f, cameras={}), "fingerprint differs"),
        (lambda f: _edit(f, cameras={"../../x": {"height": 1, "width": 1}}), "cannot name a camera"),
        (lambda f: _edit(f, cameras={"front": {}}), "'height' is missing"),
        (lambda f: _edit(f, truth=[1]), "not an object"),
    ],
)
def test_a_damaged_goal_is_explained(workspace: Workspace, damage, expected: str) -> None:
    folder = save_goal(workspace, goal())
    damage(folder)
    with pytest.raises(GoalError) as caught:
        load_goal(workspace, "cup-on-plate")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    remove_goal(workspace, "cup-on-plate")


def _photo(path: Path, height: int, width: int, **options: object) -> Path:
    """Left half red, right half blue, with a green stripe along the top."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    pixels[: height // 8] = (0, 255, 0)
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def test_photos_are_cropped_about_the_centre_and_resized(tmp_path: Path) -> None:
    paths = {"front": _photo(tmp_path / "f.jpg", 300, 900, quality=95), "wrist": _photo(tmp_path / "w.png", 12, 16)}
    made = goal_from_images("cup", paths, SPEC)
    front = made.images["front"]
    assert front.shape == (24, 32, 3)
    assert front[12, 4, 0] > 240
    assert front[12, 4, 2] < 20
    assert front[12, 27, 2] > 240
    assert front[0, 16, 1] > 240  # 300 rows are all kept: only the sides are cut
    np.testing.assert_array_equal(made.images["wrist"], np.array(PIL.Image.open(paths["wrist"])))
    assert "f.jpg (900x300, centre 400x300 kept, resized to 32x24)" in made.source
    assert "w.png (as it is)" in made.source
    assert check_goal(made, SPEC) == []


def test_a_phone_held_sideways_is_turned_upright(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the stored top is the right-hand side
    path = _photo(tmp_path / "f.jpg", 64, 48, exif=exif, quality=95)
    made = goal_from_images("cup", {"front": path, "wrist": path}, SPEC)
    assert "48x64" not in made.source
    assert "64x48" in made.source
    assert made.images["front"][12, 31, 1] > 200


def test_photos_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    photo = _photo(tmp_path / "f.png", 48, 64)
    with pytest.raises(UnknownNameError, match="did you mean front"):
        goal_from_images("cup", {"fron": photo, "wrist": photo}, SPEC)
    with pytest.raises(GoalError, match="also needs an image for wrist"):
        goal_from_images("cup", {"front": photo}, SPEC)
    with pytest.raises(GoalError, match="No such file"):
        goal_from_images("cup", {"front": tmp_path / "none.png", "wrist": photo}, SPEC)
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "bomb.png").write_bytes(bomb(60_000, 60_000))
    PIL.Image.new("I;16", (8, 8)).save(tmp_path / "depth.png")
    for name in ("text.png", "bomb.png", "depth.png", "."):
        with pytest.raises(GoalError, match="cannot be read as an image"):
            goal_from_images("cup", {"front": tmp_path / name, "wrist": photo}, SPEC)


def test_a_goal_from_a_recording(tmp_path: Path) -> None:
    made = episode(5)
    path = write_episode(tmp_path / "a.hdf5", SPEC, made)
    last = goal_from_recording(path, name="done")
    np.testing.assert_array_equal(last.images["front"], made.observations[5].images["front"])
    assert last.source == f"recording:{path}#5"
    np.testing.assert_array_equal(goal_from_recording(path, 2).images["wrist"], made.observations[2].images["wrist"])
    with pytest.raises(GoalError, match="observations 0 to 5, not 6"):
        goal_from_recording(path, 6)
    with pytest.raises(RecordingError):
        goal_from_recording(tmp_path / "none.hdf5")


def _scene(size: int = 64) -> Image:
    """A table with a few objects on it, sharp, with a camera's noise."""
    y, x = np.mgrid[:size, :size]
    image = np.full((size, size, 3), (150, 120, 90)) + (x + y)[..., None] * 0.3
    image[(x - 40) ** 2 + (y - 30) ** 2 < 60] = (200, 30, 40)
    image[12:24, 10:26] = (30, 60, 200)
    return np.clip(image + np.random.default_rng(0).normal(0, 1, image.shape), 0, 255).astype(np.uint8)


def _blurred(image: Image, radius: float) -> Image:
    from PIL import ImageFilter

    return np.array(PIL.Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


ONE = replace(SPEC, cameras={"front": (64, 64)})


def _warnings(image: Image) -> str:
    return "\n".join(check_goal(Goal("g", {"front": image.astype(np.uint8)}, "x"), ONE))


def test_a_good_image_gives_no_warning() -> None:
    assert _warnings(_scene()) == ""
    assert _warnings(_scene() // 3) == ""  # dark, but everything is there


def test_warnings_carry_numbers() -> None:
    assert "front: blurred (sharpness 0.00" in _warnings(_blurred(_scene(), 3))
    assert "almost no contrast (0.0 of 255, at least 4.0" in _warnings(np.full((64, 64, 3), 90))
    assert "underexposed" in _warnings(np.where(_scene().max(axis=2, keepdims=True) > 180, _scene(), 0))
    over = _scene()
    over[:32] = 255
    assert "overexposed (50% of the pixels are white, at most 25% may be)" in _warnings(over)


def test_sharpness_does_not_depend_on_contrast_and_falls_with_blur() -> None:
    scene = _scene().astype(np.float64)
    assert sharpness(scene * 0.5 + 20) == pytest.approx(sharpness(scene))
    values = [sharpness(_blurred(_scene(), radius)) for radius in (0, 0.5, 1, 2, 3)]
    assert values == sorted(values, reverse=True)


def test_sharpness_of_known_images() -> None:
    rows, columns = np.mgrid[:64, :64]
    board = np.repeat((255 * ((rows + columns) % 2))[..., None], 3, axis=2)
    assert sharpness(board) == pytest.approx(4.0)  # Laplacian -+4*255, of a variance of (255/2)^2: 64 / 16
    ramp = np.repeat(columns[..., None], 3, axis=2)
    assert sharpness(ramp) == pytest.approx(0)
    assert sharpness(np.zeros((2, 2, 3))) == 0.0
    noise = np.random.default_rng(0).normal(size=(400, 400, 1)).repeat(3, axis=2)
    assert sharpness(noise) == pytest.approx(20 / 16, rel=0.02)  # 4 + 16 times the variance


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ({"front": np.zeros((24, 32, 3), np.uint8)}, "sim:place has the cameras front, wrist"),
        ({**goal().images, "left": np.zeros((2, 2, 3), np.uint8)}, "images of front, left, wrist"),
        ({**goal().images, "front": np.zeros((32, 24, 3), np.uint8)}, "24x32 for front; sim:place sees 32x24"),
    ],
)
def test_a_goal_for_another_robot_is_refused(images: dict[str, Image], expected: str) -> None:
    with pytest.raises(GoalError, match=expected):
        check_goal(Goal("g", images, "x"), SPEC)
