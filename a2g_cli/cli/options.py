"""The options that several commands share: each is declared here once, with its name, its help and its panel.

Options of a training, of acting and of practice come from their settings dataclasses: ``cli/from_settings.py``.
"""

from pathlib import Path
from typing import Annotated

import typer

MANY = 1_000_000
"""Maximum number of episodes or trials in one command."""

# Panels of a command's help. Options without a panel are those that people use first.
PRACTICE = "Practice"
SAFETY = "Safety"
HARDWARE = "Hardware"
LEARNING = "Learning"
EXPERIMENTS = "Experiments"
GENERAL = "General"

Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="DIR",
        help="Folder with recordings/ and adapters/.  [default: $A2G_WORKSPACE, else the current folder]",
        rich_help_panel=GENERAL,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.", rich_help_panel=GENERAL)]
Robot = Annotated[
    str | None,
    typer.Option("--robot", metavar="NAME", help="Robot driver.  [default: that of a2g.toml, else the simulator]"),
]
Scene = Annotated[
    str | None, typer.Option("--scene", metavar="NAME", help="Scene of the simulator: place (default), plug or write.")
]
Shift = Annotated[
    str | None,
    typer.Option(
        "--shift",
        metavar="NAME[:STRENGTH]",
        help="Change the simulated scene so that it differs from training: camera-bump, base-pose, lighting, actuator-gain, "
        "combined (these four together), new-object, or unseen (objects or words that no demonstration shows). STRENGTH: "
        "0 to 2, default 1.",
    ),
]
Base = Annotated[
    Path | None,
    typer.Option(
        "--base",
        metavar="DIR",
        help="Checkpoint of the base policy.  [default: the one that comes with a2g]",
        rich_help_panel=LEARNING,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed", metavar="N", min=0, help="Random seed of starts, goals and noise.", rich_help_panel=EXPERIMENTS
    ),
]
NewSeed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        help="Random seed of starts, goals and noise; the same seed repeats the same episodes.  "
        "[default: the first that no recording of the workspace has]",
        rich_help_panel=EXPERIMENTS,
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        metavar="NAME",
        help="Adapter to act with; base (no adapter), random and still (does nothing) are baselines.  "
        "[default: the active adapter]",
    ),
]
Session = Annotated[
    str | None,
    typer.Option("--session", metavar="NAME", help="Name of the new session of recordings.", rich_help_panel=PRACTICE),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        metavar="N",
        min=1,
        help="Longest episode, in actions.  [default: the scene's own limit]",
        rich_help_panel=PRACTICE,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Safety = Annotated[
    list[str] | None,
    typer.Option(
        "--safety",
        metavar="KEY=VALUE",
        help="Change a safety limit; repeatable. Examples: frame_age=0.3, workspace_low.z=0.02, max_speed.x=0.5. "
        "docs/safety.md lists them.",
        rich_help_panel=SAFETY,
    ),
]
DeadmanKey = Annotated[
    str | None,
    typer.Option(
        "--deadman-key",
        metavar="KEY",
        help="Move only while this key is held down: one character, space, enter or tab.",
        rich_help_panel=SAFETY,
    ),
]
Camera = Annotated[
    list[str] | None,
    typer.Option(
        "--camera",
        metavar="NAME=DRIVER:ADDRESS",
        help="Add a camera; repeatable. Examples: front=realsense:SERIAL, front=opencv:/dev/video0, front=images:FOLDER; "
        "settings follow, as in ,width=640,rate=30.  [default: [cameras.NAME] of a2g.toml]",
        rich_help_panel=HARDWARE,
    ),
]
Judge = Annotated[
    str,
    typer.Option(
        "--judge",
        metavar="WHO",
        help="Who decides about success: truth (the simulator), policy (its steps-to-go), distance (between latents of the "
        "last frame and the goal), person (asked for a key), none; auto: truth in the simulator if the goal's state is "
        "known, else policy.",
        rich_help_panel=PRACTICE,
    ),
]
