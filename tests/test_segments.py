import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from a2g_cli.encoding.segments import Segments, balance, join
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing

hashings = st.builds(
    lambda stride, count, distal, spacing: TemporalHashing(stride * count, stride, distal, spacing),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from(("printed", "mirrored")),
)
episodes = st.lists(st.integers(1, 40), min_size=1, max_size=6)


def numbered(lengths: list[int]) -> Segments:
    """Segments whose every number says where it stands: frame i holds i, and so does the action that leaves it."""
    total = sum(lengths) + len(lengths)
    index = torch.arange(total)
    first = torch.tensor([sum(lengths[:i]) + i for i in range(len(lengths))])
    actions = index[:, None].double()
    actions[first + torch.tensor(lengths)] = float("nan")  # the row of a last frame must never be read
    return Segments(
        index.half().reshape(-1, 1, 1, 1, 1),
        index[:, None].double(),
        actions,
        first,
        torch.tensor(lengths),
    )


@given(episodes, hashings, st.integers(0, 10_000))
def test_gather_returns_what_a_loop_would(lengths: list[int], hashing: TemporalHashing, seed: int) -> None:
    segments = numbered(lengths)
    episode, step, goal = segments.draw(20, {"future": 0.6, "final": 0.4}, torch.Generator().manual_seed(seed))
    batch = segments.gather(episode, step, goal, hashing)
    for i in range(20):
        start, left = int(segments.first[episode[i]] + step[i]), int(goal[i] - step[i])
        distal = hashing.distal_offsets(torch.tensor([left]))[0].tolist()
        near = range(hashing.stride, hashing.proximal + 1, hashing.stride)
        assert batch["now"][i].item() == start
        assert batch["goal"][i].item() == start + left
        assert batch["proprioception"][i].item() == start
        assert batch["steps_to_go"][i].item() == left
        assert batch["frames"][i].flatten().tolist() == [start + min(k, left) for k in near] + [
            start + d for d in distal
        ]
        # Action k leads into frame k: it is the one that was taken at frame k - 1.
        taken = [start + min(k, left) - 1 for k in range(1, hashing.proximal + 1)] + [start + d - 1 for d in distal]
        assert batch["actions"][i].flatten().tolist() == taken
        exists = [k <= left for k in range(1, hashing.proximal + 1)] + [left > hashing.proximal] * hashing.distal
        assert batch["mask"][i].tolist() == exists


@given(episodes, hashings, st.integers(0, 10_000))
def test_nothing_crosses_an_episode_s_border(lengths: list[int], hashing: TemporalHashing, seed: int) -> None:
    segments = numbered(lengths)
    generator = torch.Generator().manual_seed(seed)
    episode, step, goal = segments.draw(40, {"future": 0.5, "final": 0.5}, generator)
    batch = segments.gather(episode, step, goal, hashing)
    first = segments.first[episode]
    last = first + segments.length[episode]
    assert ((batch["frames"].flatten(1) >= first[:, None]) & (batch["frames"].flatten(1) <= last[:, None])).all()
    actions = batch["actions"].squeeze(-1)
    assert ((actions >= first[:, None]) & (actions < last[:, None])).all()  # NaN, a last frame's row, would fail too
    assert ((batch["goal"].flatten() > batch["now"].flatten()) & (batch["goal"].flatten() <= last)).all()


def test_every_transition_is_drawn_equally_often() -> None:
    segments = numbered([1, 4, 2, 9])
    count = 40_000
    episode, step, _ = segments.draw(count, {"final": 1.0}, torch.Generator().manual_seed(0))
    times = torch.bincount(segments.first[episode] + step, minlength=20)
    assert segments.transitions == 16
    drawn = times[times > 0]
    assert len(drawn) == 16
    assert (times[segments.first + segments.length] == 0).all()
    assert (drawn / count - 1 / 16).abs().max() < 5 * (1 / 16 * 15 / 16 / count) ** 0.5


@pytest.mark.parametrize("share", [1.0, 3.0])
def test_every_group_has_its_share_however_many_and_long_its_episodes(share: float) -> None:
    lengths = [2, 300, 5, 120, 3]
    segments = balance(numbered(lengths), ["place", "write", "place", "write", "place"], {"write": share})
    count = 40_000
    episode, step, _ = segments.draw(count, {"final": 1.0}, torch.Generator().manual_seed(0))
    times = torch.bincount(segments.first[episode] + step, minlength=sum(lengths) + 5)
    assert (times[segments.first + segments.length] == 0).all()  # no action leaves a last frame
    wanted = share / (1 + share)
    tolerance = 5 * (wanted * (1 - wanted) / count) ** 0.5
    assert abs(torch.isin(episode, torch.tensor([1, 3])).double().mean().item() - wanted) < tolerance
    # Within a group every transition is as likely as another.
    place = torch.cat([times[segments.first[e] : segments.first[e] + lengths[e]] for e in (0, 2, 4)])
    assert (place / place.sum() - 1 / 10).abs().max() < 5 * (0.09 / place.sum().item()) ** 0.5


@given(episodes, st.integers(0, 10_000), st.data())
def test_balanced_draws_stay_within_their_episodes(lengths: list[int], seed: int, data: st.DataObject) -> None:
    groups = data.draw(st.lists(st.sampled_from("abc"), min_size=len(lengths), max_size=len(lengths)))
    segments = balance(numbered(lengths), groups, {"a": 1e-3, "b": 1e3})
    episode, step, goal = segments.draw(50, {"future": 1.0}, torch.Generator().manual_seed(seed))
    assert ((step >= 0) & (step < goal) & (goal <= segments.length[episode])).all()
    part = segments.subset([len(lengths) - 1])
    assert set(part.draw(5, {"final": 1.0}, torch.Generator().manual_seed(seed))[0].tolist()) == {0}


def test_one_group_alone_is_drawn_as_without_groups() -> None:
    segments = numbered([9, 30])
    plain, balanced = (
        one.draw(16, {"future": 1.0}, torch.Generator().manual_seed(1))
        for one in (segments, balance(segments, ["place"] * 2, {"place": 5.0}))
    )
    assert all(torch.equal(a, b) for a, b in zip(plain, balanced, strict=True))


def test_a_batch_is_fixed_by_its_generator() -> None:
    segments = numbered([9, 30])
    batches = [
        segments.batch(16, {"future": 1.0}, TemporalHashing(), torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert all(torch.equal(batches[0][name], batches[1][name]) for name in batches[0])
    assert not torch.equal(batches[0]["now"], batches[2]["now"])
    assert batches[0]["now"].dtype == torch.float32


@given(episodes, st.data())
def test_a_subset_draws_from_its_episodes_alone_and_copies_nothing(lengths: list[int], data: st.DataObject) -> None:
    segments = numbered(lengths)
    chosen = data.draw(st.lists(st.sampled_from(range(len(lengths))), min_size=1, unique=True))
    part = segments.subset(chosen)
    assert len(part) == len(chosen)
    assert part.transitions == sum(lengths[i] for i in chosen)
    assert part.latents is segments.latents
    episode, step, goal = part.draw(30, {"future": 1.0}, torch.Generator().manual_seed(0))
    frames = part.gather(episode, step, goal, TemporalHashing())["now"].flatten()
    allowed = {int(segments.first[i]) + k for i in chosen for k in range(lengths[i])}
    assert {int(frame) for frame in frames} <= allowed


@given(st.lists(episodes, min_size=1, max_size=4))
def test_joined_parts_hold_the_episodes_of_all_in_order(parts: list[list[int]]) -> None:
    made = [numbered(lengths) for lengths in parts]
    whole = join(made)
    assert len(whole) == sum(len(part) for part in made)
    assert whole.transitions == sum(part.transitions for part in made)
    number = 0
    for part in made:
        for e in range(len(part)):
            ours = slice(int(part.first[e]), int(part.first[e] + part.length[e]) + 1)
            theirs = slice(int(whole.first[number]), int(whole.first[number] + whole.length[number]) + 1)
            assert torch.equal(whole.latents[theirs], part.latents[ours])
            assert torch.equal(whole.proprioception[theirs], part.proprioception[ours])
            assert torch.equal(whole.actions[theirs][:-1], part.actions[ours][:-1])
            number += 1


def test_joining_a_subset_keeps_it_a_subset() -> None:
    whole = join([numbered([3, 5]), numbered([7, 2]).subset([1])])
    assert whole.length.tolist() == [3, 5, 2]
    assert whole.latents[whole.first[2]].item() == 8  # frame 8 of the second part begins its episode of two


@pytest.mark.parametrize("rule", ["final", "future", "successor"])
def test_an_episode_of_one_action_is_enough(rule: str) -> None:
    batch = numbered([1]).batch(5, {rule: 1.0}, TemporalHashing(), torch.Generator())
    assert batch["steps_to_go"].tolist() == [1] * 5
    assert batch["mask"].sum(1).tolist() == [1] * 5
    assert batch["actions"][:, 0].flatten().tolist() == [0.0] * 5
