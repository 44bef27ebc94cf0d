"""Two plugins for a2g: a relabelling rule and a judge. Any package can add its own in the same way."""

from dataclasses import replace

import numpy as np
import torch

SCALE = 8.0
"""Mean distance of a goal that ``near`` draws, if the episode is long enough [steps]."""
BOUND = 1.0
"""Mean difference of two images below which ``pixels`` judges that the goal is reached [0 to 255]."""


def near(lengths, steps, uniform):
    """Relabelling rule: a later frame, the nearer the likelier (a geometric distribution, cut off at the episode's end).

    Inverts the distribution function: of the frames 1 .. n ahead, frame k has a probability in proportion to q^(k - 1).
    """
    ahead = lengths - steps
    q = torch.tensor(1 - 1 / SCALE, dtype=torch.float64)
    drawn = torch.log1p(-uniform.double() * (1 - q**ahead)) / torch.log(q)
    return steps + torch.minimum(drawn.long() + 1, ahead)


def pixels(context):
    """Judge: the last images look like the goal's, pixel by pixel. A rough judge: light and shadows count too."""

    def judgement(outcome, goal, first, last):
        differences = [
            np.abs(last.images[camera].astype(np.float32) - image).mean() for camera, image in goal.images.items()
        ]
        return replace(outcome, success=bool(np.mean(differences) < BOUND), judge="pixels")

    return judgement
