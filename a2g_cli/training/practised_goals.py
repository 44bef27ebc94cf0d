"""Which goals an adapter practised, and so on which it acts."""

from collections.abc import Sequence

from a2g_cli.adapters.goals import AdapterGoals
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.policies.act2goal import encode_goal

MOST = 16
"""With more goals than this, practice was of the deployment, not of single goals."""


def practised_goals(model: Act2Goal, encoded: Sequence[EncodedEpisode]) -> AdapterGoals | None:
    """Return the goals of the episodes that are learned from; None if they were not practised one by one.

    They were if each was judged by its photo or by a person, and if they are few.

    Raises:
        RecordingError: a recording is damaged.
    """
    if any(episode.judge == "policy" or episode.replayed for episode in encoded):
        return None
    photos, names = {}, set()
    for episode in encoded:
        with Recording(episode.path) as recording:
            goal = recording.goal
        if goal.fingerprint in photos:
            continue
        name = f"{goal.name}-{goal.fingerprint[:8]}" if goal.name in names else goal.name
        names.add(name)
        photos[goal.fingerprint] = (name, encode_goal(model, goal))
    return AdapterGoals(dict(photos.values())) if 0 < len(photos) <= MOST else None
