"""OGBench's manipulation for a2g: ``--robot ogbench:cube``, drawer, window or button. Its oracles are the experts."""

import gymnasium
import mujoco
import numpy as np
from ogbench.manipspace import lie
from ogbench.manipspace.envs.cube_env import CubeEnv
from ogbench.manipspace.envs.scene_env import SceneEnv
from ogbench.manipspace.oracles.markov.button_markov import ButtonMarkovOracle
from ogbench.manipspace.oracles.markov.cube_markov import CubeMarkovOracle
from ogbench.manipspace.oracles.markov.drawer_markov import DrawerMarkovOracle
from ogbench.manipspace.oracles.markov.window_markov import WindowMarkovOracle

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.robots.gymnasium_goals import gym_robot

ORACLES = {
    "cube": CubeMarkovOracle,
    "drawer": DrawerMarkovOracle,
    "window": WindowMarkovOracle,
    "button": ButtonMarkovOracle,
}
RANGES = {"drawer": (-0.16, 0.0), "window": (0.0, 0.2)}  # open to closed, closed to open [m]
FAR, SIZE = 0.08, 64  # least distance of a start from its goal [m], twice OGBench's tolerance; image [px]
MIN_NORM = 0.4  # OGBench's: its oracles come near at no less than this speed


class Small:
    """Images as OGBench's datasets have them, drawn only when asked, without shadows, reflections and multisampling."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012
    action_space = gymnasium.spaces.Box(-1, 1, (5,), np.float32)  # OGBench's is made anew, with a warning, each time

    def __init__(self, task, render_mode=None, transparent=False):
        look = {"width": SIZE, "height": SIZE, "visualize_info": False, "pixel_transparent_arm": transparent}
        super().__init__("single", ob_type="pixels", mode="data_collection", terminate_at_goal=False, **look)
        self.task = task
        self.reset(seed=0)

    def get_pixel_observation(self):
        return np.zeros(1, np.float32)

    def _initialize_renderer(self):
        self.model.vis.quality.offsamples = 0
        super()._initialize_renderer()
        flags = self._renderer.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0


class Cube(Small, CubeEnv):
    """A cube on the floor."""


class Scene(Small, SceneEnv):
    """A drawer, a window, two buttons that lock them, and a cube."""


class World:
    """A state is the physics' state and what OGBench tells of it: where tool and cube are, drawer, window and buttons."""

    settings = {  # noqa: RUF012
        "actions": ["dx", "dy", "dz", "turn", "grip"],
        "proprioception": {
            "x": "proprio/effector_pos.0",
            "y": "proprio/effector_pos.1",
            "z": "proprio/effector_pos.2",
            "yaw": "proprio/effector_yaw",
            "gripper": "proprio/gripper_opening",
        },
        "units": {"x": "m", "y": "m", "z": "m", "yaw": "rad"},
        "camera": {"front": "render"},
        "limit": 150,
    }
    physics = mujoco.mjtState.mjSTATE_FULLPHYSICS | mujoco.mjtState.mjSTATE_CTRL | mujoco.mjtState.mjSTATE_WARMSTART

    def __init__(self, env):
        self.env = env.unwrapped
        self.task = self.env.task
        self.oracle = ORACLES[self.task](env=env, min_norm=MIN_NORM)
        if self.task == "window":  # below, its oracle does not end
            self.env._arm_sampling_bounds[0, 2] = 0.3

    def draw(self, random):
        self.env.reset(seed=int(random.integers(2**31)))
        goal = self._settled({self.task: self._target(random)})
        return self.draw_start(goal, random), goal

    def draw_start(self, goal, random):
        """Return the goal's scene with the arm elsewhere and the task undone."""
        self.set_state(goal)
        self.env.np_random = np.random.default_rng(int(random.integers(2**31)))
        if self.task == "button":
            return self._settled({"button": self._target(random)})
        while True:
            place = np.atleast_1d(random.uniform(*self._bounds()))
            if np.linalg.norm(place - goal[self.task][: place.size]) >= FAR:
                return self._settled({self.task: place})

    def set_state(self, state):
        mujoco.mj_setState(self.env.model, self.env.data, np.array(state["physics"]), self.physics)
        if self.task != "cube":
            self.env._cur_button_states[:] = state["buttons"]
            self.env._apply_button_states()
        mujoco.mj_forward(self.env.model, self.env.data)
        self.env.pre_step()
        self.env.post_step()
        return self.env.compute_observation(), self.env.get_reset_info()

    def state(self):
        physics = np.empty(mujoco.mj_stateSize(self.env.model, self.physics))
        mujoco.mj_getState(self.env.model, self.env.data, physics, self.physics)
        info = self.env.compute_ob_info()
        tool = np.append(info["proprio/effector_pos"], info["proprio/effector_yaw"])
        cube = np.append(info["privileged/block_0_pos"], info["privileged/block_0_yaw"])
        known = {"drawer": "privileged/drawer_pos", "window": "privileged/window_pos", "buttons": "button_states"}
        others = {} if self.task == "cube" else {name: info[key] for name, key in known.items()}
        return {"physics": physics, "tool": tool, "cube": cube, **others}

    def reached(self, goal):
        self._aim(goal)  # OGBench's own tolerances, for all that the photo shows but the arm
        return all(np.all(one) for one in self.env._compute_successes())

    def expert(self, goal):
        self._aim(goal)
        self.oracle._final_pos, self.oracle._final_yaw = np.array(goal["tool"][:3]), goal["tool"][3]
        self.oracle._done, self.oracle._step = False, 0
        action = self.oracle.select_action(None, self.env.compute_ob_info()).astype(np.float32)
        return None if self.oracle.done else action

    def goal_state(self, values):
        """Return the goal of one of OGBench's evaluation tasks: ``--state task=2``."""
        self.env.set_tasks()
        (number,) = values.get("task", [0])
        if self.task != "cube" or set(values) != {"task"} or number not in range(1, len(self.env.task_infos) + 1):
            raise UsageError(f"ogbench:cube has goals in words: --state task=1 to task={len(self.env.task_infos)}")
        self.env.reset(seed=int(number))
        return self._settled({"cube": self.env.task_infos[int(number) - 1]["goal_xyzs"][0][:2]})

    def _bounds(self):
        return self.env._object_sampling_bounds if self.task == "cube" else RANGES[self.task]

    def _target(self, random):
        if self.task == "button":
            button = int(random.integers(2))
            states = self.env._cur_button_states.copy()
            states[button] = 1 - states[button]
            return states
        return random.uniform(*self._bounds()) if self.task == "cube" else random.choice(self._bounds())

    def _settled(self, things):
        """Return the state after the arm was put somewhere, and ``things`` where they are to be."""
        data = self.env.data
        self.env.initialize_arm()
        if "cube" in things:
            data.joint("object_joint_0").qpos[:2], data.joint("object_joint_0").qpos[2] = things["cube"], 0.02
            yaw = lie.SO3.from_z_radians(self.env.np_random.uniform(0, 2 * np.pi))
            data.joint("object_joint_0").qpos[3:] = yaw.wxyz
        for name in RANGES.keys() & things.keys():
            data.joint(f"{name}_slide").qpos[:] = things[name]
        if self.task != "cube":
            unlocked = np.array([self.task == "drawer", self.task == "window"])
            self.env._cur_button_states[:] = things.get("button", self.env._cur_button_states | unlocked)
            self.env._apply_button_states()
        data.qvel[:] = 0
        mujoco.mj_forward(self.env.model, data)
        for _ in range(2):  # as OGBench does, so that things lie still
            self.env.step(np.zeros(5))
        return self.state()

    def _aim(self, goal):
        """Tell OGBench its targets; they are no part of the state."""
        env, target = self.env, self.env._cube_target_mocap_ids[0]
        env.data.mocap_pos[target] = goal["cube"][:3]
        env.data.mocap_quat[target] = lie.SO3.from_z_radians(goal["cube"][3]).wxyz
        if self.task == "cube":
            return
        env._target_drawer_pos, env._target_window_pos = goal["drawer"][0], goal["window"][0]
        env.model.site("drawer_handle_center_target").pos[1] = goal["drawer"][0]
        env.model.site("window_handle_center_target").pos[0] = goal["window"][0]
        env._target_task, env._target_button_states = self.task, np.array(goal["buttons"], int)
        wrong = np.flatnonzero(env._target_button_states != env._cur_button_states)
        env._target_button = int(wrong[0]) if wrong.size else env._target_button
        mujoco.mj_kinematics(env.model, env.data)


def robot(task="cube", shift="none", seed=0, transparent=False):
    """Return OGBench's UR5e at a task."""
    if task not in ORACLES:
        raise UnknownNameError("task of OGBench", task, ORACLES)
    options = {"task": task, "transparent": transparent}
    kind = f"a2g/OGBench-{'cube' if task == 'cube' else 'scene'}-v0"
    return gym_robot(kind, options, world=World, shift=shift, seed=seed, name=f"ogbench:{task}")


gymnasium.register("a2g/OGBench-cube-v0", entry_point=Cube)
gymnasium.register("a2g/OGBench-scene-v0", entry_point=Scene)
