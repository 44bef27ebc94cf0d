"""The limits of the guards in ``runtime/safety``: the section ``[safety]`` of ``a2g.toml``, with its defaults.

Dimensions have the names of the robot's spec. If a name is both measured and commanded, as a joint's angle often is, its
limit holds for both. For the other dimensions, the guards derive limits from the spec.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SafetyLimits:
    """The limits at which a robot is stopped. Every guard is on by default."""

    workspace_low: Mapping[str, float] = field(default_factory=dict)
    """Name of a proprioception or an action -> least value, in its unit; for other names, the spec's limit holds."""
    workspace_high: Mapping[str, float] = field(default_factory=dict)
    """Name of a proprioception or an action -> greatest value, in its unit; for other names, the spec's limit holds."""
    max_step: Mapping[str, float] = field(default_factory=dict)
    """Name of a proprioception or an action -> greatest change within one control period, in its unit."""
    max_speed: Mapping[str, float] = field(default_factory=dict)
    """Name of a proprioception -> greatest measured speed, in its unit per second."""
    frame_age: float = 0.5
    """Oldest frame that the robot may act on [s]."""
    frozen_frames: int = 10
    """A camera is frozen after so many observations in a row with the same bytes while the robot moves; 0 for never."""
    missed_deadlines: int = 5
    """Control periods in a row that may be missed before the robot is stopped; 0 for none."""
    episode_seconds: float = 600.0
    """Longest time of an episode [s], independent of its limit in steps."""
    disk_floor_gb: float = 1.0
    """Least free space on the recordings' disk when an episode starts [GB]."""
    hold_key: str | None = None
    """Key that a person must hold down while the robot moves, as ``--deadman-key`` names it; None for no key."""
