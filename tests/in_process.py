"""What would start a Python of its own to do little: done in the tests' process, or in one that lasts.

A process that imports MuJoCo, HDF5 and NumPy takes a second or two of arithmetic before it does anything, and tests would
start hundreds. ``begin`` changes that for all tests; one that is about such processes asks: ``processes_of_their_own``.
"""

import atexit
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from functools import cache
from hashlib import sha256
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer import testing

from a2g_cli.cli.commands import checkup, checkup_hardware
from a2g_cli.cli.commands.check import Check
from a2g_cli.core import plugins
from a2g_cli.core.types import Image
from a2g_cli.data.recording import verify
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.report import media
from a2g_cli.simulator import gl_check
from a2g_cli.training import demonstrations

VIEWS, DRAWING, POOL = verify._Views, checkup._drawing, demonstrations.ProcessPoolExecutor
LOAD, ENCODE = checkpoint.load, media.mp4_bytes


class Here:
    """Stands for a pool of processes: the work is done when it is handed over, and demonstrations are the same."""

    def __init__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *arguments: object) -> "Future[Any]":
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments))
        except Exception as error:
            done.set_exception(error)
        return done

    def shutdown(self, cancel_futures: bool) -> None:
        pass


@cache
def _views(_process: int) -> verify._Views:
    views = VIEWS()
    atexit.register(views._end)
    return views


def lasting_views() -> AbstractContextManager[verify._Views]:
    """The child process that checks views, one for all verifications; it is replaced if it dies, as ever."""
    return nullcontext(_views(os.getpid()))


def drawn() -> Check:
    """The doctor's image, drawn in this process."""
    found = gl_check._draw()
    return Check("simulator", "ok", f"MuJoCo {found['mujoco']}, OpenGL by {found['backend']}")


@cache
def _read(folder: Path, _content: tuple[bytes, ...]) -> Act2Goal:
    with torch.random.fork_rng(devices=[]):
        return LOAD(folder)


def loaded(folder: Path = checkpoint.SHIPPED) -> Act2Goal:
    """A copy of what was read from the same files before: to make networks takes longer than to copy them."""
    files = [folder / name for name in ("config.json", "model.safetensors")]
    if not all(file.is_file() for file in files):
        return LOAD(folder)
    torch.rand(100)  # what makes networks moves torch's random numbers on: whoever depends on them must be noticed
    return deepcopy(_read(folder.absolute(), tuple(sha256(file.read_bytes()).digest() for file in files)))


@cache
def _entry_points(_path: tuple[str, ...], group: str) -> EntryPoints:
    return entry_points(group=group)


@cache
def _a_video() -> bytes:
    return ENCODE(iter([np.zeros((16, 16, 3), np.uint8)] * 2), 10.0)


def short_video(_frames: Iterable[Image], _rate: float) -> bytes:
    """Two black frames: commands that end with a report encode every episode for it, which few tests are about."""
    return _a_video()


def begin() -> None:
    """Use these for all tests. What is the same at every call of a command is made once: its options, plugins, networks.

    The doctor writes and watches for a moment.
    """
    testing._get_command = cache(testing._get_command)  # type: ignore[attr-defined]
    plugins.entry_points = lambda group: _entry_points(tuple(sys.path), group)  # type: ignore[assignment]
    checkpoint.load = loaded
    verify._Views = lasting_views  # type: ignore[assignment,misc]
    checkup._drawing = drawn
    checkup_hardware._TRIAL_BYTES, checkup_hardware.WATCH = 2**20, 0.4
    demonstrations.ProcessPoolExecutor = Here  # type: ignore[assignment,misc]
    media.mp4_bytes = short_video  # type: ignore[assignment]


def videos_of_what_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encode the episodes of reports for one test, as the program does."""
    monkeypatch.setattr(media, "mp4_bytes", ENCODE)


def processes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use processes for one test, as the program does."""
    monkeypatch.setattr(verify, "_Views", VIEWS)
    monkeypatch.setattr(checkup, "_drawing", DRAWING)
    monkeypatch.setattr(demonstrations, "ProcessPoolExecutor", POOL)
