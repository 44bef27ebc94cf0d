"""Continues after a chunk while the next plan is late: the plan's further actions, then a smooth change to the new plan."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from a2g_cli.policies.base import Plan

Actions = NDArray[np.float32]

CROSSING = 3
"""Longest blend from the old plan to a late new one [steps]."""


def further(plan: Plan) -> Actions:
    """Return the actions (m, A) with which ``plan`` continues after its chunk."""
    return plan.chunk[:0] if plan.tail is None else plan.tail


def blended(old: Actions, plan: Plan, late: int) -> Plan:
    """Return ``plan`` as it is executed when it comes ``late`` control periods after its start.

    Its first ``late`` actions are left out, because their time has passed. The next ones are blended with ``old`` (m, A), the
    actions that the robot would execute now: action k of n has the share (k + 1) / (n + 1) of the new plan.
    """
    whole = np.concatenate([plan.chunk, further(plan)])[late:]
    count = min(len(plan.chunk), len(whole))
    crossing = min(CROSSING, len(old), count)
    share = (np.arange(1, crossing + 1, dtype=np.float32) / (crossing + 1))[:, None]
    whole[:crossing] = (1 - share) * old[:crossing] + share * whole[:crossing]
    return replace(plan, chunk=whole[:count], tail=whole[count:])
