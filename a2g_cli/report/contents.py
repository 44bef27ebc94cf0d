"""What a report shows: the types that ``templates/report.html`` reads. Texts are escaped there, not here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from a2g_cli.report.charts import Chart, Curve
from a2g_cli.report.imagined import Comparison
from a2g_cli.report.media import PageImage


@dataclass(frozen=True)
class Rate:
    """One measured success rate."""

    label: str
    successes: int
    n: int
    low: float
    high: float
    judge: str

    @property
    def rate(self) -> float:
        """Share of successes; 0 for n = 0."""
        return self.successes / self.n if self.n else 0.0


@dataclass(frozen=True)
class Claim:
    """What somebody says of an episode: whether it reached its goal."""

    who: str
    says: bool | None
    words: str = ""


@dataclass(frozen=True)
class Card:
    """One episode in the gallery."""

    name: str
    goal: str
    goal_image: str
    """Key in ``Page.goals``."""
    stage: str
    round: int | None
    adapter: str
    steps: int
    seconds: float | None
    verdict: bool | None
    """Of the best that there is: simulator, environment or person; then the judge of practice; None: nobody knows."""
    claims: Sequence[Claim]
    ending: str
    last: PageImage
    video: str | None
    no_video: str
    """Why there is no video."""
    curve: Curve | None
    imagined: Sequence[Comparison] = ()
    """What the policy imagined, plan by plan, above what really happened."""

    @property
    def disagreement(self) -> bool:
        """Whether two that judged the episode say different things."""
        return len({claim.says for claim in self.claims if claim.says is not None}) > 1

    @property
    def frame(self) -> str:
        """Class of the card: ``good``, ``bad`` or ``unknown``."""
        return {True: "good", False: "bad", None: "unknown"}[self.verdict]

    @property
    def said(self) -> str:
        """The verdict in a word."""
        return {True: "success", False: "no success", None: "not judged"}[self.verdict]


@dataclass(frozen=True)
class Pair:
    """Episodes from the same start, side by side: before and after practice, or of several adapters."""

    title: str
    goal_image: str
    sides: Sequence[tuple[str, Card]]


@dataclass(frozen=True)
class AdapterCard:
    """One adapter in the lineage."""

    name: str
    parent: str
    gate: str
    """``promoted``, ``not promoted``, ``not tested`` or ``removed``."""
    reason: str
    created: str
    facts: Sequence[tuple[str, str]]
    losses: Chart | None = None


@dataclass(frozen=True)
class Measurement:
    """The measured domain transform."""

    adapter: str
    words: str
    numbers: Sequence[tuple[str, str]]
    images: Sequence[tuple[PageImage, str]]
    note: str = ""


@dataclass(frozen=True)
class Stop:
    """A stop by a guard or a failure."""

    where: str
    words: str


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    verdict: str
    tone: str
    """``good``, ``bad`` or ``open``."""
    facts: Sequence[tuple[str, str]]
    """What ran: command, versions, seeds, machine."""
    goals: Mapping[str, PageImage]
    """Key -> goal photo; every card names one."""
    rates: Sequence[Rate] = ()
    charts: Sequence[Chart] = ()
    pairs: Sequence[Pair] = ()
    pairs_note: str = ""
    cards: Sequence[Card] = ()
    cards_note: str = ""
    adapters: Sequence[AdapterCard] = ()
    measurements: Sequence[Measurement] = ()
    forgetting: Sequence[tuple[str, str, str, str]] = ()
    """(what, before, after, difference)"""
    stops: Sequence[Stop] = ()
    missing: Sequence[str] = field(default_factory=list)
    """What the report would show, had it been kept, one sentence each."""
