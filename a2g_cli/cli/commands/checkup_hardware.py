"""The checks of ``a2g doctor`` for cameras, the robot and the speed of the disk."""

import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from a2g_cli.calibration.names import in_words
from a2g_cli.cameras import opencv
from a2g_cli.cameras.base import warnings_of
from a2g_cli.cameras.choice import CameraChoice, choose, identity
from a2g_cli.cameras.measure import Measured, measure
from a2g_cli.cameras.reader import CameraReader
from a2g_cli.cli.commands.check import Check, State
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.core import plugins
from a2g_cli.core.clock import goes_on
from a2g_cli.core.errors import A2GError, HardwareError, UnknownNameError, UsageError, closed
from a2g_cli.core.workspace import Workspace
from a2g_cli.display.listing import size
from a2g_cli.robots.base import Robot, RobotSpec
from a2g_cli.runtime.safety.guards import Guards

WATCH = 2.0
"""How long cameras are measured [s]."""
_SLOW = 0.9
"""Least share of its set rate that a camera must reach."""
_LATE = 0.2
"""Greatest median latency that is good for control [s]."""
_SIMULATED = 1.0
"""For how long a simulated robot is measured [s]."""
_TRIAL_BYTES = 32 * 2**20
_TRIAL_SECONDS = 3.0


def driver_list(kind: plugins.Kind) -> list[Check]:
    """Check which drivers are installed, and which of them can be loaded."""
    name = f"{kind} drivers"
    known = plugins.known(kind)
    if "sim" not in known:
        return [Check(name, "fail", f"the built-in {kind} sim is not registered", "reinstall a2g: pip install a2g")]
    works, broken = [], []
    for driver in known:
        try:
            plugins.load(kind, driver)
            works.append(driver)
        except HardwareError as error:
            needed: State = "fail" if driver == "sim" else "note"
            broken.append(Check(f"{kind} {driver}", needed, str(error), "install that package to use this driver."))
    return [Check(name, "ok", ", ".join(works) or "none"), *broken]


def cameras(workspace: Workspace, given: Sequence[str]) -> list[Check]:
    """Open every camera of ``a2g.toml`` and ``given``, and measure them at the same time."""
    checks: list[Check] = []
    sound: list[str] = []
    for text in given:
        try:
            choose(None, [text])
            sound.append(text)
        except A2GError as error:
            checks.append(Check("cameras", "fail", f"--camera {text}: {error}", "correct this --camera."))
    try:
        choices = choose(workspace, sound)
    except A2GError as error:
        return [*checks, Check("cameras", "fail", str(error), "correct the camera's description.")]
    if not choices and not checks:
        there = opencv.devices()
        listed = ", ".join(map(str, there)) or "none"
        again = to_type(workspace, "doctor", "--camera", f"front=opencv:{there[0]}") if there else ""
        return [Check("cameras", "ok", f"none configured; video devices: {listed}{'. Try one: ' * bool(there)}{again}")]
    with ExitStack() as stack:
        readers: dict[str, CameraReader] = {}
        for name, choice in choices.items():
            try:
                reader = choice.reader(max_age=math.inf)
                stack.enter_context(closed(reader, f"Camera {name!r} could not be closed"))
                reader.open()
                readers[name] = reader
            except A2GError as error:
                checks.append(Check(f"camera {name}", "fail", f"{identity(choice)}: {error}", _advice(choice, error)))
        for name, measured in measure(readers, WATCH).items() if readers else ():
            checks.append(_judged(choices[name], readers[name], measured))
        for name, reader in readers.items():
            try:
                reader.close()
            except A2GError as error:
                checks.append(
                    Check(f"camera {name}", "fail", f"{identity(choices[name])}: {error}", _advice(choices[name]))
                )
    return checks


def _advice(choice: CameraChoice, error: A2GError | None = None) -> str:
    if isinstance(error, UsageError):
        return f"correct [cameras.{choice.name}] in a2g.toml, or its --camera."
    if choice.driver == "realsense":
        return (
            "see the lines realsense, libusb and udev; then plug it into a USB 3 port of the computer, without a hub."
        )
    return "check that it is plugged in, that no other program uses it, and that you may open it (group video)."


def _judged(choice: CameraChoice, reader: CameraReader, measured: Measured) -> Check:
    view, name = reader.view, f"camera {choice.name}"
    shape = f" {view.width}x{view.height}" if view else ""
    what = f"{identity(choice)}{shape}"
    if measured.failure:
        return Check(name, "fail", f"{what}: {measured.failure}", _advice(choice))
    if measured.images < 2:
        return Check(name, "fail", f"{what}: {measured.images} images in {WATCH:g} s", _advice(choice))
    late = f"{1000 * measured.latency:.0f} ms, at most {1000 * measured.latency_99:.0f} ms in 99 of 100"
    detail = f"{what}: {measured.rate:.1f} Hz, latency {late}"
    if measured.lost:
        detail += f", {measured.lost} of {measured.images + measured.lost} lost"
    if locked := _locked(view.settings if view else {}):
        detail += f"; {locked}"
    wanted = float(view.settings.get("rate", 0.0)) if view else 0.0
    if measured.frozen:
        return Check(
            name, "fail", f"{detail}; every image has the same bytes", "the camera is frozen: plug it in again."
        )
    if measured.rate < _SLOW * wanted:
        advice = "give it its own USB port, shorten its exposure, or set a lower rate."
        return Check(name, "fail", f"{detail}; it is set to {wanted:g} Hz", advice)
    warnings = [*warnings_of(reader), *(["this latency is too long for control"] if measured.latency > _LATE else [])]
    if warnings:
        return Check(name, "note", f"{detail}; {'; '.join(warnings)}", "see docs/hardware.md, Cameras.")
    return Check(name, "ok", detail)


def _locked(settings: object) -> str:
    """Return the exposure settings to write down, for the same light another time."""
    if not isinstance(settings, dict):
        return ""
    names = [name for name in ("exposure", "gain", "white_balance") if name in settings]
    return f"locked at {', '.join(f'{name}={settings[name]:g}' for name in names)}" if names else ""


def robot(workspace: Workspace, deployment: Deployment, asked: bool) -> Check | list[Check]:
    """Check the robot, and what its names allow; one that was given by name is connected and observed. It does not move."""
    for name, choice in deployment.cameras.items():
        try:
            choice.make()
        except UsageError:  # reported by the check of the cameras
            detail = f"not checked: it needs the camera {name}"
            return Check("robot", "note", detail, f"repair the camera {name} first, see below.")
    try:
        if not asked:
            outside = deployment.make()
            spec = outside.spec
            Guards(outside, deployment.safety)
            again = to_type(workspace, "doctor", "--robot", deployment.robot)
            how = "" if deployment.robot == "sim" else f"; to connect to it: {again}"
            return [Check("robot", "ok", f"{_about(spec)}{how}"), calibration(spec)]
        with deployment.connected() as (found,):
            begun = time.monotonic()
            seen = found.observe()
            Guards(found, deployment.safety).readable(seen)
            took = 1000 * (time.monotonic() - begun)
            about = f"{_about(found.spec)}; connected, an observation takes {took:.0f} ms{_simulated(found)}"
            return [Check("robot", "ok", about), calibration(found.spec)]
    except UsageError as error:
        typed = asked and isinstance(error, UnknownNameError)
        advice = "correct --robot." if typed else "correct `[robot]` or `[safety]` in a2g.toml."
        return Check("robot", "fail", f"{deployment.robot}: {error}", advice)
    except A2GError as error:
        advice = "check that it is plugged in and switched on; see the line serial ports."
        return Check("robot", "fail", f"{deployment.robot}: {error}", advice)


def _simulated(robot: Robot) -> str:
    """Measure how fast a robot in simulated time goes, with its images; empty for one in real time, which does not move."""
    if goes_on(robot.clock):
        return ""
    spec, steps, acting, begun = robot.spec, 0, 0.0, time.monotonic()
    action = np.mean([spec.action_low, spec.action_high], axis=0).astype(np.float32)
    while (now := time.monotonic()) < begun + _SIMULATED or steps < 2:
        robot.act(action)
        acting += time.monotonic() - now
        robot.observe()
        steps += 1
    each = (time.monotonic() - begun) / steps
    return (
        f"; simulated, {1 / each:.3g} frames per second (a step takes {1000 * acting / steps:.0f} ms, its observation "
        f"{1000 * (each - acting / steps):.0f} ms)"
    )


def calibration(spec: RobotSpec) -> Check:
    """Say which parts of the calibration the robot's names allow."""
    can, cannot = in_words(spec.action_names, spec.proprioception_names)
    if not cannot:
        return Check("calibration", "ok", f"by its names: {can}")
    named = ", ".join((*spec.action_names, *spec.proprioception_names)[:12])
    return Check(
        "calibration",
        "note",
        f"by its names ({named}): {can}; not {cannot}",
        "name actions and measured values, if the arm has such: docs/worlds.md, Names.",
    )


def _about(spec: RobotSpec) -> str:
    seen = ", ".join(f"{name} {width}x{height}" for name, (height, width) in spec.cameras.items()) or "none"
    return f"{spec.name}, {len(spec.action_names)} actions at {spec.rate:g} Hz, cameras: {seen}"


def disk_speed(workspace: Workspace, deployment: Callable[[], Deployment]) -> Check:
    """Measure the disk's write speed, and compare it with what a recording of ``deployment()`` needs at most."""
    folder = workspace.root
    while not folder.exists():
        folder = folder.parent
    speed = _written(folder)
    try:
        needed = _recorded(deployment().make().spec)
    except A2GError:  # reported by the check of the robot, or of a2g.toml
        unknown = "without a robot, it is unknown what a recording needs"
        return Check("disk speed", "note", f"{size(int(speed))} per second; {unknown}")
    detail = f"{size(int(speed))} per second; a recording needs at most {size(int(needed))} per second"
    if speed < needed:
        return Check("disk speed", "fail", detail, "choose a faster disk with --workspace, or smaller images.")
    if speed < 3 * needed:
        return Check("disk speed", "note", detail, "other programs could slow it down: a faster disk is safer.")
    return Check("disk speed", "ok", detail)


def _recorded(spec: RobotSpec) -> float:
    """Return the data rate of a recording without compression [bytes/s]."""
    images = sum(3 * height * width for height, width in spec.cameras.values())
    numbers = 8 * len(spec.action_names) + 4 * len(spec.proprioception_names)
    return spec.rate * (images + numbers)


def _written(folder: Path) -> float:
    """Return the write speed in ``folder`` [bytes/s]."""
    block = os.urandom(2**20)  # random, so that a disk that compresses does not look faster than it is
    begun, written = time.monotonic(), 0
    with tempfile.TemporaryFile(dir=folder) as file:
        while written < _TRIAL_BYTES and time.monotonic() - begun < _TRIAL_SECONDS:
            written += file.write(block)
            file.flush()
            os.fsync(file.fileno())
    return written / (time.monotonic() - begun)
