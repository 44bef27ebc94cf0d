"""A Gymnasium environment with a World, and plain ones that report success or do not."""

import gc
from pathlib import Path
from types import SimpleNamespace

import gym_examples
import numpy as np
import pytest
from cli_examples import a2g, ask
from gym_examples import PointWorld
from world_contract import WorldContract

from a2g_cli.core.errors import GoalError, HardwareError, PluginError, UnknownNameError, UsageError
from a2g_cli.core.types import Goal
from a2g_cli.robots.base import InstrumentedRobot
from a2g_cli.robots.gymnasium import GymRobot
from a2g_cli.robots.gymnasium_goals import gym_robot

FLAT = "gym_examples:Flat-v0"
WORLD = "gym_examples:PointWorld"
TOML = f'[robot]\ndriver = "gym:{FLAT}"\nworld = "{WORLD}"\n'


class TestAnEnvironmentWithAWorld(WorldContract):
    def make_robot(self) -> GymRobot:
        return gym_robot(FLAT, world=WORLD)


def test_a_world_names_what_nobody_else_has_named() -> None:
    robot = gym_robot(FLAT, world=PointWorld)
    assert isinstance(robot, InstrumentedRobot)
    assert (robot.spec.action_names, robot.spec.action_units) == (("dx", "dy"), ("m", "1"))
    assert (robot.spec.proprioception_names, robot.spec.proprioception_units) == (("x", "y"), ("m", "m"))
    assert robot.limit == 30
    assert gym_robot(FLAT, world=PointWorld, actions=["a", "b"], units={}).spec.action_names == ("a", "b")


def test_goals_evaluation_and_practice_are_the_simulators(tmp_path: Path) -> None:
    (tmp_path / "a2g.toml").write_text(TOML)
    goal = ask(tmp_path, "capture-goal", "there", "--seed", 5)
    assert "place (2 numbers), target (2 numbers)" in a2g(tmp_path, "goals", "list").stdout.replace("\n", " ")
    assert goal["truth"] == ask(tmp_path, "capture-goal", "again", "--seed", 5)["truth"]
    drawn = ask(tmp_path, "evaluate", "--adapter", "random", "--adapter", "still", "--episodes", 4, "--steps", 10)
    named = ask(tmp_path, "evaluate", "there", "--adapter", "still", "--episodes", 3, "--steps", 8)
    assert [row["n"] for row in drawn["results"] + named["results"]] == [4, 4, 3]
    assert drawn["results"][1]["successes"] == 0
    first, second = (
        ask(tmp_path, "run", "there", "--adapter", "random", "--seed", 3, "--steps", 6, code=5)["recordings"][0]
        for _ in range(2)
    )
    assert first["judge"] == "truth"
    assert (first["success"], first["steps"]) == (second["success"], second["steps"])


@pytest.mark.parametrize(
    ("world", "error", "words"),
    [
        ("gym_examples:Halfway", UsageError, "has no draw, draw_start, set_state, state, reached"),
        ("gym_examples:Missing", UsageError, "has no 'Missing'"),
        ("gym_exampels:PointWorld", UsageError, "there is no module 'gym_exampels'"),
        ("gym_examples:SIDE", UsageError, "expected a class"),
        ("meta-world", UnknownNameError, "MODULE:ATTRIBUTE"),
    ],
)
def test_a_world_that_is_none_is_refused_in_a_line(world: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        gym_robot(FLAT, world=world)


def test_a_world_whose_module_does_not_load_is_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torn_world.py").write_text("import no_such_package_at_all\n")
    (tmp_path / "raising_world.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="no_such_package_at_all"):
        gym_robot(FLAT, world="torn_world:World")
    with pytest.raises(PluginError, match=r"\(raising_world.py, line 1\): RuntimeError: no licence"):
        gym_robot(FLAT, world="raising_world:World")


class Wrong(PointWorld):
    """Its states are no numbers."""

    def state(self):  # type: ignore[no-untyped-def]
        return {"place": "left"}


class Odd(PointWorld):
    settings = {"colour": "red"}  # noqa: RUF012


def test_what_a_world_returns_is_checked() -> None:
    robot = gym_robot(FLAT, world=Wrong)
    robot.connect()
    assert isinstance(robot, InstrumentedRobot)
    with pytest.raises(HardwareError, match="place = 'left': expected finite numbers"):
        robot.state()
    robot.close()
    with pytest.raises(UsageError, match="its world sets colour; a world may set actions"):
        gym_robot(FLAT, world=Odd)


def test_another_worlds_goal_and_goals_in_words_are_refused() -> None:
    robot = gym_robot(FLAT, world=PointWorld)
    robot.connect()
    assert isinstance(robot, InstrumentedRobot)
    with pytest.raises(GoalError, match="another world's"):
        robot.succeeded(Goal("cup", {}, "image", truth={"can": [0.0]}))
    with pytest.raises(UsageError, match="no goals in words"):
        robot.state_from({"place": [0.5, 0.5]})
    robot.close()


def test_success_in_info_is_the_environments_word_on_a_photo(tmp_path: Path) -> None:
    robot = f"--robot=gym:{FLAT}"
    ask(tmp_path, "capture-goal", "there", robot, "--force")
    ran = ask(tmp_path, "run", "there", "--adapter", "still", "--steps", 8, robot, code=5)["recordings"][0]
    assert (ran["success"], ran["judge"]) == (False, "environment")
    rows = ask(tmp_path, "evaluate", "there", "--adapter", "still", "--episodes", 3, "--steps", 6, robot)["results"]
    assert (rows[0]["n"], rows[0]["successes"]) == (3, 0)
    drawn = a2g(tmp_path, "evaluate", "--adapter", "still", "--episodes", 3, robot)
    assert drawn.exit_code == 2
    assert "is evaluated on a GOAL" in " ".join(drawn.stderr.split())


def test_an_environment_that_says_nothing_of_success_is_not_evaluated(tmp_path: Path) -> None:
    robot = "--robot=gym:gym_examples:Silent-v0"
    ask(tmp_path, "capture-goal", "there", robot, "--force")
    silent = a2g(tmp_path, "evaluate", "there", "--adapter", "still", "--episodes", 2, "--steps", 6, robot)
    assert silent.exit_code == 2
    assert 'reports no success: its info has neither "success" nor "is_success"' in " ".join(silent.stderr.split())


def test_an_environment_that_reports_success_is_believed() -> None:
    robot = gym_robot(FLAT)
    robot.connect()
    robot.reset()
    assert robot.reported_success() is None
    for _ in range(12):
        robot.act(gym_examples.towards(robot.raw).astype(np.float32))
    assert robot.reported_success() is True
    robot.close()


def test_numbers_of_a_flat_box_are_chosen_and_named() -> None:
    chosen = gym_robot(FLAT, proprioception=["observation.1"], actions=["dx", "dy"], units={"observation.1": "m"})
    assert chosen.spec.proprioception_names == ("observation.1",)
    assert chosen.spec.proprioception_units == ("m",)
    assert chosen.safety.workspace_low == {"observation.1": -1.0}
    with pytest.raises(UsageError, match=r"has 4 numbers as 'observation': observation.0 to .3"):
        gym_robot(FLAT, proprioception={"x": "observation.4"})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"actions": ["dx"]}, "expected 2 different names"),
        ({"actions": "dx"}, "expected 2 different names"),
        ({"units": {"z": "m"}}, r"units .* names z; it has: action.0"),
        ({"units": ["m"]}, "expected name -> unit"),
        ({"repeat": 0}, "expected a whole number from 1 to 100"),
        ({"limit": 2.5}, "expected a whole number"),
        ({"shift": "lighting"}, "light_swing.* is the simulator's alone"),
        ({"shift": "actuator-gain"}, "none of its actions is a displacement"),
        ({"shift": "camera-bump", "actions": ["dx", "dy"]}, "no MuJoCo model with cameras is reachable"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_in_a_line(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        gym_robot(FLAT, **settings)  # type: ignore[arg-type]


def test_weak_motors_move_less_far_and_are_pulled() -> None:
    robot = gym_robot(FLAT, world=PointWorld, shift="actuator-gain:1")
    robot.connect()
    assert isinstance(robot, InstrumentedRobot)
    robot.begin({"place": [0.2, 0.2], "target": [0.9, 0.9]})
    assert robot.act(np.array([1.0, 0.0], np.float32)).tolist() == [1.0, 0.0]
    moved = robot.observe().proprioception - 0.2
    np.testing.assert_allclose(moved, [0.1 * (0.585 + 0.0016 / 0.03), 0.1 * 0.0039 / 0.03], atol=1e-6)
    robot.close()
    assert str(robot.shift) == "actuator-gain:1"


def test_a_moved_camera_still_looks_at_the_same_point() -> None:
    import mujoco

    from a2g_cli.robots.gymnasium_shift import move_cameras
    from a2g_cli.simulator.shifts import parse_shift

    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><geom type='box' size='1 1 .1'/><camera name='front' pos='0 -2 1' xyaxes='1 0 0 0 .447 .894'/>"
        "<body><geom type='sphere' size='.1'/><camera name='wrist' pos='0 0 .5'/></body></worldbody></mujoco>"
    )
    data, before = mujoco.MjData(model), model.cam_pos.copy()
    mujoco.mj_forward(model, data)
    turned = data.cam_xmat[0].reshape(3, 3).copy()
    away = float((before[0] - model.stat.center) @ turned[:, 2])
    point = before[0] - away * turned[:, 2]
    move_cameras("gym:here", SimpleNamespace(unwrapped=SimpleNamespace(model=model)), parse_shift("camera-bump:0.5"))
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(model.cam_pos[0] - before[0], [0.06, 0, 0], atol=1e-9)
    np.testing.assert_allclose(model.cam_pos[1], before[1])
    now = data.cam_xmat[0].reshape(3, 3)
    towards = (point - model.cam_pos[0]) / np.linalg.norm(point - model.cam_pos[0])
    np.testing.assert_allclose(-now[:, 2], towards, atol=1e-6)
    assert 1.0 < np.degrees(np.arccos(now[:, 1] @ turned[:, 1])) < 3.0


def test_a_robot_that_was_never_connected_leaves_no_environment_open(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    gc.collect()  # environments of earlier tests
    monkeypatch.setattr(gym_examples.Flat, "close", lambda self: closed.append(id(self)))
    robot = gym_robot(FLAT, world=PointWorld)
    assert closed == []
    del robot
    gc.collect()
    assert len(closed) == 1
    robot = gym_robot(FLAT, world=PointWorld)
    robot.connect()
    robot.close()
    robot.close()
    assert len(closed) == 3  # its two environments, each once


def test_an_action_may_be_repeated() -> None:
    robot = gym_robot(FLAT, world=PointWorld, repeat=2)
    assert robot.spec.rate == 10.0
    robot.connect()
    assert isinstance(robot, InstrumentedRobot)
    robot.begin({"place": [0.2, 0.2], "target": [0.9, 0.9]})
    robot.act(np.array([1.0, 0.0], np.float32))
    assert robot.observe().proprioception[0] == pytest.approx(0.4)
    robot.close()
