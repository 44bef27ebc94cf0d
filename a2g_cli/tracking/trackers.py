"""Experiment trackers that people already look at: TensorBoard, Trackio, Weights & Biases. Their libraries are extras."""

import io
import os
import shlex
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from a2g_cli.core.errors import A2GError, UnknownNameError

PROJECT = "a2g"
"""Name of the project in Trackio and Weights & Biases."""
_PATIENCE = 30
"""Longest time to wait for a server when a run starts, and when it ends [s]."""


class Tracker(Protocol):
    """Receives metrics. Every method may raise any error: whoever calls it goes on without the tracker."""

    where: str
    """In words: where a person looks."""

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Take ``values`` of a stage at one of its steps; each stage counts its own."""

    def close(self) -> None:
        """Send what is waiting, and end."""


def check_tracker(name: str | None) -> None:
    """Raise UnknownNameError for an unknown tracker, A2GError if its library is not installed; None: there is none."""
    if name is None:
        return
    if name not in TRACKERS:
        raise UnknownNameError("tracker", name, TRACKERS)
    found = find_spec(name)
    if found is None or found.origin is None:  # a folder of that name, such as W&B leaves behind, is no library
        raise A2GError(f"--log {name} needs {name}, which is not installed: pip install 'a2g[{name}]'")


def start(name: str, folder: Path, run: str, config: Mapping[str, Any]) -> Tracker:
    """Start a tracker, or go on with a run that it knows.

    Args:
        name: one of ``TRACKERS``.
        folder: of a2g's own metrics of this run; exists.
        run: a name that no other run has.
        config: what started the run, for people; JSON-able.

    Raises:
        Exception: whatever the library raises.
    """
    return TRACKERS[name](folder, run, config)


class TensorBoard:
    """Writes an event file beside a2g's own metrics."""

    def __init__(self, folder: Path, run: str, config: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), flush_secs=5)
        lines = [f"    {name}: {value}" for name, value in config.items()]
        self._writer.add_text("run", "\n".join([run, "", *lines]))
        self.where = f"TensorBoard: tensorboard --logdir {shlex.quote(str(folder))}"

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        for name, value in values.items():
            self._writer.add_scalar(f"{stage}/{name}", value, step)

    def close(self) -> None:
        """Write what is waiting."""
        self._writer.close()


class Trackio:
    """Writes into Trackio's own folder on this machine; ``trackio show`` opens it."""

    def __init__(self, folder: Path, run: str, config: Mapping[str, Any]) -> None:
        del folder
        with redirect_stdout(io.StringIO()):  # it says how to look at it, as `where` does
            import trackio

            self._run: Any = trackio.init(
                PROJECT, run, resume="allow", config=dict(config), auto_log_gpu=False, auto_log_cpu=False, embed=False
            )
        self.where = f"Trackio: trackio show --project {PROJECT}"

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Add a row."""
        self._run.log({f"{stage}/{name}": value for name, value in values.items()}, step=step)

    def close(self) -> None:
        """Write what is waiting."""
        import trackio

        with redirect_stdout(io.StringIO()):
            trackio.finish()  # ends the run, and with it what would speak at the end of the program


class WandB:
    """Sends to Weights & Biases; with ``WANDB_MODE=offline`` it writes into the folder, for ``wandb sync``."""

    def __init__(self, folder: Path, run: str, config: Mapping[str, Any]) -> None:
        import wandb

        offline = os.environ.get("WANDB_MODE") in {"offline", "disabled", "dryrun"}
        if not offline and not wandb.api.api_key:  # else it would ask in the middle of the live view
            raise A2GError("no account is known: `wandb login` asks for one, WANDB_MODE=offline needs none")
        # What a2g prints is no output of the run, and nobody waits longer than this for a server.
        settings = wandb.Settings(
            console="off", silent=True, init_timeout=_PATIENCE, finish_timeout=_PATIENCE, finish_timeout_raises=True
        )
        self._run: Any = wandb.init(
            project=PROJECT,
            name=run,
            id=run[-64:],
            resume="allow",
            dir=str(folder),
            config=dict(config),
            settings=settings,
        )
        self._stages: set[str] = set()
        here = shlex.quote(str(Path(self._run.dir).parent))
        self.where = f"Weights & Biases: {f'wandb sync {here}' if offline else self._run.url}"

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Send a row; each stage's curves are drawn against its own steps."""
        axis = f"{stage}/step"
        if stage not in self._stages:
            self._run.define_metric(axis)
            self._run.define_metric(f"{stage}/*", step_metric=axis)
            self._stages.add(stage)
        self._run.log({**{f"{stage}/{name}": value for name, value in values.items()}, axis: step})

    def close(self) -> None:
        """Send what is waiting."""
        self._run.finish()


TRACKERS: Mapping[str, Callable[[Path, str, Mapping[str, Any]], Tracker]] = {
    "tensorboard": TensorBoard,
    "trackio": Trackio,
    "wandb": WandB,
}
"""Name of ``--log``, which is that of the library -> what starts it."""
