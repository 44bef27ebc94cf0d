"""What the page says of adapters: a tree of which comes from which, and two of them side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from a2g_cli.adapters.files import Adapter
from a2g_cli.adapters.registry import BASE, AdapterRegistry
from a2g_cli.core.errors import A2GError, RecordingError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import index
from a2g_cli.report.contents import AdapterCard, Card, Pair
from a2g_cli.report.episodes import Known
from a2g_cli.report.lineage import adapter_card, family
from a2g_cli.report.media import PageImage
from a2g_cli.runtime.videos import PURPOSE
from a2g_cli.view.finding import recordings_of, sessions_of
from a2g_cli.view.sessions import card

MOST_PAIRS = 12
"""Most starts that are shown for two adapters."""


MOST_DEPTH = 4
"""Deepest step to the right in the tree; a phone has no room for more."""


@dataclass(frozen=True)
class Row:
    """An adapter in the tree. Each stands below its parent; side lines stand to the right of the line that goes on."""

    card: AdapterCard
    depth: int
    active: bool


@dataclass(frozen=True)
class AdapterTree:
    """The adapters of a workspace."""

    active: str
    adapters: Mapping[str, Adapter | str]
    """By name, oldest first; of one that cannot be read, why."""
    problem: str
    """Why nobody knows which one is active; empty: it is known."""

    @property
    def names(self) -> list[str]:
        """The base policy, and all adapters, oldest first."""
        return [BASE, *self.adapters]

    def tree(self) -> list[Row]:
        """Return the adapters as rows: each below its parent, those whose parent is the base or has gone at the left."""
        below: dict[str, list[str]] = {name: [] for name in self.names}
        for name in self.adapters:
            parent = self._parent(name)
            # A damaged lineage may name a descendant as the parent.
            below[BASE if parent not in self.adapters or self._reaches(parent, name) else parent].append(name)
        rows: list[Row] = []
        waiting = [(name, 0) for name in reversed(below[BASE])]
        while waiting:
            name, depth = waiting.pop()
            rows.append(Row(adapter_card(name, self.adapters[name]), depth, name == self.active))
            # The line that goes on is the one with adapters below it, or the newest.
            line = max(below[name], key=lambda one: (bool(below[one]), below[name].index(one)), default="")
            aside = [one for one in below[name] if one != line]
            waiting += [(line, depth)] if line else []
            waiting += [(one, min(MOST_DEPTH, depth + 1)) for one in reversed(aside)]
        return rows

    def _parent(self, name: str) -> str:
        adapter = self.adapters.get(name)
        return BASE if adapter is None or isinstance(adapter, str) else str(adapter.lineage.get("parent") or BASE)

    def _reaches(self, name: str, wanted: str) -> bool:
        """Whether the ancestors of ``name``, itself included, hold ``wanted``."""
        seen: set[str] = set()
        while name in self.adapters and name not in seen:
            if name == wanted:
                return True
            seen.add(name)
            name = self._parent(name)
        return False

    def usual_pair(self) -> tuple[str, str]:
        """Return the adapters that are compared if nobody chose: the active one and its parent."""
        if self.active in self.adapters:
            return self._parent(self.active), self.active
        return BASE, self.names[-1]


def adapter_tree(workspace: Workspace) -> AdapterTree:
    """Return the adapters of the workspace."""
    registry = AdapterRegistry(workspace)
    try:
        active, problem = registry.active(), ""
    except A2GError as error:
        active, problem = BASE, str(error)
    return AdapterTree(active, family(registry, registry.names()), problem)


@dataclass(frozen=True)
class Comparison:
    """Two adapters side by side."""

    cards: Sequence[tuple[str, AdapterCard | None]]
    """(name, card); None: the base policy."""
    pairs: Sequence[Pair]
    goals: Mapping[str, PageImage]
    note: str
    problems: Sequence[str]


def compared(workspace: Workspace, adapters: AdapterTree, names: tuple[str, str]) -> Comparison:
    """Return two adapters of ``adapters`` side by side, with videos of held-out trials that both were tried on."""
    goals: dict[str, PageImage] = {}
    trials: dict[tuple[object, ...], dict[str, Card]] = {}
    problems: list[str] = []
    for session in sessions_of(workspace):
        try:
            paths = recordings_of(session.videos)
        except OSError as error:  # closed to this user
            problems.append(f"{session.videos.folder} cannot be read: {error.strerror or error}.")
            continue
        for path, facts in zip(paths, index.facts_of(session.videos.folder, paths) if paths else (), strict=True):
            if isinstance(facts, str):
                problems.append(facts)
                continue
            made = facts["provenance"]
            told, adapter = made["settings"], str(made["adapter_name"] or "")
            if adapter not in names or not isinstance(told, dict) or told.get("purpose") != PURPOSE:
                continue
            goal = facts["goal"]
            key = (
                goal["name"],
                goal["fingerprint"],
                str(made["shift"]),
                str(told.get("trials_seed")),
                _number(told.get("trial")),
            )
            try:
                trials.setdefault(key, {})[adapter] = card(
                    path, facts, goals, Known("held-out trial", policy_ends=False), True
                )
            except (RecordingError, OSError) as error:
                problems.append(str(error))
    both = [(key, sides) for key, sides in trials.items() if set(names) <= sides.keys()]
    pairs = [
        Pair(
            f"{key[0]}, shift {key[2]}, held-out start {key[4]}",
            sides[names[0]].goal_image,
            [(name, sides[name]) for name in names],
        )
        for key, sides in both[:MOST_PAIRS]
    ]
    note = (
        ""
        if pairs
        else "No held-out trial was recorded with both: practice records the first three of each goal, before and after."
    )
    if len(both) > MOST_PAIRS:
        note = f"{MOST_PAIRS} of {len(both)} starts are shown."
    cards = [
        (name, adapter_card(name, adapters.adapters[name]) if name in adapters.adapters else None) for name in names
    ]
    return Comparison(cards, pairs, goals, note, problems)


def _number(trial: object) -> str:
    """Return the number of a trial as people count, from 1."""
    return str(trial + 1) if isinstance(trial, int) else "?"
