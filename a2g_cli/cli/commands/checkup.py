"""The checks of ``a2g doctor``; this file has those of the installation and the workspace."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from a2g_cli.cli.commands import checkup_hardware as hardware
from a2g_cli.cli.commands import checkup_usb as usb
from a2g_cli.cli.commands.check import Check, State
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.core import config as configuration
from a2g_cli.core.errors import A2GError, CheckpointError
from a2g_cli.core.workspace import Workspace
from a2g_cli.display.console import draws_images, stderr_console
from a2g_cli.display.listing import size

_LEAST_FREE = 200 * 2**20
_COMFORTABLE = 2 * 2**30
_PACKAGES = ("numpy", "h5py", "safetensors", "peft", "pillow", "rich", "av")
_NO_PATIENCE = 120.0
_DRAWS = "install libegl1 (or libosmesa6, and set MUJOCO_GL=osmesa), then try again."


def every_check(workspace: Workspace, robot: str | None = None, cameras: Sequence[str] = ()) -> Iterator[Check]:
    """Yield the result of every check. An exception in a check is a failure.

    A check that needs one that failed is skipped with a note, so that every failure is reported once.

    Args:
        workspace: its settings, disk and adapters are checked.
        robot: a driver to connect to; None: the configured one is checked without connecting.
        cameras: NAME=DRIVER:ADDRESS each, opened beside those of ``a2g.toml``.
    """

    def deployment() -> Deployment:
        return Deployment.choose(workspace, robot)

    checks: list[tuple[str, str | None, Callable[[], Check | list[Check]]]] = [
        ("python", None, _python),
        ("packages", None, _packages),
        ("torch", None, _torch),
        ("simulator", None, _drawing),
        ("base", "torch", lambda: _base(workspace)),
        ("adapters", "base", lambda: _adapters(workspace)),
        ("workspace", None, lambda: _disk(workspace)),
        ("a2g.toml", None, lambda: _settings(workspace)),
        ("disk speed", "workspace", lambda: hardware.disk_speed(workspace, deployment)),
        ("robot drivers", None, lambda: hardware.driver_list("robot")),
        ("robot", "a2g.toml", lambda: hardware.robot(workspace, deployment(), robot is not None)),
        ("serial ports", None, usb.serial_ports),
        ("camera drivers", None, lambda: hardware.driver_list("camera")),
        ("realsense", None, usb.realsense),
        ("udev", None, usb.udev),
        ("cameras", "a2g.toml", lambda: hardware.cameras(workspace, cameras)),
        ("terminal", None, _terminal),
    ]
    unwell: set[str] = set()
    for name, needed, check in checks:
        if needed in unwell:
            unwell.add(name)
            yield Check(name, "note", f"not checked: it needs {needed}", f"repair {needed} first, see above.")
            continue
        try:
            found = check()
        except A2GError as error:
            found = Check(name, "fail", str(error), "correct that, then try again.")
        except Exception as error:  # any defect is a result of the check
            found = Check(
                name, "fail", f"{type(error).__name__}: {error}", "reinstall a2g: pip install --force-reinstall a2g"
            )
        found = found if isinstance(found, list) else [found]
        if any(one.state == "fail" for one in found):
            unwell.add(name)
        yield from found


def _python() -> Check:
    detail = f"{sys.version.split()[0]} in {sys.prefix}"
    if sys.version_info < (3, 11):  # noqa: UP036 - the doctor is called where something is not as it should be
        return Check("python", "fail", detail, "a2g needs Python 3.11 or newer.")
    return Check("python", "ok", detail)


def _packages() -> list[Check]:
    found, missing = [], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(Check(f"package {package}", "fail", "it is not installed", f"pip install {package}"))
    return [Check("packages", "ok", ", ".join(found) or "none"), *missing]


def _torch() -> Check:
    try:
        import torch
    except ImportError as error:
        return Check("torch", "fail", f"it cannot be imported: {error}", "pip install torch")
    cores = os.cpu_count() or 1
    device = f", CUDA: {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", CPU only"
    detail = f"{torch.__version__}, {torch.get_num_threads()} threads of {cores} cores{device}"
    return Check("torch", "ok", detail)


def _drawing() -> Check:
    command = [sys.executable, "-m", "a2g_cli.simulator.gl_check"]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=_NO_PATIENCE, check=False)  # noqa: S603 - our own
    except subprocess.TimeoutExpired:
        return Check("simulator", "fail", f"no image within {_NO_PATIENCE:g} s", _DRAWS)
    try:
        found = json.loads(child.stdout)
    except ValueError:
        last = child.stderr.strip().splitlines()[-1:] or [
            f"the drawing process ended with exit code {child.returncode}"
        ]
        return Check("simulator", "fail", last[0], _DRAWS)
    if "error" in found:
        problem, _, advice = str(found["error"]).partition("; ")
        return Check("simulator", "fail", problem, advice or _DRAWS)
    drawn = f"MuJoCo {found['mujoco']}, OpenGL by {found['backend']}"
    renderer = f" ({found['renderer']})" if found["renderer"] else ""
    return Check("simulator", "ok", f"{drawn}{renderer}, an image takes {found['milliseconds']:g} ms")


def _base(workspace: Workspace) -> Check:
    from a2g_cli.calibration.accuracy import accuracies_of
    from a2g_cli.models import checkpoint
    from a2g_cli.robots.sim import SimRobot

    train = to_type(workspace, "pretrain", "--scene", "place")
    again = f"reinstall a2g; or train a base ({train}) and give it with --base training/base/checkpoint"
    try:
        fingerprint = checkpoint.fingerprint(checkpoint.SHIPPED)
        config, facts = checkpoint.read_config(checkpoint.SHIPPED)
        tried = accuracies_of(facts, checkpoint.SHIPPED)
        model = checkpoint.load(checkpoint.SHIPPED)
        checkpoint.check_fits(config, SimRobot().spec)
    except CheckpointError as error:
        return Check("base", "fail", str(error), again)
    count = sum(parameter.numel() for parameter in model.parameters())
    errors = ", ".join(f"{name} ({'used' if one.trusted else 'not used'})" for name, one in tried.items())
    about = f"{fingerprint}, {count / 1e6:.1f} million weights, fits the simulator; errors of calibration: "
    return Check("base", "ok", about + (errors or "not measured"))


def _adapters(workspace: Workspace) -> list[Check]:
    """Check every adapter against the shipped base, and apply the active one to it."""
    from a2g_cli.adapters import files as adapters
    from a2g_cli.adapters.registry import BASE, AdapterRegistry
    from a2g_cli.models import checkpoint

    registry = AdapterRegistry(workspace)
    base, checks, fitting = checkpoint.fingerprint(checkpoint.SHIPPED), [], 0
    try:
        active = registry.active()
    except CheckpointError as error:
        promote = to_type(workspace, "adapters", "promote", "NAME")
        return [Check("adapters", "fail", str(error), f"then promote an adapter again: {promote}")]
    alone = f"use the base policy: {to_type(workspace, 'adapters', 'promote', BASE)}"
    for name in registry.names():
        state: State = "fail" if name == active else "note"
        instead = alone if name == active else f"remove it: {to_type(workspace, 'adapters', 'rm', name)}"
        try:
            adapter = registry.get(name)
            if adapter.base != base:
                advice = f"give its base with --base, or {instead}"
                checks.append(Check(f"adapter {name}", state, f"it belongs to the base {adapter.base}", advice))
                continue
            if name == active:
                adapters.apply(adapter, checkpoint.load(checkpoint.SHIPPED), base)
            fitting += 1
        except A2GError as error:
            checks.append(Check(f"adapter {name}", state, str(error), instead))
    if active not in {BASE, *registry.names()}:
        back = f"go back to the one before: {to_type(workspace, 'adapters', 'rollback')}"
        checks.append(Check("active adapter", "fail", f"the active adapter, {active}, does not exist", back))
    plural = "adapter fits" if fitting == 1 else "adapters fit"
    return [Check("adapters", "ok", f"{fitting} {plural} the base, active: {active}"), *checks]


def _disk(workspace: Workspace) -> list[Check]:
    folder = workspace.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{workspace.root}, {size(free)} free"
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = f"{folder} cannot be written: {error.strerror or error}"
        return [Check("workspace", "fail", why, f"chmod u+w {shlex.quote(str(folder))}, or another --workspace.")]
    closed = []
    for inside in (workspace.goals.parent, workspace.goals, workspace.sessions, workspace.adapters):
        quoted = shlex.quote(str(inside))
        if inside.exists() and not inside.is_dir():
            advice = f"move it: mv {quoted} {shlex.quote(f'{inside}.old')}; or another --workspace."
            closed.append(Check("workspace", "fail", f"{inside} is a file, but must be a folder", advice))
        elif inside.exists() and not os.access(inside, os.W_OK):
            advice = f"chmod u+w {quoted}; or another --workspace."
            closed.append(Check("workspace", "fail", f"{inside} cannot be written", advice))
    if free < _LEAST_FREE:
        advice = f"{size(_LEAST_FREE)} are necessary: free some space, or use another --workspace."
        return [Check("workspace", "fail", detail, advice), *closed]
    if free < _COMFORTABLE:
        return [Check("workspace", "note", detail, "this is enough for a few sessions only."), *closed]
    return closed or [Check("workspace", "ok", detail)]


def _settings(workspace: Workspace) -> Check:
    try:
        settings = workspace.settings()
        configuration.read(workspace)
    except A2GError as error:
        return Check("a2g.toml", "fail", str(error), "correct it (docs/hardware.md explains every key), or remove it.")
    detail = f"sets {', '.join(settings)}" if settings else "none: the simulator is the robot"
    return Check("a2g.toml", "ok", detail)


def _terminal() -> Check:
    console = stderr_console()
    if not console.is_terminal:
        return Check("terminal", "note", "none: plain lines are printed instead of live views")
    detail = f"{console.size.width}x{console.size.height}, {console.color_system or 'no'} colours, {console.encoding}"
    if not draws_images(console):
        return Check(
            "terminal",
            "note",
            f"{detail}: no images",
            "images need colours: unset NO_COLOR, or TERM=xterm-256color",
        )
    return Check("terminal", "ok", f"{detail}: draws images")
