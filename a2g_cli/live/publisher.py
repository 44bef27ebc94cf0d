"""Publishes what a run does: a thread writes a few small files, four times in a second at most.

The control loop only hands over references to what it has made anyway; it never waits for a disk. The thread also looks for a
request to stop, every ``LOOK`` seconds: one look at a folder, off the control loop. Threads of Python share one interpreter:
therefore this one works in the middle of a control period, where the loop sleeps.
"""

import io
import math
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import numpy as np
import PIL.Image

from a2g_cli.core.files import replacing
from a2g_cli.core.locks import Owner
from a2g_cli.core.types import Goal, Image, Observation
from a2g_cli.core.workspace import Workspace
from a2g_cli.display.video import side_by_side
from a2g_cli.live.state import IMAGES, STATE, STOP, State, asked_to_stop, folder_of, lives

PERIOD = 0.25
"""Least time between two versions of the files [s]."""
BEAT = 1.0
"""Longest time between two versions of the state while the run goes on [s]."""
LOOK = 0.03
"""Time between two looks for a request to stop [s]: about one control period at 30 Hz."""
QUIET = 0.4
"""When the control loop sleeps, counted from the end of its last step [periods]: the next action is sent by then."""
ROWS = 240
"""Most rows of an image [px]; of a larger image every second pixel is taken, or every third, and so on."""
LINES = 8
"""Lines that the state keeps of what the run says."""
ESTIMATES = 200
"""Most estimates of steps-to-go that the state keeps of an episode."""
PLANNED = 5
"""Most imagined frames that are published of a plan."""

Images = Mapping[str, Image]


class Publisher:
    """Publishes one run while it is open. The methods that a control loop calls take microseconds, and raise nothing."""

    def __init__(
        self,
        workspace: Workspace,
        session: str,
        command: str,
        stop: Callable[[str], None],
        asked: Callable[[], str] = lambda: "",
        rate: float = 0.0,
        **known: Any,
    ) -> None:
        """Prepare it.

        Args:
            workspace: of the run.
            session: that the run records into; nobody else does so at the same time.
            command: that runs, as ``a2g run``.
            stop: is called once, in another thread, with who asked the run to stop.
            asked: returns who asked it to stop in another way, in words; empty: nobody.
            rate: of the control loop [Hz]; 0: unknown.
            **known: further fields of the ``State``.
        """
        self._workspace, self.folder = workspace, folder_of(workspace, session)
        self._owner, self._stop, self._asked = Owner.here(command), stop, asked
        self.state = State(session, command, began=time.time(), **known)
        self.tell(pid=self._owner.pid, host=self._owner.host, started=self._owner.started)
        self.problem = ""
        """Why nothing can be published; empty: it can."""
        self._images: dict[str, list[Images]] = {name: [] for name in IMAGES}
        self._written: dict[str, list[Images]] = dict(self._images)
        self._changed = True
        self._version = 0
        self._last = 0.0
        self._period = 1.0 / rate if math.isfinite(rate) and rate > 0 else 0.0
        self._moment = -math.inf  # of the last step
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="a2g live", daemon=True)
        self._part_began: tuple[float, int] = (time.monotonic(), 0)

    # -- what a run tells ----------------------------------------------------------------------------------------------

    def tell(self, **changed: Any) -> None:
        """Change fields of the state."""
        for name, value in changed.items():
            setattr(self.state, name, value)
        self._changed = True

    def began(self, goal: Goal, limit: int) -> None:
        """An episode begins, for ``goal``, of at most ``limit`` steps."""
        self._images |= {"now": [], "plan": [], "goal": [goal.images]}
        self.tell(goal=goal.name, limit=limit, step=0, steps_to_go=None, estimates=[], plan_ms=None)

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        """A plan was made in ``seconds`` [s]; if ``imagined`` is empty, the frames of the plan before are still shown."""
        if imagined:
            self.imagined(imagined)
        self._images["now"] = [observation.images]
        if math.isfinite(steps_to_go):
            kept = self.state.estimates if len(self.state.estimates) < ESTIMATES else self.state.estimates[::2]
            self.state.estimates = [*kept, [self.state.step, round(float(steps_to_go), 2)]]
        self.tell(steps_to_go=float(steps_to_go), plan_ms=round(1000 * seconds, 1))

    def imagined(self, frames: Mapping[str, Sequence[Image]]) -> None:
        """The frames (H, W, 3) that a plan imagined, by camera; from any thread."""
        count = min((len(images) for images in frames.values()), default=0)
        chosen = [round((k + 1) * count / PLANNED) - 1 for k in range(PLANNED)] if count > PLANNED else range(count)
        self._images["plan"] = [{camera: images[i] for camera, images in frames.items()} for i in chosen]
        self._changed = True

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """``step`` actions of the episode were executed."""
        self._images["now"] = [observation.images]
        self.state.step, self.state.steps_to_go = step, float(steps_to_go)
        self._moment, self._changed = time.monotonic(), True

    def part(self, title: str, total: int, done: int = 0) -> None:
        """The run begins something else, of ``total`` episodes or iterations; 0: their number is unknown."""
        self._part_began = (time.monotonic(), done)
        self.tell(part=title, total=total, done=done, part_ends=None, losses={})

    def advanced(self, done: int, **changed: Any) -> None:
        """``done`` episodes or iterations of the part are done."""
        began, first = self._part_began
        spent, made = time.monotonic() - began, done - first
        left = spent / made * max(0, self.state.total - done) if made > 0 and self.state.total else None
        self.tell(done=done, part_ends=None if left is None else time.time() + left, **changed)

    def said(self, text: str) -> None:
        """Keep a line that the run printed."""
        self.tell(lines=[*self.state.lines, text[:500]][-LINES:])

    # -- the thread ----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        with self._noting():
            for one in lives(self._workspace):  # what ended runs have left
                if not one.state.alive:
                    shutil.rmtree(one.folder, ignore_errors=True)
            if self.folder.is_symlink():  # nobody who follows would read it, and what it leads to is not a2g's
                self.folder.unlink()
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / STOP).unlink(missing_ok=True)
        self._write()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._look()
        ended = "It has ended."
        if self.state.stopping:
            ended = f"It was stopped softly: {self.state.stopping} asked for it."
        elif error is not None and not isinstance(error, KeyboardInterrupt | GeneratorExit):
            ended = f"It was stopped: {error}"[:500]
        elif error is not None:
            ended = "It was interrupted."
        self.tell(ended=ended, part_ends=None, run_ends=None)
        self._write()

    def _run(self) -> None:
        while not self._over.wait(self._pause()):
            self._look()
            now = time.monotonic()
            if now - self._last >= (PERIOD if self._changed else BEAT):
                self._last, self._changed = now, False
                self._write()

    def _pause(self) -> float:
        """Return the time until the next look [s]: about ``LOOK``, and where the control loop sleeps, if it goes on."""
        since = time.monotonic() - self._moment
        if not self._period or since > 1.0:
            return LOOK
        ahead = QUIET * self._period - since
        return ahead + max(0, math.ceil((LOOK / 2 - ahead) / self._period)) * self._period

    def _look(self) -> None:
        if self.state.stopping:
            return
        if who := self._asked():
            self.tell(stopping=who)
            return
        with suppress(OSError):  # a disk that does not answer is named when the state is written
            asked = asked_to_stop(self.folder, self._owner)
            if asked is not None:
                self.tell(stopping=asked)
                self._stop(asked)

    def _write(self) -> None:
        """Write what has changed; a disk that refuses is named in ``problem``, and the run goes on."""
        with self._noting():
            for name in IMAGES:
                images = self._images[name]
                if images is not self._written[name]:
                    # Until it is written there is none: the one before is of another moment, or of another goal.
                    self.state.images = {**self.state.images, name: 0}
                    if images:
                        self._put(f"{name}.png", png(images))
                        self._version += 1
                        self.state.images = {**self.state.images, name: self._version}
                    self._written[name] = images
            self.state.at = time.time()
            self._put(STATE, self.state.to_json().encode())

    def _put(self, name: str, data: bytes) -> None:
        try:
            self._replace(name, data)
        except FileNotFoundError:  # somebody has removed the folder
            self.folder.mkdir(parents=True, exist_ok=True)
            self._written = {other: [] for other in IMAGES}
            self._replace(name, data)

    def _replace(self, name: str, data: bytes) -> None:
        with replacing(self.folder / name) as path:
            path.write_bytes(data)

    def _noting(self) -> "_Noting":
        return _Noting(self)


class _Noting:
    """Keeps the first error of the disk instead of raising it: nobody watching is no reason to stop a robot."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if isinstance(error, OSError):
            self._publisher.problem = self._publisher.problem or f"{error.strerror or error}: {error.filename}"
            return True
        return False


def png(moments: Sequence[Images]) -> bytes:
    """Return the images of some moments as one PNG of at most ``ROWS`` rows: moment by moment, camera by camera."""
    small = [_thinned(image) for images in moments for image in images.values()]
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(side_by_side(small))).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _thinned(image: Image) -> Image:
    stride = math.ceil(image.shape[0] / ROWS)
    return image[::stride, ::stride]
