"""What follows a chunk whose successor is late: the plan's further actions, and then a crossing over, never a jump."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from a2g_cli.policies.base import Plan

Actions = NDArray[np.float32]

CROSSING = 3
"""Most actions over which a late plan takes over [steps]."""


def further(plan: Plan) -> Actions:
    """Return the (m, A) actions that ``plan`` would go on with after its chunk."""
    return plan.chunk[:0] if plan.tail is None else plan.tail


def blended(old: Actions, plan: Plan, late: int) -> Plan:
    """Return ``plan`` as it is to be executed ``late`` control periods after its beginning.

    Its first ``late`` actions are left out, as their time has passed. The next ones cross over from those of ``old`` (m, A),
    which would go out now: action k of n gets the share (k + 1) / (n + 1) of the new plan.
    """
    whole = np.concatenate([plan.chunk, further(plan)])[late:]
    count = min(len(plan.chunk), len(whole))
    crossing = min(CROSSING, len(old), count)
    share = (np.arange(1, crossing + 1, dtype=np.float32) / (crossing + 1))[:, None]
    whole[:crossing] = (1 - share) * old[:crossing] + share * whole[:crossing]
    return replace(plan, chunk=whole[:count], tail=whole[count:])
