"""A small practice session on disk, made without a robot, and a reader of the page that is made of it."""

from collections import Counter
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from cli_examples import shelve
from recording_examples import TINY, actions, extend, goal, imagined, observation, start

from a2g_cli.core.types import Episode, Outcome, Provenance
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import Session
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.improvement.state import Round, RoundState, RunState
from a2g_cli.robots.base import Trial
from a2g_cli.runtime.evaluation import Result
from a2g_cli.runtime.videos import PURPOSE, video_name

EVIL = "<img src=x onerror=alert(1)>"
"""As a goal, a session, an adapter's reason or a note may be called."""
STEPS = 4
ESTIMATES = ((0, 9.0), (2, 4.0), (4, 1.0))


def put(
    path: Path, success: bool | None, stopped_by: str = "steps", name: str = "cup", adapter: str = "base", **more: Any
) -> Path:
    """Write an episode of ``STEPS`` steps.

    ``more`` are fields of its outcome, ``settings`` of its provenance, or ``imagines``: whether it keeps imagined frames.
    """
    imagines = more.pop("imagines", False)
    settings = more.pop("settings", {})
    judge = "none" if success is None else more.pop("judge", "truth")
    outcome = Outcome(success, judge, stopped_by, 1.0, estimates=ESTIMATES, **more)
    provenance = Provenance("sim:place", "act2goal", "lighting:1", "b" * 16, None, adapter, 7, settings)
    made = Episode(replace(goal(0, TINY), name=name), provenance, [observation(0, 0, TINY)], outcome=outcome)
    for index in range(STEPS):
        made.append(*actions(index, 0, TINY), observation(index + 1, 0, TINY))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not imagines:
        return write_episode(path, TINY, made)
    with start(path, spec=TINY, goal_=made.goal, provenance=provenance) as writer:
        for step in (0, 2):
            writer.imagine(imagined(step))
        extend(writer, STEPS, spec=TINY)
        return writer.finish(outcome)


def practised(
    root: Path,
    name: str = "monday",
    goal_name: str = "cup",
    reason: str = "New adapter 4/4, old 1/4",
    imagines: bool = False,
) -> Session:
    """Put a run of one round into a workspace: three practice episodes, one of the gate, two videos of one start."""
    workspace = Workspace(root)
    session = Session(workspace.sessions / name)
    told: dict[str, Any] = {"name": goal_name, "imagines": imagines}
    put(session.folder / "episode-0000.hdf5", success=True, stopped_by="arrived", **told)
    put(session.folder / "episode-0001.hdf5", success=False, stopped_by="arrived", **told)
    put(session.folder / "episode-0002.hdf5", success=False, stopped_by="action-jump", **told)
    put(
        session.folder / "episode-0003.hdf5",
        success=True,
        stopped_by="arrived",
        name=goal_name,
        imagines=imagines,
        adapter="adapter-001",
    )
    trial = Trial("evaluation", 0, 0, {}, replace(goal(0, TINY), name="cup"))
    for adapter in ("base", "adapter-001"):
        settings = {"purpose": PURPOSE, "trial": 0, "trials_seed": 0}
        path = session.videos.folder / video_name(trial, adapter)
        put(path, adapter != "base", "success", goal_name, adapter, settings=settings, imagines=imagines)
    losses = {"first": 2.0, "last": 0.5, "retention_before": 0.4, "retention_after": 0.5}
    promotion = {"promoted": True, "reason": reason, "measured": {}}
    curve = [[1, 2.0], [50, 1.0], [100, 0.5]]
    shelve(root, "adapter-001", promotion=promotion, losses=losses, loss_curve=curve, seconds=3.0)
    done = Round(3, 1, 60.0, 30.0, True, "adapter-001", reason, 1, 1.0)
    judged = {
        "episode-0000.hdf5": True,
        "episode-0001.hdf5": True,
        "episode-0002.hdf5": False,
        "episode-0003.hdf5": True,
    }
    practice = [f"episode-000{i}.hdf5" for i in range(3)]
    one = RoundState("base", practice, "adapter-001", ["episode-0003.hdf5"], done, judge="photo judge", judged=judged)
    measured = {f"{what}{moment}": row for what in (f"goal {goal_name} ", "") for moment, row in _rows().items()}
    measured |= {f"home {moment}": row for moment, row in _rows(before=10, after=8).items()}
    asked = {"goals": [goal_name], "base": None, "base_hash": "b" * 16, "evaluation_seed": 0, "settings": {"seed": 7}}
    asked["deployment"] = {"robot": "sim", "settings": {"shift": "lighting:1"}}
    about = {"command": f"a2g improve {goal_name}", "a2g": "0.2.0", "machine": "a machine"}
    RunState(session, asked, measured, [one], about=about).save()
    return session


def _rows(before: int = 1, after: int = 10) -> dict[str, dict[str, Any]]:
    return {
        "before": Result("base", 10, before, 1.0).to_json(),
        "after": Result("adapter-001", 10, after, 1.0).to_json(),
    }


VOID = {"meta", "img", "link", "input", "br", "hr"}


@dataclass
class Element:
    """One element of a page."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class ReadPage(HTMLParser):
    """A page, read by the standard library's parser, which closes nothing by itself."""

    elements: list[Element] = field(default_factory=list)
    words: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        last = self._open.pop()
        assert last.tag == tag, f"{last.tag} is closed by {tag}"

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._open:
            self._open[-1].text += data

    def close(self) -> None:
        super().close()
        assert not self._open, [one.tag for one in self._open]

    def of(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements of a kind, with these attributes."""
        return [
            one
            for one in self.elements
            if one.tag == tag and all(one.attributes.get(name) == value for name, value in attributes.items())
        ]

    def having(self, word: str) -> list[Element]:
        """Return the elements with this class."""
        return [one for one in self.elements if word in one.attributes.get("class", "").split()]


def read(text: str) -> ReadPage:
    """Return a page; its tags have to be balanced, and no identifier may occur twice."""
    page = ReadPage()
    page.feed(text)
    page.close()
    found = Counter(one.attributes["id"] for one in page.elements if "id" in one.attributes)
    assert max(found.values()) == 1, found
    return page
