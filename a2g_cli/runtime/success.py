"""The judges that come with a2g: they decide about success by ground truth, the policy's estimate, a distance or a person.

Judges are plugins: each is a ``JudgeFactory`` in the entry-point group ``a2g.judges``.
"""

from dataclasses import replace

from a2g_cli.core import plugins
from a2g_cli.core.errors import PluginError, UsageError
from a2g_cli.core.types import Goal, Observation, Outcome, is_judge_name
from a2g_cli.models.checkpoint import SLACK
from a2g_cli.runtime.judge import Ask, FrameScorer, JudgeContext, JudgeFactory, Judgement

NEAR = 0.9
"""The judge ``distance`` says success below this share of the distance at the start. The best bound differs: 0.35 to 0.53 in
the training domain, about 1.1 under shifts. docs/judges.md says how often this one is right."""


def check_judge(name: str) -> str:
    """Return ``name``. Raises UnknownNameError or PluginError if there is no such judge, or it cannot be imported."""
    plugins.load("judge", name)
    return name


def make_judge(judge: str, scorer: FrameScorer | None, arrived_below: float, ask: Ask | None = None) -> Judgement:
    """Return the judge with the name ``judge``.

    If there is a scorer, its steps-to-go and distance are recorded with every episode, whichever judge decides.

    Args:
        judge: a plugin's name.
        scorer: of the policy whose episodes are judged; None: a baseline, which has none.
        arrived_below: steps-to-go below which the base considers a goal reached [steps].
        ask: for the judge ``person``.

    Raises:
        UnknownNameError: no such judge.
        PluginError: it cannot be imported, or fails.
        UsageError: the judge needs a scorer or a person, and there is none.
    """
    factory: JudgeFactory = plugins.load("judge", judge)
    what, built_in = f"judge {judge!r}", plugins.is_built_in(factory)
    with plugins.calling(what, "its call", built_in, PluginError):
        decide = factory(JudgeContext(scorer, arrived_below, ask))

    def judgement(outcome: Outcome, goal: Goal, first: Observation, last: Observation) -> Outcome:
        if scorer is not None:
            estimate = scorer.score(first, last, goal)
            outcome = replace(outcome, steps_to_go=estimate.steps_to_go, distance=estimate.distance)
        with plugins.calling(what, "its judgement", built_in, PluginError):
            judged = decide(outcome, goal, first, last)
            if judged.success not in (True, False, None) or not is_judge_name(judged.judge):
                raise PluginError(f"{what} gave success {judged.success!r} by {judged.judge!r}: not a judgement.")
        return judged

    return judgement


def auto(context: JudgeContext) -> Judgement:
    """What the simulator or the environment says, otherwise ``policy``; what the robot says for a policy without a base."""
    by_policy = None if context.scorer is None else policy(context)

    def judgement(outcome: Outcome, goal: Goal, first: Observation, last: Observation) -> Outcome:
        if outcome.judge in {"truth", "environment"} or by_policy is None:
            return outcome
        return by_policy(outcome, goal, first, last)

    return judgement


def truth(context: JudgeContext) -> Judgement:
    """The simulator's truth, or what the environment reports; nobody's where there is neither."""
    return lambda outcome, goal, first, last: outcome


def policy(context: JudgeContext) -> Judgement:
    """The steps-to-go head of the base."""
    _needs_scorer(context, "policy")

    def judgement(outcome: Outcome, goal: Goal, first: Observation, last: Observation) -> Outcome:
        left = outcome.steps_to_go
        return replace(outcome, success=left is not None and left < SLACK * context.reached_below, judge="policy")

    return judgement


def distance(context: JudgeContext) -> Judgement:
    """The last frame's distance to the goal in the world model's latents, as a share of the first frame's."""
    _needs_scorer(context, "distance")

    def judgement(outcome: Outcome, goal: Goal, first: Observation, last: Observation) -> Outcome:
        share = outcome.distance
        return replace(outcome, success=share is not None and share < NEAR, judge="distance")

    return judgement


def person(context: JudgeContext) -> Judgement:
    """A person, who is asked for a key."""
    if (ask := context.ask) is None:
        raise UsageError(
            "--judge person needs a terminal to ask at, and there is none: use truth, policy, distance or none."
        )
    return lambda outcome, goal, first, last: replace(outcome, success=ask(goal.name), judge="person")


def none(context: JudgeContext) -> Judgement:
    """Nobody: success is not recorded."""
    return lambda outcome, goal, first, last: replace(outcome, success=None, judge="none")


def _needs_scorer(context: JudgeContext, name: str) -> None:
    if context.scorer is None:
        raise UsageError(
            f"--judge {name} needs a policy that sees goals, and this one does not: use truth, person or none."
        )
