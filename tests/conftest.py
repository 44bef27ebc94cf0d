"""What every test runs under, and what is slow to make and never changed: made once for the whole run."""

import gc
import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several workers on few cores: threads would only wait for each other
os.environ.setdefault(
    "TORCHINDUCTOR_COMPILE_THREADS", "1"
)  # else torch's compiler starts processes, which import torch
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a background job's; children, who are sent Ctrl-C, inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import in_process
import pytest
from quick import UNTIL

from a2g_cli.robots.base import Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.training import finetune_settings

MEMORY, ROOM = Path("/dev/shm"), 4 << 30  # noqa: S108 - tests make folders of their own in it
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # tests sync thousands of files, and disks are slow
finetune_settings.HELD_OUT_SAMPLES = (
    32  # of 512 the shipped base takes seconds, and no test is about how sure a loss is
)
in_process.begin()

if TYPE_CHECKING:
    from pretrain_examples import Whole

    from a2g_cli.encoding.episodes import EncodedEpisode

LONGEST = (
    *("test_improve_exploring", "test_improve_resume", "test_terminal_closes", "test_fuzz", "test_calibrate"),
    *("test_named_goals", "test_pretrain", "test_practice_judging", "test_two_at_once", "test_demonstrate"),
    *("test_version_0_1", "test_device", "test_improve_demo_replay", "test_cli_following", "test_demo"),
)
"""Files that take long begin first: begun last, one would be waited for while every other worker has nothing to do."""


def pytest_collection_finish() -> None:
    gc.freeze()  # what all tests have imported is not searched for garbage again and again


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if UNTIL not in os.environ:  # `make quick` has an order of its own
        order = {name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(scope="session")
def demonstrations(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six recordings of the simulator's expert, cut off after 15 steps, 32x32 px."""
    from a2g_cli.data.recording.writer import write_episode
    from a2g_cli.simulator.demonstrations import demonstration_episodes

    folder = tmp_path_factory.mktemp("demonstrations")
    robot = SimRobot(size=32)
    robot.connect()
    try:
        return [
            write_episode(folder / f"episode-{i:04d}.hdf5", robot.spec, episode)
            for i, episode in enumerate(demonstration_episodes(robot, 0, 0, 6, limit=15))
        ]
    finally:
        robot.close()


@pytest.fixture(scope="session")
def unskilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base without skill: its checkpoint, which nobody may change."""
    from base_examples import made

    return made(tmp_path_factory.mktemp("unskilled"))


@pytest.fixture(scope="session")
def easy(unskilled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same; by its estimate every episode reaches its goal, so that there is always something to imitate."""
    from base_examples import ALWAYS, arriving

    return arriving(unskilled, tmp_path_factory.mktemp("easy") / "base", ALWAYS)


@pytest.fixture(scope="session")
def hard(unskilled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same; by its estimate no episode ever reaches its goal."""
    from base_examples import NEVER, arriving

    return arriving(unskilled, tmp_path_factory.mktemp("hard") / "base", NEVER)


@pytest.fixture(scope="session")
def whole(demonstrations: list[Path], tmp_path_factory: pytest.TempPathFactory) -> "Whole":
    """A training run that nobody disturbed."""
    from pretrain_examples import undisturbed

    return undisturbed(tmp_path_factory.mktemp("run"), demonstrations)


@pytest.fixture(scope="session")
def practice(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[str, str], list[EncodedEpisode]]":
    """Six episodes of a scene under a shift: the expert's, who arrives; what is measured asks for no arrival."""
    from a2g_cli.data.recording.sessions import Session
    from a2g_cli.encoding.episodes import encode_episode
    from a2g_cli.models import checkpoint
    from a2g_cli.training.demonstrations import record_demonstrations

    folder = tmp_path_factory.mktemp("practice")

    @cache
    def made(scene: str, shift: str) -> "list[EncodedEpisode]":
        session = Session(folder / f"{scene}-{shift.replace(':', '-')}")
        record_demonstrations(session, scene, 50, 6, processes=1, shift=shift)
        model = checkpoint.load(checkpoint.SHIPPED)
        return [encode_episode(model, path) for path in session.recordings()]

    return made


@pytest.fixture(scope="module")
def robots() -> Iterator[list[SimRobot]]:
    made = [SimRobot(size=16) for _ in range(3)]
    for robot in made:
        robot.connect()
    yield made
    for robot in made:
        robot.close()


@pytest.fixture(scope="module")
def trials(robots: list[SimRobot]) -> list[Trial]:
    return [robots[0].trial("practice", 1, i) for i in range(5)]


@pytest.fixture
def here(tmp_path: Path, easy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the present one; no workspace is in the environment. The base that ships is a small one."""
    from a2g_cli.models import checkpoint

    monkeypatch.setattr(checkpoint, "SHIPPED", easy)
    monkeypatch.delenv("A2G_WORKSPACE", raising=False)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
