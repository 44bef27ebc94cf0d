"""The report of ``a2g evaluate``: adapters side by side on the same held-out starts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from a2g_cli.adapters.registry import BASE, AdapterRegistry
from a2g_cli.core.workspace import Workspace
from a2g_cli.report import lineage, verdict
from a2g_cli.report.about import about_facts
from a2g_cli.report.contents import Page
from a2g_cli.report.episodes import Gallery
from a2g_cli.report.pairs import video_pairs
from a2g_cli.report.rounds import measured
from a2g_cli.report.session import NO_IMAGINED


def evaluation_page(
    workspace: Workspace, document: Mapping[str, Any], videos: Path, about: dict[str, Any], moment: str
) -> Page:
    """Return the report of an evaluation.

    Args:
        workspace: of the adapters.
        document: of ``a2g evaluate --json``.
        videos: folder with videos of its first trials.
        about: of ``about.py``.
        moment: when it was made, for the title.
    """
    rows: Sequence[Mapping[str, Any]] = document["results"]
    names = list(dict.fromkeys(str(row["adapter"]) for row in rows))
    gallery = Gallery()
    pairs, missing = video_pairs(
        gallery, videos, [(name, "the base policy" if name == BASE else name) for name in names]
    )
    adapters = lineage.family(AdapterRegistry(workspace), names)
    rates = [measured(row, _label(row)) for row in rows]
    total = [
        verdict.rate(
            name,
            sum(int(row["successes"]) for row in rows if row["adapter"] == name),
            sum(int(row["n"]) for row in rows if row["adapter"] == name),
            "simulator",
        )
        for name in names
    ]
    sentence, tone = verdict.compared(total)
    facts = [("robot", str(document["robot"])), ("shift", str(document["shift"])), ("seed", str(document["seed"]))]
    return Page(
        f"Evaluation {moment}",
        sentence,
        tone,
        [*facts, *about_facts(about)],
        gallery.goals,
        [one for one in rates if one is not None],
        pairs=pairs,
        pairs_note="" if pairs else "No video of a trial was made.",
        adapters=[lineage.adapter_card(name, adapter) for name, adapter in adapters.items()],
        missing=[*missing, NO_IMAGINED, "Other episodes: an evaluation keeps videos of the first trials alone."],
    )


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['goal']}, {row['adapter']}" if "goal" in row else str(row["adapter"])
