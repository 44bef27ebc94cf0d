"""The limits that the guards of ``runtime/safety`` hold: the section ``[safety]`` of ``a2g.toml``, with its defaults.

Dimensions go by the names of the robot's spec. A name that is both measured and commanded, as a joint's angle often is,
is held to the same limit on both sides. Dimensions that are left out have what the guards derive from the spec alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SafetyLimits:
    """What stops a robot. Every guard is on unless it is said otherwise here."""

    workspace_low: Mapping[str, float] = field(default_factory=dict)
    """Name of a proprioception or an action -> least value, in its unit; a name left out has the spec's own limit."""
    workspace_high: Mapping[str, float] = field(default_factory=dict)
    """Name of a proprioception or an action -> greatest value, in its unit; a name left out has the spec's own limit."""
    max_step: Mapping[str, float] = field(default_factory=dict)
    """Name of a proprioception or an action -> greatest change within one control period, in its unit."""
    max_speed: Mapping[str, float] = field(default_factory=dict)
    """Name of a proprioception -> greatest measured speed, in its unit a second."""
    frame_age: float = 0.5
    """Oldest frame that may be acted on [s]."""
    frozen_frames: int = 10
    """Observations in a row with the same bytes of a camera, while the robot moves, that make it a frozen one; 0 never."""
    missed_deadlines: int = 5
    """Control periods in a row that may be missed before the robot is stopped; 0 is none."""
    episode_seconds: float = 600.0
    """Longest time that an episode may take [s], whatever its limit in steps."""
    disk_floor_gb: float = 1.0
    """Least free space on the recordings' disk when an episode starts [GB]."""
    hold_key: str | None = None
    """Key that a person must hold down for the robot to move, as ``--deadman-key`` names it; None for no such key."""
