"""LeRobot's registries of robots and teleoperators, their settings, and the limits and names of an arm's numbers."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from a2g_cli.core.errors import HardwareError, UnknownNameError, UsageError

INSTALL = "pip install 'a2g[lerobot]'"


@dataclass(frozen=True)
class Family:
    """One of LeRobot's registries of devices."""

    word: str
    """``"robot"`` or ``"teleoperator"``: the package ``lerobot.WORDs``, its maker ``make_WORD_from_config``."""
    config: str
    """The class whose subclasses are the registry."""
    table: str
    """The table of ``a2g.toml`` with the settings."""
    others: tuple[str, ...] = ()
    """Modules whose devices are settings of this family's."""
    plugins: tuple[str, ...] = ()
    """Prefixes of third-party packages; importing one registers its devices."""


ROBOTS = Family(
    "robot",
    "RobotConfig",
    "robot",
    ("lerobot.cameras.opencv", "lerobot.cameras.realsense"),
    ("lerobot_robot_", "lerobot_camera_"),
)
TELEOPERATORS = Family("teleoperator", "TeleoperatorConfig", "teleoperator", plugins=("lerobot_teleoperator_",))


@dataclass(frozen=True)
class Dimension:
    """One number of an action, or of proprioception."""

    name: str
    unit: str
    low: float = 0.0
    high: float = 0.0


def make(kind: str, settings: dict[str, Any], family: Family = ROBOTS) -> Any:
    """Return LeRobot's device of type ``kind``, not open; LeRobot's own decoder reads the settings.

    Raises:
        HardwareError: LeRobot, or a package that this device needs, is not installed.
        UnknownNameError: LeRobot and its plugins know no such device.
        UsageError: settings that LeRobot refuses.
    """
    package = f"lerobot.{family.word}s"
    try:
        import draccus

        config_class = getattr(importlib.import_module(f"{package}.config"), family.config)
        maker = getattr(importlib.import_module(f"{package}.utils"), f"make_{family.word}_from_config")
    except ImportError as error:
        there = importlib.util.find_spec("lerobot") is not None
        if there and error.name and error.name.partition(".")[0] != "lerobot":
            lacks = f"LeRobot is installed, but its dependency {error.name} is missing"
        else:
            lacks = "LeRobot is installed, but cannot be imported" if there else "LeRobot is not installed"
        raise HardwareError(f"{family.word} 'lerobot:{kind}': {lacks}: {INSTALL} ({error}).") from error
    failed = _register(family, config_class, kind)
    if kind not in config_class.get_known_choices():
        hint = f"Not importable here: {'; '.join(failed)}." if failed else ""
        raise UnknownNameError(f"LeRobot {family.word}", kind, config_class.get_known_choices(), hint)
    if "type" in settings:
        raise UsageError(
            f"[{family.table}.config] holds a type: give it as driver = 'lerobot:TYPE' under [{family.table}]."
        )
    try:
        config = draccus.decode(config_class, {"type": kind, **settings})
    except Exception as error:  # draccus raises many kinds of errors
        raise UsageError(f"LeRobot refuses the settings of {kind}: {' '.join(str(error).split())}") from error
    try:
        return maker(config)
    except (ImportError, ModuleNotFoundError) as error:
        raise HardwareError(f"lerobot:{kind} needs a package that is not installed: {error}") from error
    except Exception as error:
        raise UsageError(f"LeRobot cannot make {kind}: {' '.join(str(error).split())}") from error


def _register(family: Family, registry: Any, kind: str) -> list[str]:
    """Import the packages that may register ``kind``; return those that cannot be imported, and why."""
    package = importlib.import_module(f"lerobot.{family.word}s")
    own = [f"{package.__name__}.{found.name}" for found in pkgutil.iter_modules(package.__path__) if found.ispkg]
    names = {str(found.metadata["Name"] or "").replace("-", "_") for found in metadata.distributions()}
    plugins = sorted(name for name in names if family.plugins and name.startswith(family.plugins))
    failed = []
    for module in [*family.others, *plugins, *own]:
        if module in own and kind in registry.get_known_choices():
            break  # an arm must not need the packages of other arms
        try:
            importlib.import_module(module)
        except Exception as error:  # importing other people's code can raise anything
            failed.append(f"{module} ({' '.join(str(error).split()) or type(error).__name__})")
    return failed


def actions_of(
    robot: Any, low: Mapping[str, float], high: Mapping[str, float], units: Mapping[str, str]
) -> list[Dimension]:
    """Return the numbers of an action. Raises UsageError if limits are missing, HardwareError without calibration."""
    known = joints(robot)
    names = _numbers(robot.action_features)
    _check_names(names, low, high)
    found, open_ended = [], []
    for name in names:
        own = known.get(name)
        if own is None and (name not in low or name not in high):
            open_ended.append(name)
            continue
        own = own or Dimension(name, "1")
        least, most = float(low.get(name, own.low)), float(high.get(name, own.high))
        if not least < most:
            raise UsageError(f"the limits of {name} are {least:g} to {most:g}: the first must be the lesser.")
        found.append(Dimension(name, units.get(name, own.unit), least, most))
    if open_ended:
        raise UsageError(
            f"LeRobot has no limits for {', '.join(open_ended)}: set low and high for each under [robot], "
            f"as in low = {{ {_quoted(open_ended[0])} = -1.0 }}."
        )
    return found


def measured_of(robot: Any, units: Mapping[str, str]) -> list[Dimension]:
    """Return the numbers of proprioception."""
    known = joints(robot)
    return [
        Dimension(name, units.get(name, known[name].unit if name in known else "1"))
        for name in _numbers(robot.observation_features)
    ]


def image_sizes(robot: Any) -> dict[str, tuple[int, int]]:
    """Return camera -> (height, width) of the robot's own cameras; other arrays, such as depth, are not used."""
    features = robot.observation_features.items()
    return {
        name: (int(shape[0]), int(shape[1]))
        for name, shape in features
        if isinstance(shape, tuple) and len(shape) == 3 and shape[2] == 3
    }


def _numbers(features: Mapping[str, Any]) -> list[str]:
    return [name for name, kind in features.items() if kind in {float, int}]


def _check_names(names: list[str], low: Mapping[str, float], high: Mapping[str, float]) -> None:
    for name in [*low, *high]:
        if name not in names:
            raise UnknownNameError("action", name, names)


def _quoted(name: str) -> str:
    return name if name.replace("_", "").isalnum() else f'"{name}"'


def joints(robot: Any, prefix: str = "") -> dict[str, Dimension]:
    """Return the calibrated range of every motor on a robot's or a leader arm's bus, or on the buses of its arms.

    Raises:
        HardwareError: the arm was never calibrated.
    """
    bus = getattr(robot, "bus", None)
    if bus is None:
        arms = {side: getattr(robot, f"{side}_arm", None) for side in ("left", "right")}
        return {name: one for side, arm in arms.items() if arm for name, one in joints(arm, f"{prefix}{side}_").items()}
    if not robot.calibration:
        raise HardwareError(
            f"{robot.name} has no calibration at {robot.calibration_fpath}: run lerobot-calibrate with this arm's type, "
            f"port and id ({robot.id}), or set id to a calibrated arm's."
        )
    return {f"{prefix}{name}.pos": _range(bus, name, f"{prefix}{name}.pos") for name in bus.motors}


def _range(bus: Any, motor: str, name: str) -> Dimension:
    """Return a motor's range in the unit that LeRobot normalises it to (lerobot/motors/motors_bus.py)."""
    mode = bus.motors[motor].norm_mode.name
    if mode == "DEGREES":
        ends, steps = bus.calibration[motor], bus.model_resolution_table[bus.motors[motor].model] - 1
        reach = (ends.range_max - ends.range_min) / 2 * 360 / steps
        return Dimension(name, "deg", -reach, reach)
    if mode == "RANGE_0_100":
        return Dimension(name, "%", 0.0, 100.0)
    return Dimension(name, "%", -100.0, 100.0)


@contextmanager
def calling_lerobot(what: str) -> Iterator[None]:
    """Turn any error of LeRobot's code into a HardwareError that begins with ``what``."""
    try:
        yield
    except Exception as error:
        raise HardwareError(f"{what}: {words_of(error)}") from error


def words_of(error: BaseException) -> str:
    """Return an error's text on one line; its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
