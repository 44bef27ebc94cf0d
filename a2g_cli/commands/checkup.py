"""The checks of ``a2g doctor``: each looks at one thing and says what is so, and what to do where it is not well."""

import errno
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from a2g_cli import drivers
from a2g_cli.display.console import draws_pictures, stderr_console
from a2g_cli.display.listing import size
from a2g_cli.errors import A2GError, CheckpointError, HardwareError
from a2g_cli.workspace import Workspace

State = Literal["ok", "note", "fail"]
"""``note``: something optional is missing."""

_LEAST_FREE = 200 * 2**20
_COMFORTABLE = 2 * 2**30
_PACKAGES = ("numpy", "h5py", "safetensors", "peft", "pillow", "rich", "av")
_NO_PATIENCE = 120.0
_DRAWS = "install libegl1 (or libosmesa6, and set MUJOCO_GL=osmesa), then try again."


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    detail: str
    """What is so."""
    advice: str = ""
    """What to do about it; empty where nothing is to be done."""
    hardware: bool = False
    """Whether a failure means that the machine, not the installation, lacks something: exit code 3."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return asdict(self)


def every_check(workspace: Workspace) -> Iterator[Check]:
    """Look at everything, one after another; a check that breaks is a failure like any other."""
    checks: list[tuple[str, Callable[[], Check | list[Check]]]] = [
        ("python", _python),
        ("packages", _packages),
        ("torch", _torch),
        ("simulator", _drawing),
        ("base", _base),
        ("workspace", lambda: _disk(workspace)),
        ("a2g.toml", lambda: _settings(workspace)),
        ("robots", lambda: _drivers("robot")),
        ("cameras", lambda: _drivers("camera")),
        ("realsense", _realsense),
        ("terminal", _terminal),
    ]
    for name, check in checks:
        try:
            found = check()
        except Exception as error:  # whatever is broken here is what the doctor was called for
            found = Check(
                name, "fail", f"{type(error).__name__}: {error}", "reinstall a2g: pip install --force-reinstall a2g"
            )
        yield from found if isinstance(found, list) else [found]


def _python() -> Check:
    detail = f"{sys.version.split()[0]} in {sys.prefix}"
    if sys.version_info < (3, 11):  # noqa: UP036 - the doctor is called where something is not as it should be
        return Check("python", "fail", detail, "a2g needs Python 3.11 or newer.")
    return Check("python", "ok", detail)


def _packages() -> Check:
    found, missing = [], []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        return Check("packages", "fail", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Check("packages", "ok", ", ".join(found))


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
    command = [sys.executable, "-m", "a2g_cli.simulator.drawing_check"]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=_NO_PATIENCE, check=False)  # noqa: S603 - our own
    except subprocess.TimeoutExpired:
        return Check("simulator", "fail", f"no picture came within {_NO_PATIENCE:g} s", _DRAWS, hardware=True)
    try:
        found = json.loads(child.stdout)
    except ValueError:
        last = child.stderr.strip().splitlines()[-1:] or [f"the drawing process ended with {child.returncode}"]
        return Check("simulator", "fail", last[0], _DRAWS, hardware=True)
    if "error" in found:
        problem, _, advice = str(found["error"]).partition("; ")
        return Check("simulator", "fail", problem, advice or _DRAWS, hardware=True)
    drawn = f"MuJoCo {found['mujoco']}, OpenGL by {found['backend']}"
    renderer = f" ({found['renderer']})" if found["renderer"] else ""
    return Check("simulator", "ok", f"{drawn}{renderer}, a picture takes {found['milliseconds']:g} ms")


def _base() -> Check:
    from a2g_cli.policy import checkpoint
    from a2g_cli.robots.sim import SimRobot

    again = "reinstall a2g; or train one, a2g pretrain --scene place, and give it with --base training/base/checkpoint"
    try:
        fingerprint = checkpoint.fingerprint(checkpoint.SHIPPED)
        config, _ = checkpoint.read_config(checkpoint.SHIPPED)
        model = checkpoint.load(checkpoint.SHIPPED)
        checkpoint.check_fits(config, SimRobot().spec)
    except CheckpointError as error:
        return Check("base", "fail", str(error), again)
    count = sum(parameter.numel() for parameter in model.parameters())
    return Check("base", "ok", f"{fingerprint}, {count / 1e6:.1f} million weights, fits the simulator")


def _disk(workspace: Workspace) -> Check:
    folder = workspace.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{workspace.root}, {size(free)} free"
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        for inside in (workspace.goals.parent, workspace.goals, workspace.sessions, workspace.adapters):
            if inside.exists() and not (inside.is_dir() and os.access(inside, os.W_OK)):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(inside))
    except OSError as error:
        where = error.filename or folder
        return Check("workspace", "fail", f"{where} cannot be written", "choose another folder with --workspace.")
    if free < _LEAST_FREE:
        return Check(
            "workspace", "fail", detail, f"{size(_LEAST_FREE)} are needed: free some, or --workspace elsewhere."
        )
    if free < _COMFORTABLE:
        return Check("workspace", "note", detail, "that is enough for some sessions only.")
    return Check("workspace", "ok", detail)


def _settings(workspace: Workspace) -> Check:
    try:
        settings = workspace.settings()
    except A2GError as error:
        return Check("a2g.toml", "fail", str(error), "correct or remove the file.")
    detail = f"sets {', '.join(settings)}" if settings else "none: the simulator is the robot"
    return Check("a2g.toml", "ok", detail)


def _drivers(kind: drivers.Kind) -> list[Check]:
    name = f"{kind}s"
    known = drivers.known(kind)
    if "sim" not in known:
        return [Check(name, "fail", f"the built-in {kind} sim is not registered", "reinstall a2g: pip install a2g")]
    works, broken = [], []
    for driver in known:
        try:
            drivers.load(kind, driver)
            works.append(driver)
        except (HardwareError, AttributeError) as error:
            needed: State = "fail" if driver == "sim" else "note"
            broken.append(Check(f"{kind} {driver}", needed, str(error), "install that package to use this driver."))
    return [Check(name, "ok", ", ".join(works) or "none"), *broken]


def _realsense() -> Check:
    try:
        importlib.import_module("pyrealsense2")
    except ModuleNotFoundError:
        return Check(
            "realsense", "note", "pyrealsense2 is not installed", "for RealSense cameras: pip install 'a2g[realsense]'"
        )
    except ImportError as error:
        return Check(
            "realsense", "note", f"pyrealsense2 does not load: {error}", "install libusb: apt install libusb-1.0-0"
        )
    return Check("realsense", "ok", f"pyrealsense2 {version('pyrealsense2')}")


def _terminal() -> Check:
    console = stderr_console()
    if not console.is_terminal:
        return Check("terminal", "note", "none: plain lines instead of live views")
    detail = f"{console.size.width}x{console.size.height}, {console.color_system or 'no'} colours, {console.encoding}"
    if not draws_pictures(console):
        return Check(
            "terminal",
            "note",
            f"{detail}: no pictures",
            "pictures need colours: unset NO_COLOR, or TERM=xterm-256color",
        )
    return Check("terminal", "ok", f"{detail}: draws pictures")
