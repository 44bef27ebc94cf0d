"""What stops a robot: every guard, for every robot, on unless it is said otherwise. ``docs/safety.md`` lists them."""

CAUSES = (
    "action-not-finite",
    "action-range",
    "action-jump",
    "workspace",
    "jump",
    "speed",
    "reading-not-finite",
    "stale-frame",
    "frozen-frame",
    "missed-deadline",
    "episode-time",
    "disk-floor",
    "hold-released",
)
"""The guards' names, as a recording's ``stopped_by`` keeps them."""
