"""Every reader of files from elsewhere, each with a sound example to spoil. A new reader joins by a line in ``TARGETS``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exchange_examples import aloha_file, in_memory, robomimic_file
from fuzz_worker import Target
from hdf5_examples import (
    aloha as aloha_of_act,
)
from hdf5_examples import (
    as_the_standard_says,
    bounded,
    growing,
    isaac_lab,
    robosuite,
    unlimited,
    video,
    write_vlen,
)
from recording_examples import DONE, extend, goal, imagined, start

from a2g_cli.core.types import Outcome
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats import aloha, lerobot, lerobot_read, registry, rerun, rerun_read, robomimic
from a2g_cli.data.formats.importing import bring_in
from a2g_cli.data.goals import load_goal, save_goal
from a2g_cli.data.recording import storage
from a2g_cli.data.recording.assemble import assemble
from a2g_cli.data.recording.reader import Recording, read_episode
from a2g_cli.data.recording.sessions import Session
from a2g_cli.data.recording.views import problems
from a2g_cli.improvement.state import Round, RoundState, RunState, load

EARLY = (aloha, lerobot_read, rerun_read)
"""Imported by the formats when they are first asked for, which would be while a reader is watched."""


def _recording(folder: Path) -> Path:
    with start(folder / "a.hdf5") as writer:
        writer.imagine(imagined(0))
        extend(writer, 4)
        return writer.finish(DONE)


def _read(path: Path) -> None:
    read_episode(path)
    with Recording(path) as recording, storage.reading(path):
        for plan in recording.imagined:
            plan.frames()


def _partial(folder: Path) -> None:
    writer = start(folder / "a.hdf5")
    extend(writer, 2)
    writer.imagine(imagined(2))
    extend(writer, 2)
    writer.abandon()


def _salvage(folder: Path) -> None:
    assemble(folder / "a.hdf5.partial", folder / "made.hdf5", Outcome(None, "none", "salvaged"))
    _read(folder / "made.hdf5")


def _import(source: Path) -> None:
    bring_in(Workspace(source.parent / "workspace"), source, registry.detect(source), "it")


def _rerun(folder: Path) -> None:
    """What ``rerun_read.read`` does, without the process that reads each file before."""
    path = folder / "set" / "episode-0000.rrd"
    with storage.reading(path):
        in_memory(rerun_read.episode(path))


def _of_any_length(folder: Path) -> None:
    def change(file: Any) -> None:
        write_vlen(file["observations/images"], "top", [as_the_standard_says(frame) for frame in video(6)])

    aloha_of_act(folder / "episode_0.hdf5", change=change, images=False)


def _exported(module, name: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        module.write([_recording(folder)], folder / name)
        (folder / "a.hdf5").unlink()

    return make


def _goal(folder: Path) -> Path:
    return save_goal(Workspace(folder), goal())


def _progress(folder: Path) -> None:
    made = Round(4, 4, 1.5, 2.5, True, "adapter-001", "it arrived more often", 2, 0.5)
    rounds = [RoundState("base", ["episode-0000"], "adapter-001", ["episode-0001"], made), RoundState("adapter-001")]
    RunState(Session(folder), {"seed": 0}, {"before": {}}, rounds).save()


def _toml(folder: Path) -> None:
    text = '[robot]\ndriver = "sim"\nscene = "place"\nrates = [1, 2.5]\n[camera.front]\nsize = {w = 64, h = 64}\n'
    (folder / "a2g.toml").write_text(text)


# -- those that need torch ----------------------------------------------------------------------------------------------


def _checkpoint(folder: Path) -> None:
    from policy_examples import network

    from a2g_cli.models import checkpoint

    checkpoint.save(network(), folder, "# card\n", {"arrived_below": 2.2})


def _load_checkpoint(folder: Path) -> None:
    from a2g_cli.models import checkpoint

    checkpoint.load(folder)
    checkpoint.arrived_below(folder)
    checkpoint.fingerprint(folder)


def _retention(folder: Path) -> None:
    from policy_examples import network, retention

    _checkpoint(folder)
    retention(network()).save(folder)


def _load_retention(folder: Path) -> None:
    from a2g_cli.training import retention_set

    retention_set.load_retention_set(folder)


def _movements(folder: Path) -> None:
    import torch
    from policy_examples import network

    from a2g_cli.demo_replay import trajectory

    _checkpoint(folder)
    config = network().config
    p, a = len(config.proprioception_names), len(config.action_names)
    trajectory.save_trajectories(
        [trajectory.Trajectory(torch.rand(n + 1, p), torch.rand(n, a), "sim:a") for n in (3, 2)], folder
    )


def _load_movements(folder: Path) -> None:
    from a2g_cli.demo_replay import trajectory

    trajectory.load_trajectories(folder)


def _adapter(folder: Path) -> None:
    import torch
    from cli_examples import shelve
    from safetensors.torch import save_file

    made = shelve(folder, "adapter-001")
    weights = {f"base_model.model.x.lora_{part}.weight": torch.zeros(2, 4) for part in "AB"}
    save_file(weights, made / "adapter_model.safetensors")
    (folder / "adapters" / "active.json").write_text(json.dumps({"history": ["adapter-001", "base", "adapter-001"]}))


def _load_adapter(folder: Path) -> None:
    from a2g_cli.adapters import files
    from a2g_cli.adapters.registry import AdapterRegistry

    registry = AdapterRegistry(Workspace(folder))
    registry.active()
    found = registry.get("adapter-001")
    files.weights(found)
    found.fingerprint  # noqa: B018 - reads


def _state(folder: Path) -> None:
    import torch

    from a2g_cli.training.state import TrainingState

    TrainingState("world", 3, 1.5, {"seed": 0}, {"model.x": torch.zeros(3)}, {"a": 0.5}, []).write(
        folder / "state.safetensors"
    )


def _read_state(folder: Path) -> None:
    from a2g_cli.training.state import TrainingState

    TrainingState.read(folder / "state.safetensors")


HDF5 = ("*.hdf5",)

TARGETS = (
    Target("recording", _recording, lambda folder: _read(folder / "a.hdf5")),
    Target("recording's views", _recording, lambda folder: problems(folder / "a.hdf5"), isolated=True),
    Target("partial", _partial, _salvage),
    Target("goal", _goal, lambda folder: load_goal(Workspace(folder), "cup-on-plate")),
    Target("progress", _progress, lambda folder: load(Session(folder))),
    Target("a2g.toml", _toml, lambda folder: Workspace(folder).settings()),
    Target("robomimic", lambda folder: robomimic_file(folder / "a.hdf5"), lambda folder: _import(folder / "a.hdf5")),
    Target("robomimic of ours", _exported(robomimic, "x.hdf5"), lambda folder: _import(folder / "x.hdf5")),
    Target(
        "aloha", lambda folder: aloha_file(folder / "episode_0.hdf5"), lambda folder: _import(folder / "episode_0.hdf5")
    ),
    Target(
        "aloha packed",
        lambda folder: aloha_file(folder / "episode_0.hdf5", compress=True),
        lambda folder: _import(folder / "episode_0.hdf5"),
    ),
    Target(
        "aloha growing",
        lambda folder: growing(folder / "episode_0.hdf5", bounded, compression="gzip"),
        lambda folder: _import(folder / "episode_0.hdf5"),
    ),
    Target(
        "aloha growing, 1.8",
        lambda folder: growing(folder / "episode_0.hdf5", unlimited, libver=("v108", "v108")),
        lambda folder: _import(folder / "episode_0.hdf5"),
    ),
    Target("aloha of any length", _of_any_length, lambda folder: _import(folder / "episode_0.hdf5")),
    Target("isaac lab", lambda folder: isaac_lab(folder / "a.hdf5"), lambda folder: _import(folder / "a.hdf5")),
    Target("depth", lambda folder: robosuite(folder / "a.hdf5"), lambda folder: _import(folder / "a.hdf5")),
    Target("aloha of ours", _exported(aloha, "set"), lambda folder: _import(folder / "set")),
    Target("lerobot", _exported(lerobot, "set"), lambda folder: _import(folder / "set")),
    Target("rerun", _exported(rerun, "set"), _rerun, isolated=True),
    Target("checkpoint", _checkpoint, _load_checkpoint, ("config.json", "model.safetensors"), torch=True),
    Target("retention", _retention, _load_retention, ("retention.safetensors",), torch=True),
    Target("movements", _movements, _load_movements, ("movements.safetensors",), torch=True),
    Target("adapter", _adapter, _load_adapter, torch=True),
    Target("training state", _state, _read_state, torch=True),
)
