"""Write ``tests/data/version-0.1``: what version 0.1 left on disk, and what it answered when it was asked about it.

It has to run on the commit f5fea6f, the last one of version 0.1: it kills runs in the middle by names of that commit.
It is kept for the record; no later version needs it.

    PYTHONHASHSEED=0 python tests/data/make_version_0_1.py [WORK]    # WORK keeps the base for another time

Made again, the files hold the same but for the moments that HDF5 keeps in its headers, and so but for hashes of recordings,
by which the episodes that adapting holds out are drawn: files and answers belong together.

Three things are not as a user would have them, so that the files stay small and the same every time: times are those of a
clock that stands still, the tool's reader is trained on the very bench that it is used on (a network as small as this one
learns no better), and the numbers of the training state and of the base are rounded to few bits.
"""

import json
import lzma
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import PIL.Image
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

import version_0_1_examples as asking  # noqa: E402
from a2g_cli.commands import improve as improving  # noqa: E402
from a2g_cli.commands.deployment import Deployment  # noqa: E402
from a2g_cli.episode import Episode  # noqa: E402
from a2g_cli.learning.adapt import AdaptSettings, adapt  # noqa: E402
from a2g_cli.learning.latents import encode_frames  # noqa: E402
from a2g_cli.learning.practised import picked, read  # noqa: E402
from a2g_cli.learning.pretrain import Pretraining  # noqa: E402
from a2g_cli.learning.promotion import Decision, record_decision  # noqa: E402
from a2g_cli.learning.watcher import Unwatched  # noqa: E402
from a2g_cli.policy import adapter as adapters  # noqa: E402
from a2g_cli.policy import checkpoint, home, movements, retention  # noqa: E402
from a2g_cli.policy.calibration import Mount  # noqa: E402
from a2g_cli.policy.tool_reader import ToolReader  # noqa: E402
from a2g_cli.recording.reader import Recording, read_episode  # noqa: E402
from a2g_cli.recording.writer import RecordingWriter, write_episode  # noqa: E402
from a2g_cli.session import improve as rounds  # noqa: E402
from a2g_cli.session.endings import RolloutSettings  # noqa: E402
from a2g_cli.session.exploring import Explorer  # noqa: E402
from a2g_cli.session.improve import ImproveSettings  # noqa: E402
from a2g_cli.session.making import Maker  # noqa: E402
from a2g_cli.session.practice import Practice  # noqa: E402
from a2g_cli.workspace import Workspace  # noqa: E402
from cli_examples import a2g, ask  # noqa: E402
from recording_examples import DONE, PROVENANCE, TINY, actions, goal, observation  # noqa: E402

from a2g_cli.robots.sim import SimRobot  # noqa: E402
from a2g_cli.simulator.demonstrations import demonstration_episodes  # noqa: E402

SIZE, BENCH = 32, "other-bench:1"
SETTINGS = {"scene": "plug", "size": SIZE}
A2G_TOML = """\
[robot]
driver = "sim"
scene = "plug"
size = 32
shift = "relit:0.3"

[safety]
frame_age = 2.0
frozen_frames = 60
missed_deadlines = 10
episode_seconds = 120.0
disk_floor_gb = 0.05
workspace_low = { x = 0.0, z = -0.05 }
workspace_high = { z = 0.4 }
max_step = { opening = 1.1 }
max_speed = { x = 2.0, y = 2.0, z = 2.0, opening = 20.0 }

[goals]
names = ["drawn", "photo"]
"""


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class Still(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: Any = None) -> "Still":
        return cls(2026, 1, 1, tzinfo=tz or UTC)


@contextmanager
def standing_still() -> Iterator[None]:
    names = ("a2g_cli.recording.writer", "a2g_cli.goals", "a2g_cli.learning.adapt")
    held = [patch(f"{name}.datetime", Still) for name in names]
    held.append(patch("a2g_cli.session.planner.time", SimpleNamespace(perf_counter=lambda: 0.0)))
    for one in held:
        one.start()
    try:
        yield
    finally:
        for one in held:
            one.stop()


def killed(work: Callable[[], Any]) -> None:
    try:
        work()
    except Killed:
        return
    raise AssertionError("it was to be killed")


def demonstrate(folder: Path, count: int, first: int = 0, limit: int | None = None) -> None:
    robot = SimRobot(scene="plug", size=SIZE, disturbance=1.0)
    robot.connect()
    more = {} if limit is None else {"limit": limit}
    for i, episode in enumerate(demonstration_episodes(robot, 0, first, count, **more)):
        if len(episode) and (limit or (episode.outcome is not None and episode.outcome.success)):
            write_episode(folder / f"episode-{i:04d}.hdf5", robot.spec, episode)
    robot.close()


def make_base(work: Path) -> None:
    """Train a base that reaches most goals at home, in some minutes, unless ``work`` has it; trim what lies beside it."""
    made = work / "base"
    if not (made / "checkpoint" / "movements.safetensors").exists():
        demonstrate(work / "recordings/sessions/plug", 200)
        words = ("--preset", "micro", "--iterations", 2000, "--autoencoder-iterations", 500, "--batch", 32)
        ask(work, "pretrain", "plug", *words, "--out", made)
    shutil.copytree(made / "checkpoint", work / "workspace" / "base")
    folder = work / "workspace" / "base"
    movements.save(movements.of_base(folder)[:5], folder)
    kept = retention.of_base(folder)
    assert kept is not None
    kept.take(torch.arange(0, 256, 6)).save(folder)
    config = json.loads((folder / "config.json").read_text())
    config["facts"] |= {"seconds": 1.0, "command": "a2g pretrain plug", "machine": "one core"}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "README.md").unlink()
    path = folder / "model.safetensors"
    save_file({name: rounded(value, torch.int16, 5) for name, value in load_file(path).items()}, path)


def take_goals(workspace: Path) -> None:
    robot = SimRobot("plug", size=48)
    robot.connect()
    shown = {"photo.png": robot.trial("practice", 5, 0).goal.images["front"]}
    shown["pictures/home/a.png"] = robot.observe().images["front"]
    robot.close()
    robot = SimRobot("plug", shift=BENCH, size=48)
    robot.connect()
    shown["pictures/bench/a.png"] = robot.observe().images["front"]
    robot.close()
    for name, image in shown.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(image).save(workspace / name)
    ask(workspace, "capture-goal", "drawn", "--seed", 5)
    ask(workspace, "capture-goal", "photo", "--from-image", workspace / "photo.png")


def record(workspace: Path) -> None:
    sessions = workspace / "recordings" / "sessions"
    base = ("--base", workspace / "base", "--adapter", "none")
    a2g(workspace, "run", "drawn", *base, "--episodes", 3, "--steps", 6, "--seed", 3, "--session", "monday")
    words = ("--episodes", 2, "--steps", 2, "--reset", "home", "--session", "tuesday")
    a2g(workspace, "run", "drawn", *base, *words)
    ask(workspace, "capture-goal", "achieved", "--from-recording", "monday/episode-0000")
    cut = read_episode(sessions / "monday" / "episode-0000.hdf5")
    with Recording(sessions / "monday" / "episode-0000.hdf5") as whole:
        spec = whole.spec
    writer = RecordingWriter(
        sessions / "monday" / "episode-0007.hdf5", spec, cut.goal, cut.provenance, cut.observations[0]
    )
    for i in range(3):
        writer.append(cut.requested[i], cut.sent[i], cut.observations[i + 1])
    writer.abandon()
    deep = replace(TINY, depth=("front",))

    def seen(index: int) -> Any:
        depth = np.random.default_rng(index).integers(0, 65536, TINY.cameras["front"], np.uint16)
        return replace(observation(index, spec=TINY), depth={"front": depth})

    episode = Episode(goal(spec=TINY), PROVENANCE, [seen(0)], outcome=DONE)
    for index in range(3):
        episode.append(*actions(index, spec=TINY), seen(index + 1))
    write_episode(sessions / "depth" / "episode-0000.hdf5", deep, episode)
    demonstrate(sessions / "demonstrations", 5, first=500, limit=8)


def stop_pretraining(workspace: Path) -> None:
    """Stop a training in the middle of the policy's first stage, and round the state that it leaves."""
    due = patch.object(Pretraining, "_due", lambda self, stage, i: stage.name != "autoencoder" and i == 4)
    with due, patch("a2g_cli.commands.pretrain.checkpoint.save", side_effect=Killed):
        killed(lambda: _raised(workspace))
    folder = workspace / "training" / "run"
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    path = folder / "state.safetensors"
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["a2g_training"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    facts["seconds"] = 1.0
    for name, value in tensors.items():
        if value.dtype == torch.float32 and ".autoencoder." not in name:  # whose hash the latents are kept by
            tensors[name] = rounded(value, torch.int32, 19)
    save_file(tensors, path, metadata={"a2g_training": json.dumps(facts)})


def rounded(value: torch.Tensor, bits: torch.dtype, zeros: int) -> torch.Tensor:
    """Return floats whose last ``zeros`` bits are none: what is packed then is half as large."""
    return (value.contiguous().view(bits) & -(1 << zeros)).view(value.dtype)


def _raised(workspace: Path) -> None:
    out = workspace / "training" / "run"
    result = a2g(workspace, "pretrain", "demonstrations", *asking.RUN, "--out", out)
    if result.exception is not None:
        raise result.exception


def begin(workspace: Path, name: str, settings: ImproveSettings, **where: Any) -> None:
    deployment = Deployment("sim", {**SETTINGS, **where})
    asked = improving.Asked(deployment, (), workspace / "base", settings, 1)
    improving.improve(Workspace(workspace), asked, name)


def rehearse(workspace: Path) -> None:
    """An improvement run that remembers movements, killed while its second candidate is compared."""
    learned = AdaptSettings(keep="all", rank=1, iterations=6, lr=5e-3, calibrate="off", held_out=1e-3)
    settings = ImproveSettings(
        rounds=2, episodes=2, seed=7, rehearse=2, rollout=RolloutSettings(limit=12), adapt=learned
    )
    roll = Practice.roll

    def dying(self: Practice, name: str, number: int, stage: int, *rest: Any) -> int:
        done = roll(self, name, number, stage, *rest)
        if (number, stage) == (1, 1):
            raise Killed
        return done

    with patch.object(rounds, "COMPARED", 1), patch.object(Practice, "roll", dying):
        killed(lambda: begin(workspace, "rehearsed", settings, shift="remounted:0.5"))
    progress = json.loads((workspace / "recordings/sessions/rehearsed/improve.json").read_text())
    rename(workspace, progress["rounds"][0]["candidate"], "rehearsed-1")
    rename(workspace, progress["rounds"][1]["candidate"], "rehearsed-2")


def rename(workspace: Path, old: str, new: str) -> None:
    """Give an adapter a name that tells people where it is from."""
    (workspace / "adapters" / old).rename(workspace / "adapters" / new)
    for path in [*workspace.glob("adapters/*/lineage.json"), *workspace.glob("recordings/sessions/*/improve.json")]:
        path.write_text(path.read_text().replace(f'"{old}"', f'"{new}"'))
    active = workspace / "adapters" / "active.json"
    if active.exists():
        active.write_text(active.read_text().replace(f'"{old}"', f'"{new}"'))


def explore(workspace: Path) -> None:
    """An improvement run that tries where the arm stands, killed before the last of three guesses was tried."""
    settings = ImproveSettings(
        rounds=1,
        episodes=3,
        seed=7,
        explore=3,
        rollout=RolloutSettings(limit=28),
        adapt=AdaptSettings(keep="all", rank=1, iterations=2),
    )
    with patch.object(Maker, "candidate", side_effect=Killed):
        killed(lambda: begin(workspace, "explored", settings, shift=BENCH))
    teach_reader(workspace / "base", sorted((workspace / "recordings/sessions/explored").glob("*.hdf5")))
    attempt = Explorer._try

    def dying(self: Explorer, *given: Any) -> None:
        attempt(self, *given)
        raise Killed

    with patch.object(Explorer, "_try", dying):
        killed(lambda: improving.resume(Workspace(workspace), "explored", {}))
    folder = workspace / "recordings/sessions/explored"
    progress = json.loads((folder / "improve.json").read_text())
    assert len(progress["rounds"][0]["explored"]) == 3
    (folder / progress["rounds"][0]["explored"][-1]).unlink()


def teach_reader(base: Path, paths: list[Path]) -> None:
    """Train the base's reader of the tool on a bench where it is asked later, and on what the mount really is there."""
    from a2g_cli.learning.calibrate import calibrate

    model, known = checkpoint.load(base), home.of_base(base)
    assert known is not None
    practised = [read(model, path) for path in paths]
    found = calibrate(model, known, practised)
    assert found.views
    here, there = (SimRobot("plug", shift=shift, size=SIZE) for shift in (BENCH, "none"))
    frames, places = [], []
    here.connect()
    there.connect()
    for one in practised:
        frames.append(found.frames("front", one.sample[:, 0]))
        measured = one.whole.proprioception[picked(int(one.whole.length.sum())), :3].double().numpy()
        places += [there.tabletop.to_base(here.tabletop.to_table(row)) for row in measured]
    here.close()
    there.close()
    latents = encode_frames(model, torch.cat(frames).numpy())[:, None].float()
    wanted = torch.tensor(np.array(places), dtype=torch.float32)
    torch.manual_seed(0)
    reader = ToolReader(model.config.latent_channels, 1)
    reader.mean.copy_(wanted.mean(0))
    reader.std.copy_(wanted.std(0).clamp(min=1e-3))
    optimiser = torch.optim.AdamW(reader.parameters(), lr=3e-3)
    for _ in range(1500):
        loss = functional.smooth_l1_loss(reader(latents), wanted, beta=1e-3)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    replace(known, reader=reader).save(base)


def learn(workspace: Path) -> None:
    """Make an adapter of each kind; what is active changes with them."""
    base = (
        "--base",
        workspace / "base",
        "--keep",
        "all",
        "--rank",
        1,
        "--iterations",
        12,
        "--lr",
        0.02,
        "--parent",
        "none",
    )
    ask(workspace, "adapt", "monday", "demonstrations", *base, "--calibrate", "off", "--name", "imitated")
    ask(workspace, "adapters", "promote", "imitated")
    more = ("--method", "dora", "--placement", "expert", "--mix", 0.5, "--demonstrations", "demonstrations")
    ask(workspace, "adapt", "monday", *base, "--calibrate", "off", *more, "--no-promote", "--name", "dora")
    ask(workspace, "adapt", "explored", *base, "--name", "calibrated")
    folder = workspace / "base"
    parent = adapters.read(workspace / "adapters" / "calibrated")
    assert parent.calibration.views, "the cameras"
    assert parent.calibration.motors, "the motors"
    calibration = replace(parent.calibration, mount=Mount(0.2, (0.01, -0.03, 0.0), (0.35, 0.02, 0.1)))
    model = checkpoint.load(folder)
    practised = [
        read(model, path, calibration) for path in sorted((workspace / "recordings/sessions/explored").glob("e*.hdf5"))
    ]
    made = workspace / "adapters" / "mounted"
    settings = AdaptSettings(keep="all", rank=1, iterations=10, lr=0.02)
    adapt(
        checkpoint.load(folder),
        checkpoint.fingerprint(folder),
        parent,
        practised,
        made,
        settings,
        Unwatched(),
        calibration=calibration,
        retention=retention.of_base(folder),
    )
    record_decision(adapters.read(made), Decision(True, "arrived 6 times, its parent 1 times", {"won": 5.0}))
    ask(workspace, "adapters", "promote", "none")
    ask(workspace, "adapters", "promote", "mounted")


def finish(workspace: Path) -> None:
    """Let nothing tell when, how fast and where all this was made."""
    for path in workspace.rglob("*.json"):
        if path.name == "index.json":
            path.unlink()
            continue
        text = path.read_text().replace(str(workspace), asking.HERE)
        path.write_text(re.sub(r'"((?:rollout_|adapt_)?seconds)": [0-9.e+-]+', r'"\1": 1.0', text))
    recordings = sorted((workspace / "recordings" / "sessions").rglob("*.hdf5"))
    for number, path in enumerate(recordings):
        os.utime(path, ns=(1_767_225_600_000_000_000 + number,) * 2)
    for session in sorted((workspace / "recordings" / "sessions").iterdir()):
        ask(workspace, "recordings", "list", session.name)
    for path in (workspace / "training/run/state.safetensors", workspace / "base/model.safetensors"):
        path.with_name(f"{path.name}.xz").write_bytes(lzma.compress(path.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
        path.unlink()
    for path in [*workspace.glob("adapters/.*.lock"), workspace / "training/run/state.tmp"]:
        path.unlink(missing_ok=True)


def write_settings(folder: Path) -> None:
    """Write files that hold every key, of every driver."""
    folder.mkdir(parents=True)
    beside = """
[cameras.front]
driver = "realsense"
serial = "827112072833"
width = 640
height = 480
rate = 30
depth = true
exposure = 8000.0
gain = 16.0
white_balance = 4500.0
lock = true
warm_up = 1.0
crop = "480x480+80+0"
size = "64x64"

[cameras.wrist]
driver = "opencv"
device = "/dev/video0"
width = 640
height = 480
rate = 30.0
fourcc = "MJPG"
exposure = 100.0
gain = 1.0
white_balance = 4500.0
focus = 10.0
lock = true
size = "64x64"

[cameras.played]
driver = "images"
path = "."
rate = 30.0
loop = true
size = "64x64"

[cameras.drawn]
driver = "sim"
view = "side"
shift = "camera-bump:1.0"
scene = "plug"

[safety]
workspace_low = { x = 0.05 }
workspace_high = { x = 0.75 }
max_step = { opening = 1.1 }
max_speed = { x = 1.0 }
frame_age = 0.3
frozen_frames = 20
missed_deadlines = 3
episode_seconds = 60.0
disk_floor_gb = 0.1
hold_key = "space"

[goals]
names = ["cup", "plate"]
"""
    robots = {
        "sim": 'driver = "sim"\nscene = "write"\nshift = "weak-motors:0.5"\nseed = 3\ncameras = ["front"]\n'
        "size = 48\ndisturbance = 0.5\n",
        "gym": 'driver = "gym:Pendulum-v1"\noptions = { g = 9.81 }\nrate = 20.0\nsize = [64, 64]\n'
        'proprioception = ["cos", "sin", "speed"]\nseed = 1\n',
        "lerobot": 'driver = "lerobot:so101_follower"\nrate = 30.0\nsize = [64, 64]\nlow = { shoulder_pan = -90.0 }\n'
        'high = { shoulder_pan = 90.0 }\nunits = { shoulder_pan = "deg" }\nhome = { shoulder_pan = 0.0 }\n'
        'config = { port = "/dev/ttyACM0", id = "mine" }\n',
    }
    for name, text in robots.items():
        (folder / f"{name}.toml").write_text(f"[robot]\n{text}{beside}")


def check(acted: dict[str, list[list[float]]]) -> None:
    """See to it that who acts, and on what, is told by the actions: else they would prove nothing."""
    for one, ours in acted.items():
        for other, theirs in acted.items():
            apart = float(np.abs(np.subtract(ours, theirs)).max())
            alike = {one, other} == {
                "none home",
                "calibrated home",
            }  # who carries a calibration acts as the base at home
            assert one == other or alike == (apart < 1e-3), (one, other, apart)


def main() -> None:
    """Make the workspace, then ask version 0.1 about it."""
    torch.set_num_threads(1)
    work = Path(sys.argv[1] if len(sys.argv) > 1 else "/tmp/version-0.1").resolve()  # noqa: S108 - only what can be made again
    workspace, data = work / "workspace", asking.DATA
    for folder in (workspace, data):
        shutil.rmtree(folder, ignore_errors=True)
    workspace.mkdir(parents=True)
    with standing_still():
        make_base(work)
        (workspace / "a2g.toml").write_text(A2G_TOML)
        take_goals(workspace)
        record(workspace)
        stop_pretraining(workspace)
        rehearse(workspace)
        explore(workspace)
        learn(workspace)
        finish(workspace)
    shutil.copytree(workspace, data / "workspace")
    write_settings(data / "settings")
    (data / "adapters.json").write_text(
        json.dumps(["rehearsed-1", "rehearsed-2", "imitated", "dora", "calibrated", "mounted"])
    )
    (data / "options.json").write_text(json.dumps(asking.surface(), indent=1) + "\n")
    answers = {}
    questions: dict[str, Callable[[Path], Any]] = {
        "looked at": asking.looked_at,
        "changed": asking.changed,
        "acted": lambda folder: {f"{name} {where}": asking.acted(folder, name, where) for name, where in asking.ACTING},
        "adapted": asking.adapted,
        "rehearsed": lambda folder: asking.resumed(folder, "rehearsed"),
        "explored": lambda folder: asking.resumed(folder, "explored"),
        "pretrained": asking.pretrained,
        "understood": asking.understood,
    }
    for name, question in questions.items():
        folder = work / "asked" / name.replace(" ", "-")
        shutil.rmtree(folder, ignore_errors=True)
        answers[name] = question(asking.unpack(folder))
    check(answers["acted"])
    (data / "answers.json").write_text(json.dumps(answers) + "\n")


if __name__ == "__main__":
    main()
