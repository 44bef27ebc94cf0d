"""A robot with the cameras that the user added, as one robot."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from a2g_cli.cameras.base import Frame
from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.cameras.reader import CameraReader
from a2g_cli.core.clock import Clock, goes_on
from a2g_cli.core.errors import HardwareError, closed, noted
from a2g_cli.core.types import Depth, Observation, Vector
from a2g_cli.robots.base import Robot, RobotSpec

OPTIONAL = ("limit", "shift", "safety", "action_to_rest_pose", "notes")
"""Optional attributes of a robot: the robot with cameras has those that the bare robot has."""


OLDEST = 10.0
"""Oldest frame that is returned in real time [s]: no limit of ``frame_age`` allows an older one."""


class WithCameras:
    """``robot`` with ``cameras`` in addition to its own, or in place of one with the same name.

    Each camera is read in its own thread, so that ``observe`` does not wait for an exposure.

    Args:
        robot: any robot, with or without cameras of its own.
        cameras: name -> reader, on the robot's clock.
        sizes: name -> (height, width) of its images [px].
        depth: names of the cameras that also measure depth.
    """

    def __init__(
        self,
        robot: Robot,
        cameras: Mapping[str, CameraReader],
        sizes: Mapping[str, tuple[int, int]],
        depth: Sequence[str] = (),
    ) -> None:
        self._robot, self._cameras, self._sizes, self._depth = robot, dict(cameras), dict(sizes), tuple(depth)
        # Real attributes: the optional Protocols are checked by which attributes a robot has.
        for name in OPTIONAL:
            if hasattr(robot, name):
                setattr(self, name, getattr(robot, name))

    @property
    def spec(self) -> RobotSpec:
        """The robot's spec with all cameras."""
        spec = self._robot.spec
        own = [name for name in spec.depth if name not in self._sizes]
        return replace(spec, cameras={**spec.cameras, **self._sizes}, depth=(*own, *self._depth))

    @property
    def clock(self) -> Clock:
        """The robot's clock."""
        return self._robot.clock

    @property
    def views(self) -> dict[str, CameraMetadata]:
        """Camera name -> metadata, of the cameras that have them."""
        own: Mapping[str, CameraMetadata] = getattr(self._robot, "views", {})
        return {**own, **{name: reader.view for name, reader in self._cameras.items() if reader.view is not None}}

    def connect(self) -> None:
        """Open the cameras, then the robot: an arm does not release its brakes if a camera is missing.

        Raises:
            HardwareError: one of them does not answer; the others are closed again.
        """
        try:
            for reader in self._cameras.values():
                reader.open()
            self._robot.connect()
        except BaseException as error:
            for name, reader in self._cameras.items():
                with noted(error, f"Camera {name!r} could not be closed"):
                    reader.close()
            raise

    def observe(self) -> Observation:
        """Return the robot's observation and the cameras' newest frames, without waiting for one.

        A frame may be old, as its ``captured_at`` says; the guards enforce the user's limit (runtime/safety/frames.py).

        Raises:
            HardwareError: a camera is not open, has failed, or has sent nothing for ``OLDEST`` seconds.
        """
        seen = self._robot.observe()
        frames = {name: self._frame(reader) for name, reader in self._cameras.items()}
        return Observation(
            images={**seen.images, **{name: frame.image for name, frame in frames.items()}},
            proprioception=seen.proprioception,
            captured_at={**seen.captured_at, **{name: frame.captured_at for name, frame in frames.items()}},
            time=self.clock.now(),
            depth={**seen.depth, **{name: self._measured(name, frames[name]) for name in self._depth}},
        )

    def _frame(self, reader: CameraReader) -> Frame:
        if not goes_on(self.clock):
            return reader.read(timeout=1.0)  # in stepped time the robot stands still meanwhile
        # A moving arm must not wait for a camera that has stopped: the guard stops the arm because the frame is old.
        frame = reader.newest()
        if frame is None:
            raise HardwareError(f"camera {reader.name!r} is not open; call connect() first.")
        if reader.age(frame) > OLDEST:
            raise HardwareError(
                f"camera {reader.name!r} sends nothing: its newest frame is {reader.age(frame):.2f} s old."
            )
        return frame

    def _measured(self, name: str, frame: Frame) -> Depth:
        if frame.depth is None:
            raise HardwareError(f"camera {name!r} should send depth, and does not.")
        return frame.depth

    def act(self, action: Vector) -> Vector:
        """Start one action and return the action that was sent."""
        return self._robot.act(action)

    def reset(self) -> None:
        """Bring the robot to the start of an episode."""
        self._robot.reset()

    def rest(self) -> None:
        """Come to a soft stop and hold."""
        self._robot.rest()

    def close(self) -> None:
        """Release the robot first, then the cameras; harmless when called twice. Raises the first failure."""
        with ExitStack() as closing:
            for reader in self._cameras.values():
                closing.enter_context(closed(reader, f"Camera {reader.name!r} could not be closed either"))
            self._robot.close()
