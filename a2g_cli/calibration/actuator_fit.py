"""Measuring the motion law (``calibration/actuators.py``) on a robot's own recordings, whatever they achieved.

By least squares, trimmed: what a collision kept from happening is no law. Where the law is not the one that the base's
demonstrations obeyed, the base's chunks mean displacements that no longer come about; through both laws they become the
actions that do bring them. No reward, no label, no demonstration: a failed episode measures as well as any other.
"""

from collections.abc import Sequence

import torch

from a2g_cli.calibration.actuators import ActuatorModel, driven_columns, driven_names
from a2g_cli.encoding.segments import Segments

TRIM = 0.9
"""The share of the steps that a law is fitted to: those that it fits best."""
LOOSE = 0.15
"""Error that a law leaves, relative to what was moved, beyond which it is none."""
FEWEST = 100
"""Steps below which nothing is measured."""


def fit_actuators(segments: Segments, actions: Sequence[str], proprioception: Sequence[str]) -> ActuatorModel | None:
    """Return the law that episodes obey; None where no action drives a value, or too little was moved to say.

    Args:
        segments: episodes, successful or not.
        actions: names of the actions.
        proprioception: names of the measured values.
    """
    names = driven_names(actions, proprioception)
    steps = torch.cat([first + torch.arange(int(n)) for first, n in zip(segments.first, segments.length, strict=True)])
    if not names or len(steps) < FEWEST:
        return None
    acting, measured = driven_columns(names, actions, proprioception)
    moved = (segments.proprioception[steps + 1] - segments.proprioception[steps])[:, measured].double()
    asked = segments.actions[steps][:, acting].double()
    rows = torch.cat([asked, torch.ones(len(asked), 1, dtype=asked.dtype)], 1)
    kept = torch.ones(len(rows), dtype=torch.bool)
    for _ in range(10):
        if int(torch.linalg.matrix_rank(rows[kept])) < rows.shape[1]:
            return None  # some direction was never tried
        matrix = torch.linalg.lstsq(rows[kept], moved[kept]).solution
        error = (rows @ matrix - moved).norm(dim=1)
        kept = error <= error.kthvalue(max(1, int(TRIM * len(error)))).values
    if error[kept].square().mean() > LOOSE**2 * moved[kept].square().sum(dim=1).mean():
        return None  # no one law: recordings of robots that differ, or a world that does not yield
    law = ActuatorModel(names, matrix.float())
    return law if law.turns_round() else None
