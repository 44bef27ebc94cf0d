"""Meta-World for a2g: any task by name, as ``--robot metaworld:reach-v3``. Its scripted policies are the experts."""

import warnings

import gymnasium
import mujoco
import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.policies import ENV_POLICY_MAP

from a2g_cli.core.errors import UnknownNameError
from a2g_cli.robots.gymnasium_goals import gym_robot

SIZE, TRIES, STEPS = 64, 20, 300  # image [px]; tries to draw a goal that the expert reaches; its most steps


def make(task, render_mode=None, camera="corner4"):
    """Return a task with small images without shadows, reflections and multisampling, and without the goal's marker."""
    env = ALL_V3_ENVIRONMENTS[task](render_mode=render_mode, camera_name=camera, width=SIZE, height=SIZE)
    env.task, env._set_task_called, env._partially_observable, env.max_path_length = task, True, False, 10**9
    env.__dict__.pop("sawyer_observation_space", None)
    env.model.vis.quality.offsamples, env.model.site_rgba[:, 3] = 0, 0
    w, x, y, z = env.model.camera(camera).quat
    env.model.camera(camera).quat = (-z, y, -x, w)  # Meta-World's corner cameras stand upside down
    env.model.vis.global_.offwidth = env.model.vis.global_.offheight = SIZE
    env.seeded_rand_vec, env._freeze_rand_vec = True, False
    flags = env.mujoco_renderer._get_viewer("rgb_array").scn.flags
    flags[mujoco.mjtRndFlag.mjRND_SHADOW] = flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
    return env


class World:
    """A state is the task's own random numbers (where things stand, and the target) and the physics' state."""

    settings = {  # noqa: RUF012
        "actions": ["dx", "dy", "dz", "grip"],
        "proprioception": {
            "x": "observation.0",
            "y": "observation.1",
            "z": "observation.2",
            "gripper": "observation.3",
        },
        "units": {"x": "m", "y": "m", "z": "m"},
        "camera": {"front": "render"},
        "repeat": 4,  # 20 Hz
        "limit": 125,  # Meta-World ends an episode after 500 of its steps
    }

    def __init__(self, env):
        self.env, self.policy = env.unwrapped, ENV_POLICY_MAP[env.unwrapped.task]()

    def draw(self, random):
        for _ in range(TRIES):
            self.env.seed(int(random.integers(2**31)))
            self._reset(None)
            start = self.draw_start({"variation": self.env._last_rand_vec}, random)
            for _ in range(STEPS):  # the expert brings the world into the state that is photographed
                if self.reached(start):
                    return start, self.state()
                self.env.step(self.expert(start))
        raise RuntimeError(f"the expert reached none of {TRIES} goals")

    def draw_start(self, goal, random):
        self._reset(goal["variation"])
        for _ in range(4):  # Meta-World's hand always begins at the same place
            action = np.append(random.uniform(-1, 1, 3), -1).astype(np.float32)
            for _ in range(5):
                self.env.step(action)
        return self.state()

    def set_state(self, state):
        self._reset(state["variation"])
        mujoco.mj_setState(
            self.env.model, self.env.data, np.array(state["physics"]), mujoco.mjtState.mjSTATE_INTEGRATION
        )
        mujoco.mj_forward(self.env.model, self.env.data)
        self.env._prev_obs = self.env._get_curr_obs_combined_no_goal()
        return self.env._get_obs(), {}

    def state(self):
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        physics = np.empty(mujoco.mj_stateSize(self.env.model, kind))
        mujoco.mj_getState(self.env.model, self.env.data, physics, kind)
        return {"variation": self.env._last_rand_vec, "physics": physics}

    def reached(self, goal):
        if not np.allclose(goal["variation"], self.env._last_rand_vec):
            return False  # its target is elsewhere
        return bool(self.env.evaluate_state(self.env._get_obs(), np.zeros(4, np.float32))[1]["success"])

    def expert(self, goal):
        with warnings.catch_warnings(action="ignore"):  # that its gains are too high for the limits
            return np.clip(self.policy.get_action(self.env._get_obs()), -1, 1).astype(np.float32)

    def _reset(self, variation):
        self.env._freeze_rand_vec = variation is not None  # else it draws until things are far enough from each other
        self.env._last_rand_vec = np.array(variation)
        self.env.reset()


def robot(task="reach-v3", shift="none", seed=0):
    """Return Meta-World's Sawyer at a task."""
    if task not in ALL_V3_ENVIRONMENTS:
        raise UnknownNameError("task of Meta-World", task, ALL_V3_ENVIRONMENTS)
    name = f"metaworld:{task}"
    return gym_robot("a2g/MetaWorld-v0", {"task": task}, world=World, shift=shift, seed=seed, name=name)


gymnasium.register("a2g/MetaWorld-v0", entry_point=make)
