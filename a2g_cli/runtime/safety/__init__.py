"""The guards that stop a robot; on by default for every robot. ``docs/safety.md`` lists them."""

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
"""Names of the guards, as in ``stopped_by`` of a recording."""
