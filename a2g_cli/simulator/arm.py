"""The arm: five joints and a two-finger gripper, which always points down and does not turn.

Base frame: origin where the arm stands on the table, x forward, y left, z up [m]. With shoulder height s, link lengths
a and b, and the tool hanging h below the wrist, a tool at (x, y, z) asks for

    turn    q1 = atan2(y, x)                       r = hypot(x, y), w = z + h - s, d^2 = r^2 + w^2
    elbow   q3 = -acos((d^2 - a^2 - b^2) / 2ab)    elbow up
    lift    q2 = atan2(w, r) - atan2(b sin q3, a + b cos q3)
    wrist   q4 = -(q2 + q3), q5 = -q1              cancels what the other joints did to the gripper's direction
"""

import math

import numpy as np
from numpy.typing import NDArray

Position = NDArray[np.float64]
"""(3,) x, y, z [m]."""

SHOULDER_HEIGHT = 0.20
UPPER_ARM = 0.32
FOREARM = 0.32
TOOL_DROP = 0.16
"""Distance from the wrist axis down to the tool point, which lies between the finger pads [m]."""
FINGER_REACH = 0.012
"""Length of the fingers below the tool point [m]."""
FINGER_STROKE = 0.04
"""Travel of each finger [m]: opening 1 is a gap of 8 cm, opening 0 is closed."""

JOINTS = ("turn", "lift", "elbow", "wrist_pitch", "wrist_yaw")
FINGERS = ("finger_left", "finger_right")


def joint_angles(tool: Position) -> NDArray[np.float64]:
    """Return the five joint angles [rad] that put the tool point at ``tool`` (3,), in the base frame [m].

    For a point out of reach, the angles are those of the nearest reachable point in the same direction.
    """
    x, y, z = (float(value) for value in tool)
    reach, rise = math.hypot(x, y), z + TOOL_DROP - SHOULDER_HEIGHT
    cosine = (reach**2 + rise**2 - UPPER_ARM**2 - FOREARM**2) / (2 * UPPER_ARM * FOREARM)
    elbow = -math.acos(min(1.0, max(-1.0, cosine)))
    lift = math.atan2(rise, reach) - math.atan2(FOREARM * math.sin(elbow), UPPER_ARM + FOREARM * math.cos(elbow))
    turn = math.atan2(y, x)
    return np.array([turn, lift, elbow, -(lift + elbow), -turn])


def tool_position(angles: NDArray[np.float64]) -> Position:
    """Return the tool point (3,) in the base frame [m] at five joint ``angles`` [rad]: the inverse of joint_angles."""
    turn, lift, elbow = (float(value) for value in angles[:3])
    reach = UPPER_ARM * math.cos(lift) + FOREARM * math.cos(lift + elbow)
    rise = UPPER_ARM * math.sin(lift) + FOREARM * math.sin(lift + elbow)
    return np.array([reach * math.cos(turn), reach * math.sin(turn), SHOULDER_HEIGHT + rise - TOOL_DROP])


def body_xml(position: Position, yaw: float, on_hand: str = "") -> str:
    """Return the arm's MJCF body, standing at ``position`` (3,) [m], turned by ``yaw`` [rad] about the vertical.

    ``on_hand`` is MJCF that is attached to the hand, whose origin is the wrist.
    """
    x, y, z = position
    return f"""
    <body name="base" pos="{x:.9g} {y:.9g} {z:.9g}" euler="0 0 {yaw:.12g}">
      <inertial pos="0 0 0" mass="1" diaginertia=".01 .01 .01"/>
      <geom class="look" type="cylinder" size=".060 .012" pos="0 0 .012" rgba="{_DARK}"/>
      <geom class="look" type="cylinder" size=".046 .070" pos="0 0 .080" rgba="{_LIGHT}"/>
      <body name="turret" gravcomp="1">
        <joint name="turn" axis="0 0 1" armature=".08"/>
        <inertial pos="0 0 .18" mass=".5" diaginertia=".001 .001 .001"/>
        <geom class="look" type="cylinder" size=".040 .022" pos="0 0 .162" rgba="{_ACCENT}"/>
        <geom class="look" type="cylinder" fromto="0 -.038 {SHOULDER_HEIGHT} 0 .038 {SHOULDER_HEIGHT}" size=".036"
          rgba="{_DARK}"/>
        <body name="upper_arm" pos="0 0 {SHOULDER_HEIGHT}" gravcomp="1">
          <joint name="lift" axis="0 -1 0" armature=".08"/>
          <inertial pos="{UPPER_ARM / 2} 0 0" mass=".4" diaginertia=".0003 .003 .003"/>
          <geom class="look" type="capsule" fromto="0 0 0 {UPPER_ARM} 0 0" size=".026" rgba="{_LIGHT}"/>
          <geom class="look" type="cylinder" fromto="{UPPER_ARM} -.034 0 {UPPER_ARM} .034 0" size=".031"
            rgba="{_ACCENT}"/>
          <body name="forearm" pos="{UPPER_ARM} 0 0" gravcomp="1">
            <joint name="elbow" axis="0 -1 0" armature=".06"/>
            <inertial pos="{FOREARM / 2} 0 0" mass=".3" diaginertia=".0002 .002 .002"/>
            <geom class="look" type="capsule" fromto="0 0 0 {FOREARM} 0 0" size=".021" rgba="{_LIGHT}"/>
            <body name="wrist" pos="{FOREARM} 0 0" gravcomp="1">
              <joint name="wrist_pitch" axis="0 -1 0" armature=".02"/>
              <inertial pos="0 0 0" mass=".1" diaginertia=".0001 .0001 .0001"/>
              <geom class="look" type="cylinder" fromto="0 -.027 0 0 .027 0" size=".025" rgba="{_DARK}"/>
              <body name="hand" gravcomp="1">
                <joint name="wrist_yaw" axis="0 0 1" armature=".02"/>
                <inertial pos="0 0 -.05" mass=".15" diaginertia=".0002 .0002 .0002"/>
                <geom class="look" type="cylinder" size=".021 .026" pos="0 0 -.040" rgba="{_LIGHT}"/>
                <geom class="look" type="box" size=".018 .050 .011" pos="0 0 -.074" rgba="{_DARK}"/>
                <site name="tool" pos="0 0 {-TOOL_DROP}" size=".004" rgba="0 0 0 0"/>
                {on_hand}
                {_finger_xml("finger_left", 1)}
                {_finger_xml("finger_right", -1)}
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>"""


def actuator_xml() -> str:
    """Return the arm's MJCF position servos: five joints [rad], then two fingers [m]."""
    gains = (1500, 1500, 1000, 160, 160)
    joints = "".join(
        f'<position name="{name}" joint="{name}" kp="{gain}" dampratio="1"/>'
        for name, gain in zip(JOINTS, gains, strict=True)
    )
    fingers = "".join(
        f'<position name="{name}" joint="{name}" kp="500" kv="12" forcerange="-12 12"/>' for name in FINGERS
    )
    return joints + fingers


def _finger_xml(name: str, side: int) -> str:
    top, bottom = -0.085, -TOOL_DROP - FINGER_REACH
    half, middle = (top - bottom) / 2, (top + bottom) / 2
    return f"""
                <body name="{name}" gravcomp="1">
                  <joint name="{name}" type="slide" axis="0 {side} 0" range="0 {FINGER_STROKE}" armature=".05"/>
                  <inertial pos="0 {side * 0.006} {middle:.6g}" mass=".03" diaginertia=".00002 .00002 .00002"/>
                  <geom name="{name}" class="pad" type="box" size=".011 .006 {half:.6g}"
                    pos="0 {side * 0.006} {middle:.6g}" rgba="{_DARK}"/>
                  <geom class="look" type="box" size=".0115 .0065 .011" pos="0 {side * 0.006} {bottom + 0.011:.6g}"
                    rgba="{_ACCENT}"/>
                </body>"""


_LIGHT = ".90 .91 .92 1"
_DARK = ".20 .22 .26 1"
_ACCENT = "1 .62 .10 1"
