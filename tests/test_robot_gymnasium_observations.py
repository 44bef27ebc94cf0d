"""``gym:ID`` on observations of every shape: each is read or refused at the start, and nothing is dropped silently."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_examples import a2g, ask, refused
from gym_shapes import HEIGHT, WIDTH
from robot_contract import RobotContract

from a2g_cli.core.errors import HardwareError, UsageError
from a2g_cli.core.types import Vector
from a2g_cli.robots.base import Robot
from a2g_cli.robots.gymnasium import GymRobot
from a2g_cli.robots.gymnasium_goals import gym_robot

SHAPES = "gym_shapes:Shapes-v0"
PLACE = ("place.0", "place.1")


def shaped(kind: str, **settings: Any) -> GymRobot:
    return gym_robot(SHAPES, options={"kind": kind}, **settings)


class TestANestedObservation(RobotContract):
    def make_robot(self) -> GymRobot:
        return shaped("nested")


class TestAnEnvironmentThatDrawsIntoTheSameImageAgain(RobotContract):
    def make_robot(self) -> GymRobot:
        return shaped("used-again")

    def gentle_action(self, robot: Robot) -> Vector:
        return np.ones(2, np.float32)


@pytest.mark.parametrize(
    ("kind", "camera", "names"),
    [
        ("plain", "front", PLACE),
        ("nested", "pixels.top", ("agent/pos.0", "agent/pos.1", "agent/grip")),
        ("fractions", "image", PLACE),
        ("floats", "image", PLACE),
        ("integers", "image", PLACE),
        ("around-zero", "image", PLACE),
        ("channels-first", "image", PLACE),
        ("batched", "image", PLACE),
        ("tensors", "image", PLACE),
        ("alpha", "image", PLACE),
        ("vector", "front", ("observation.0", "observation.1", "observation.2")),
        ("tuple", "observation.0", ("observation/1.0", "observation/1.1", "observation/2.0", "observation/2.1")),
        ("odd-name", "cams.left_1", ("état.0", "état.1")),
    ],
)
def test_every_shape_is_the_same_image_and_all_the_numbers(kind: str, camera: str, names: tuple[str, ...]) -> None:
    plain, robot = shaped("plain"), shaped(kind)
    assert robot.spec.cameras == {camera: (HEIGHT, WIDTH)}
    assert robot.spec.proprioception_names == names
    for one in (plain, robot):
        one.connect()
    for _ in range(3):
        there, here = plain.observe(), robot.observe()
        np.testing.assert_array_equal(here.images[camera], there.images["front"])
        assert here.images[camera].dtype == np.uint8
        np.testing.assert_allclose(here.proprioception[:2], there.proprioception)
        for one in (plain, robot):
            one.act(np.array([0.7, -0.7], np.float32))
    for one in (plain, robot):
        one.close()


@pytest.mark.parametrize("kind", ["grey", "grey-rows"])
def test_an_image_in_grey_is_one(kind: str) -> None:
    plain, robot = shaped("plain"), shaped(kind)
    assert robot.spec.proprioception_names == PLACE
    plain.connect()
    robot.connect()
    seen = robot.observe().images["image"]
    np.testing.assert_array_equal(seen, plain.observe().images["front"][..., :1].repeat(3, axis=2))


def test_what_is_left_out_is_named_with_its_reason() -> None:
    robot = shaped("rest")
    assert (robot.spec.proprioception_names, tuple(robot.spec.cameras)) == (PLACE, ("front",))
    text, depth, nothing = robot.notes
    assert "'say' is left out: it is text" in text
    assert "'depth' is left out" in depth
    assert 'camera = ["depth"]' in depth
    assert 'proprioception = ["depth"]' in depth
    assert "'no' is left out: it is nothing" in nothing
    assert "fourth channel" in shaped("alpha").notes[0]
    assert "293 to 2093, neither 0 to 1 nor 0 to 255" in shaped("odd-floats").notes[0]
    assert not shaped("plain").notes


def test_who_chooses_gets_what_was_chosen_and_no_notes() -> None:
    robot = shaped("rest", camera=["depth", "render"], proprioception="place")
    assert tuple(robot.spec.cameras) == ("depth", "front")
    assert not robot.notes
    robot = shaped("nested", camera={"eye": "pixels/top"}, proprioception=["agent", "extra/force"])
    assert tuple(robot.spec.cameras) == ("eye",)
    assert robot.spec.proprioception_names == ("agent/pos.0", "agent/pos.1", "agent/grip", "extra/force")
    assert robot.safety.workspace_high == {"agent/pos.0": 1.0, "agent/pos.1": 1.0}


@pytest.mark.parametrize("camera", ["image[1]", "image[-1]", ["image[1]"], {"image": "image[1]"}, {"image": "render"}])
def test_one_of_a_stack_is_chosen(camera: Any) -> None:
    plain, robot = shaped("plain"), shaped("stack", camera=camera)
    for one in (plain, robot):
        one.connect()
        one.act(np.ones(2, np.float32))
    np.testing.assert_array_equal(robot.observe().images["image"], plain.observe().images["front"])


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("stack", {}, r'2 images of 64x48.*camera = \["image\[1\]"\].*camera = \["render"\]'),
        ("grey-stack", {}, r'4 images of 64x48.*camera = \["observation\[3\]"\]'),
        ("stack", {"camera": ["image"]}, r"image\[0\] to image\[1\]"),
        ("stack", {"camera": ["image[2]"]}, r"image\[0\] to image\[1\]"),
        ("plain", {"camera": ["imgae"]}, "no image as 'imgae'; its observation holds place"),
        ("plain", {"camera": ["place"]}, "no image as 'place'"),
        ("plain", {"camera": []}, "names none"),
        ("plain", {"camera": 3}, "expected names"),
        ("plain", {"camera": {"front": 3}}, "expected names"),
        ("plain", {"proprioception": [3]}, "expected names"),
        ("rest", {"proprioception": ["say"]}, "no numbers as 'say': it is text"),
        ("same-name", {}, "two cameras called 'a.b'"),
        ("many", {}, "5002 numbers, 5000 of them as 'lidar'.*proprioception"),
    ],
)
def test_what_somebody_has_to_choose_is_refused_in_a_line(kind: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as told:
        shaped(kind, **settings)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["grows", "shrinks", "brightens", "three-values"])
def test_what_changes_later_is_lost_hardware_and_the_episode_is_kept(kind: str, tmp_path: Path) -> None:
    robot(tmp_path, kind)
    ask(tmp_path, "capture-goal", "there", "--force")
    message = refused(tmp_path, "run", "there", "--adapter", "random", "--steps", 4, "--session", "one", code=3)
    assert "gym" in message.lower()
    if kind != "three-values":  # that one has not taken a single step
        kept = ask(tmp_path, "recordings", "show", "one/episode-0000")["recordings"][0]
        assert (kept["steps"], kept["outcome"]["stopped_by"]) == (1, "hardware")
        ask(tmp_path, "recordings", "verify")


@pytest.mark.parametrize(
    ("kind", "done"), [("success-vector", False), ("success-tensor", True), ("four-values", False)]
)
def test_steps_of_other_kinds_are_understood(kind: str, done: bool) -> None:
    robot = shaped(kind)
    robot.connect()
    before = robot.observe().proprioception
    robot.act(np.ones(2, np.float32))
    assert not np.array_equal(robot.observe().proprioception, before)
    assert robot._done is done
    # Gym's third value is whether the episode is over: then nothing moves any more.
    after = robot.observe().proprioception
    robot.act(np.ones(2, np.float32))
    assert np.array_equal(robot.observe().proprioception, after) is (kind == "four-values")


def robot(workspace: Path, kind: str, *settings: str) -> None:
    """Let ``a2g.toml`` of a workspace name the environment."""
    words = [word for setting in (f"options.kind={kind}", *settings) for word in ("--set", setting)]
    ask(workspace, "init", "--robot", f"gym:{SHAPES}", *words, "--yes", "--overwrite")


def test_a_refusal_comes_before_anything_is_recorded_and_what_it_says_helps(tmp_path: Path) -> None:
    robot(tmp_path, "plain")
    ask(tmp_path, "capture-goal", "there", "--force")
    robot(tmp_path, "stack")
    run = ("run", "there", "--adapter", "random", "--steps", "3", "--judge", "none", "--session", "one")
    message = refused(tmp_path, *run)
    assert 'camera = ["render"]' in message
    assert not (tmp_path / "recordings" / "sessions").exists()
    robot(tmp_path, "stack", 'camera=["render"]')
    done = ask(tmp_path, *run)
    assert done["recordings"][0]["steps"] == 3
    ask(tmp_path, "recordings", "verify")


def test_the_notes_are_told_once_beside_the_document(tmp_path: Path) -> None:
    robot(tmp_path, "rest")
    said = a2g(tmp_path, "capture-goal", "there", "--force", "--json")
    assert json.loads(said.stdout)
    assert [line.count("is left out") for line in said.stderr.splitlines()] == [1, 1, 1]


def test_an_image_that_is_no_number_is_lost_hardware() -> None:
    robot = shaped("fractions")
    robot.connect()
    robot._seen["image"][3, 4] = np.nan
    with pytest.raises(HardwareError, match="image"):
        robot.observe()
