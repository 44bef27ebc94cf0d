"""The tabletop in MuJoCo: the arm and a scene's objects. Sets states, steps the physics, returns states and images.

``scenes/scene.py`` defines frames and states.
"""

import math
from typing import Any

import numpy as np

from a2g_cli.core.types import Image, State
from a2g_cli.simulator import arm
from a2g_cli.simulator.arm import Position
from a2g_cli.simulator.rendering import Renderer, quality_xml
from a2g_cli.simulator.scenes.scene import Scene
from a2g_cli.simulator.shifts import Shift

import mujoco  # isort: skip - after rendering, which chooses the OpenGL backend

PERIOD = 0.1
"""One control period [s]."""
TIMESTEP = 0.005
"""One step of physics [s]."""
RAMP = 10
"""Physics steps over which the servos' set point moves; in the rest of the period the arm settles."""

MOUNT_DISTANCE = 0.40
"""Distance of the arm's base from the workspace's centre [m]."""
TOOL_LOW = np.array([-0.19, -0.17, 0.016])
TOOL_HIGH = np.array([0.15, 0.17, 0.24])
"""Limits of the tool's position in the table frame [m], the same for every base pose of the arm."""

CAMERAS = ("front", "side", "wrist")


class Tabletop:
    """A model of one scene under one shift, with its state and, optionally, its renderer."""

    def __init__(self, scene: Scene, size: int) -> None:
        self.scene, self.shift = scene, scene.shift
        self.model = mujoco.MjModel.from_xml_string(scene_xml(scene, size))
        self._data = mujoco.MjData(self.model)
        self._drawn_data = mujoco.MjData(self.model)
        self._renderer: Renderer | None = None
        self._size = size
        yaw = self.shift.mount_yaw
        self._turn = np.array(
            [[math.cos(yaw), -math.sin(yaw), 0.0], [math.sin(yaw), math.cos(yaw), 0.0], [0.0, 0.0, 1.0]]
        )
        self._base_pose = self._turn @ np.array([-MOUNT_DISTANCE, 0.0, 0.0])
        self._tool_site = self.model.site("tool").id
        self._things = {name: (int(self.model.joint(name).qposadr[0]), lift) for name, lift in scene.things.items()}
        self._fixtures = {name: int(self.model.body(name).mocapid[0]) for name in scene.fixtures}

    def open_graphics(self) -> None:
        """Create the OpenGL context. Raises HardwareError."""
        if self._renderer is None:
            self._renderer = Renderer(self.model, self._size)

    def close_graphics(self) -> None:
        """Free the OpenGL context; harmless when called twice."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def to_base(self, point: Position) -> Position:
        """Convert a ``point`` (3,) from the table frame to the arm's base frame [m]."""
        return self._turn.T @ (point - self._base_pose)

    def to_table(self, point: Position) -> Position:
        """Convert a ``point`` (3,) from the arm's base frame to the table frame [m]."""
        return self._turn @ point + self._base_pose

    def tool(self) -> Position:
        """Return the tool's position (3,), table frame [m]."""
        return np.array(self._data.site_xpos[self._tool_site])

    def opening(self) -> float:
        """Return the gripper's opening, 0 to 1."""
        return _opening(self._data)

    def state(self) -> State:
        """Return the true present state."""
        state: State = {}
        for name, (at, lift) in self._things.items():
            pose = np.array(self._data.qpos[at : at + 7])
            pose[2] -= lift
            state[name] = pose.tolist()
        for name, index in self._fixtures.items():
            state[name] = self._data.mocap_pos[index, :2].tolist()
        return {**state, "tool": [*self.tool().tolist(), self.opening()], **self.scene.marks()}

    def set_state(self, state: State) -> None:
        """Set the scene to ``state``, at rest; nothing from before remains."""
        self._put(self._data, state)
        self.scene.begin(state)

    def drive(self, target: Position, opening: float) -> None:
        """Drive the tool to ``target`` (3,), table frame [m], and the fingers to ``opening``, for one control period."""
        within = np.clip(target, TOOL_LOW, TOOL_HIGH)
        finger = min(1.0, max(0.0, opening)) * arm.FINGER_STROKE
        start = np.array(self._data.ctrl)
        end = np.array([*arm.joint_angles(self.to_base(within)), finger, finger])
        for step in range(1, RAMP + 1):
            self._data.ctrl[:] = start + (end - start) * (step / RAMP)
            mujoco.mj_step(self.model, self._data)
            if step % (RAMP // 2) == 0:
                self.scene.moved(self.tool())
        mujoco.mj_step(self.model, self._data, round(PERIOD / TIMESTEP) - RAMP)
        # A step leaves positions one step behind the joints: what is read and drawn must be of now.
        mujoco.mj_kinematics(self.model, self._data)
        mujoco.mj_camlight(self.model, self._data)
        self.scene.moved(self.tool())

    def draw(self, camera: str) -> Image:
        """Return the present image of ``camera``."""
        return self._draw(self._data, camera, self.scene.marks())

    def draw_state(self, state: State, camera: str) -> Image:
        """Return the image of ``state`` by ``camera``, without changing the present state."""
        self._put(self._drawn_data, state)
        return self._draw(self._drawn_data, camera, state)

    def _draw(self, data: Any, camera: str, marks: State) -> Image:
        if self._renderer is None:
            raise RuntimeError("open_graphics() comes before draw()")
        for texture in self.scene.dress(self.model, marks):
            self._renderer.refresh(texture)
        return self._renderer.draw(data, camera)

    def _put(self, data: Any, state: State) -> None:
        mujoco.mj_resetData(self.model, data)
        tool = np.asarray(state["tool"], dtype=np.float64)
        finger = float(tool[3]) * arm.FINGER_STROKE
        data.qpos[:7] = [*arm.joint_angles(self.to_base(tool[:3])), finger, finger]
        data.ctrl[:] = data.qpos[:7]
        if self.scene.is_held(state):
            data.ctrl[5:] = 0.0
        for name, (at, lift) in self._things.items():
            data.qpos[at : at + 7] = state[name]
            data.qpos[at + 2] += lift
        for name, index in self._fixtures.items():
            data.mocap_pos[index, :2] = state[name]
        mujoco.mj_forward(self.model, data)


def scene_xml(scene: Scene, size: int) -> str:
    """Return the MJCF of the whole ``scene``, for images of ``size`` pixels."""
    shift = scene.shift
    yaw = shift.mount_yaw
    base_pose = MOUNT_DISTANCE * np.array([-math.cos(yaw), -math.sin(yaw), 0.0])
    return f"""
<mujoco model="tabletop">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{TIMESTEP}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  {quality_xml(size)}
  <asset>{scene.assets_xml()}</asset>
  <default>
    <default class="look"><geom contype="0" conaffinity="0" mass="0"/></default>
    <default class="pad"><geom contype="2" conaffinity="1" condim="4" friction="1.2 .02 .001" mass="0"/></default>
  </default>
  <worldbody>
    {_light_xml(shift)}
    <geom class="look" type="plane" size="8 8 1" pos="0 0 -.004" rgba=".28 .38 .45 1"/>
    {scene.surface_xml()}
    <geom name="table" type="plane" size="3 3 1" pos="0 0 -.0005" rgba="0 0 0 0" contype="2" conaffinity="1"/>
    {_cameras_xml(shift)}
    {arm.body_xml(base_pose, yaw, on_hand=_wrist_camera_xml(shift) + scene.on_hand_xml())}
    {scene.bodies_xml()}
  </worldbody>
  <actuator>{arm.actuator_xml()}</actuator>
</mujoco>"""


def _opening(data: Any) -> float:
    return float(min(1.0, max(0.0, data.qpos[5:7].mean() / arm.FINGER_STROKE)))


def _light_xml(shift: Shift) -> str:
    swing = math.radians(35) + shift.light_swing
    x, y = 0.8 * math.cos(swing), 0.8 * math.sin(swing)
    red, green, blue = (0.58 * shift.light_scale * part for part in shift.light_colour)
    return (
        f'<light directional="true" pos="{x:.6g} {y:.6g} 1" dir="{-x:.6g} {-y:.6g} -1"'
        f' diffuse="{red:.6g} {green:.6g} {blue:.6g}" ambient="0 0 0" specular=".15 .15 .15" castshadow="true"/>'
    )


def _cameras_xml(shift: Shift) -> str:
    slide, roll = shift.camera_slide, shift.camera_roll
    front = _camera_xml("front", (0.475, slide, 0.54), (-0.030, 0.0, 0.040), 33, roll)
    side = _camera_xml("side", (slide - 0.02, -0.62, 0.46), (-0.02, 0.0, 0.06), 36, roll)
    return front + side


def _wrist_camera_xml(shift: Shift) -> str:
    # A camera on the hand has no room to be moved as far as one on a tripod.
    slide = 0.2 * shift.camera_slide
    return _camera_xml("wrist", (0.075, slide, -0.030), (0.0, 0.0, -arm.TOOL_DROP), 62, shift.camera_roll)


def _camera_xml(
    name: str, eye: tuple[float, float, float], target: tuple[float, float, float], fovy: float, roll: float
) -> str:
    forward = np.subtract(target, eye)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right = right / np.linalg.norm(right)
    up = np.cross(right, forward)
    tilted = math.cos(roll) * right + math.sin(roll) * up
    upright = math.cos(roll) * up - math.sin(roll) * right
    axes = " ".join(f"{value:.9g}" for value in (*tilted, *upright))
    place = " ".join(f"{value:.9g}" for value in eye)
    return f'<camera name="{name}" pos="{place}" xyaxes="{axes}" fovy="{fovy}"/>'
