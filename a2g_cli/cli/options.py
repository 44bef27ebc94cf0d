"""The options that several commands share, so that they read and mean the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

MANY = 1_000_000
"""Most episodes, trials or denoising steps that are asked for at once."""

Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace", metavar="DIR", help="Folder with recordings/ and adapters/; else $A2G_WORKSPACE, else here."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]
Robot = Annotated[
    str | None, typer.Option("--robot", metavar="NAME", help="Robot driver; else a2g.toml's, else the simulator.")
]
Scene = Annotated[str | None, typer.Option("--scene", metavar="NAME", help="Scene of the simulator.")]
Shift = Annotated[
    str | None,
    typer.Option(
        "--shift",
        metavar="NAME[:STRENGTH]",
        help="Deploy the simulator otherwise than it was demonstrated: camera-bump, remounted, new-object, relit, "
        "weak-motors, or other-bench: all but the object at once.",
    ),
]
Base = Annotated[Path | None, typer.Option("--base", metavar="DIR", help="Base checkpoint; else the shipped one.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of starts, goals and noise.")]
Adapter = Annotated[
    str | None,
    typer.Option("--adapter", metavar="NAME", help="Adapter, or none, random, still; else the active one."),
]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Most actions in an episode; else the scene's own limit.")
]
Execute = Annotated[
    int | None,
    typer.Option("--execute", metavar="N", min=1, help="Actions executed before the next plan; else 4."),
]
Ahead = Annotated[
    float | None,
    typer.Option(
        "--ahead",
        metavar="PERIODS",
        min=0.0,
        help="How early the next plan is asked for, in control periods; at 0 the robot waits for it. Else 0.5.",
    ),
]
ActionSteps = Annotated[
    int | None,
    typer.Option("--action-steps", metavar="N", min=1, max=MANY, help="Denoising steps over a plan's actions; else 5."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Safety = Annotated[
    list[str] | None,
    typer.Option(
        "--safety",
        metavar="KEY=VALUE",
        help="A limit of the guards, repeatable: frame_age=0.3, workspace_low.z=0.02, max_speed.x=0.5, …: docs/safety.md.",
    ),
]
Hold = Annotated[
    str | None,
    typer.Option(
        "--hold", metavar="KEY", help="Move only while this key is held down: one character, space, enter or tab."
    ),
]
Camera = Annotated[
    list[str] | None,
    typer.Option(
        "--camera",
        metavar="NAME=DRIVER:ADDRESS",
        help="A camera, repeatable: front=realsense:SERIAL, front=opencv:/dev/video0, front=images:FOLDER; settings follow "
        "as ,width=640,rate=30. Else [cameras.NAME] of a2g.toml.",
    ),
]
Judge = Annotated[
    str,
    typer.Option(
        "--judge",
        metavar="WHO",
        help="Who says whether an episode reached its goal: truth (a simulator's), policy (steps-to-go), distance (to the "
        "goal in the world model's latents), person (asked for a key), none; auto: truth where it is known, else policy.",
    ),
]
Calibrate = Annotated[
    str | None,
    typer.Option(
        "--calibrate",
        metavar="HOW",
        help="What practice measured of camera, light, mount and motors: apply (while acting), teach (to the LoRA weights) "
        "or off.  [default: apply]",
    ),
]
Retain = Annotated[
    float | None,
    typer.Option(
        "--retain",
        metavar="WEIGHT",
        min=0.0,
        help="Hold what the world model makes of now and goal to what the base makes of them.  [default: 0]",
    ),
]
Mix = Annotated[
    float | None,
    typer.Option("--mix", metavar="SHARE", help="Share of every batch that is of --demonstrations.  [default: 0]"),
]
Demonstrations = Annotated[
    list[str] | None,
    typer.Option("--demonstrations", metavar="SESSION", help="Sessions or recordings to mix in, repeatable."),
]
