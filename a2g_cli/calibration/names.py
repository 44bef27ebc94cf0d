"""Which parts of the domain transform a robot's names allow: calibration finds positions and displacements by their names."""

from collections.abc import Sequence
from dataclasses import dataclass

from a2g_cli.calibration.actuators import driven_names
from a2g_cli.calibration.base_pose import POSITION


@dataclass(frozen=True)
class Part:
    """One part of the domain transform."""

    name: str
    """``cameras``, ``base pose`` or ``actuators``."""
    by: tuple[str, ...]
    """The names that allow it; empty for cameras."""
    missing: str
    """What is missing, in words; empty if the part can be measured and corrected."""


def parts(actions: Sequence[str], proprioception: Sequence[str]) -> list[Part]:
    """Return the parts of the domain transform for a robot's actions and measured values.

    - Cameras need no names.
    - The base pose is measured from ``x``, ``y``, ``z``, the tool's position in the arm's frame [m], and corrected in the
      actions ``dx`` and ``dy``.
    - An actuator model needs an action ``dNAME`` for a measured value ``NAME``: a displacement per control step.
    """
    driven = driven_names(actions, proprioception)
    measured = [name for name in POSITION if name not in proprioception]
    turned = [name for name in ("dx", "dy") if name not in actions]
    lacking = []
    if measured:
        lacking.append(f"no measured value is called {_any(measured)}")
    if turned:
        lacking.append(f"no action is called {_any(turned)}")
    return [
        Part("cameras", (), ""),
        Part("base pose", POSITION, " and ".join(lacking)),
        Part("actuators", driven, "" if driven else "no action is called dNAME after a measured value NAME"),
    ]


def in_words(actions: Sequence[str], proprioception: Sequence[str]) -> tuple[str, str]:
    """Return what can be calibrated, and what cannot and why (empty if everything can be)."""
    found = parts(actions, proprioception)
    can = [part.name + (f" ({', '.join(part.by)})" if part.by else "") for part in found if not part.missing]
    return ", ".join(can), "; ".join(f"{part.name}: {part.missing}" for part in found if part.missing)


def _any(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" or {names[-1]}" if len(names) > 1 else names[0]
