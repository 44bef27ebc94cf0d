from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from a2g_cli.models.act2goal.temporal_hashing import Spacing, TemporalHashing

SPACINGS: tuple[Spacing, ...] = ("printed", "mirrored")
plans = st.builds(
    lambda stride, count, distal, spacing: TemporalHashing(stride * count, stride, distal, spacing),
    st.integers(1, 8),
    st.integers(1, 9),
    st.integers(1, 40),
    st.sampled_from(SPACINGS),
)
ways = st.lists(st.integers(1, 20_000), min_size=1, max_size=8)


def beyond(hashing: TemporalHashing, rest: int) -> list[int]:
    """Distal offsets beyond P, for a goal ``rest`` steps beyond P."""
    offsets = hashing.distal_offsets(torch.tensor([hashing.proximal + rest]))[0]
    return (offsets - hashing.proximal).tolist()


@given(plans, ways)
def test_the_last_distal_frame_is_exactly_the_goal(hashing: TemporalHashing, ways: list[int]) -> None:
    steps = torch.tensor(ways)
    assert torch.equal(hashing.distal_offsets(steps)[:, -1], steps)
    assert torch.equal(hashing.frame_offsets(steps)[:, -1], steps)
    assert torch.equal(hashing.action_offsets(steps)[0][:, -1], steps)


@given(plans, ways)
def test_offsets_lead_forward_from_now_to_the_goal_and_never_past_it(hashing: TemporalHashing, ways: list[int]) -> None:
    steps = torch.tensor(ways)
    frames = hashing.frame_offsets(steps)
    actions, _ = hashing.action_offsets(steps)
    assert frames.shape == (len(ways), hashing.frames)
    assert actions.shape == (len(ways), hashing.actions)
    for offsets in (frames, actions):
        assert (offsets >= 1).all()
        assert (offsets <= steps[:, None]).all()
    assert (frames.diff(dim=1) >= 0).all()
    assert (actions[:, hashing.proximal :].diff(dim=1) >= 0).all()


@given(plans, ways)
def test_near_frames_are_every_stride_steps_and_near_actions_every_step(
    hashing: TemporalHashing, ways: list[int]
) -> None:
    count = hashing.proximal // hashing.stride
    frames, (actions, _) = hashing.frame_offsets(torch.tensor(ways)), hashing.action_offsets(torch.tensor(ways))
    for row, way in enumerate(ways):
        assert frames[row, :count].tolist() == [min(hashing.stride * (k + 1), way) for k in range(count)]
        assert actions[row, : hashing.proximal].tolist() == [min(k + 1, way) for k in range(hashing.proximal)]


@given(plans, st.integers(1, 100))
def test_a_plan_with_few_steps_left_masks_what_lies_beyond_the_goal(hashing: TemporalHashing, way: int) -> None:
    _, mask = hashing.action_offsets(torch.tensor([way]))
    near, far = mask[0, : hashing.proximal], mask[0, hashing.proximal :]
    assert near.tolist() == [k + 1 <= way for k in range(hashing.proximal)]
    assert far.tolist() == [way > hashing.proximal] * hashing.distal
    assert mask.any()


@given(plans, ways)
def test_the_actions_that_count_are_distinct_within_the_near_part_and_lead_into_the_far_frames(
    hashing: TemporalHashing, ways: list[int]
) -> None:
    # Action k leads into frame k: distal actions have the very offsets of the distal frames.
    steps = torch.tensor(ways)
    offsets, _ = hashing.action_offsets(steps)
    near_frames = hashing.proximal // hashing.stride
    assert torch.equal(offsets[:, hashing.proximal :], hashing.frame_offsets(steps)[:, near_frames:])


@given(plans, ways)
def test_a_batch_holds_what_each_would_be_alone(hashing: TemporalHashing, ways: list[int]) -> None:
    together = hashing.frame_offsets(torch.tensor(ways))
    alone = torch.cat([hashing.frame_offsets(torch.tensor([way])) for way in ways])
    assert torch.equal(together, alone)
    assert together.dtype == torch.long


@given(st.integers(1, 30), st.integers(0, 20_000))
def test_the_mirrored_spacing_is_the_printed_one_seen_from_the_goal(distal: int, rest: int) -> None:
    printed, mirrored = (beyond(TemporalHashing(8, 4, distal, spacing), rest) for spacing in SPACINGS)
    assert [0, *mirrored] == [rest - offset for offset in reversed([0, *printed])]


@given(st.integers(2, 30), st.integers(1, 20_000))
def test_printed_frames_stand_denser_toward_the_goal(distal: int, rest: int) -> None:
    offsets = torch.tensor([0, *beyond(TemporalHashing(8, 4, distal, "printed"), rest)])
    gaps = offsets.diff()
    assert (gaps[1:] <= gaps[:-1] + 1).all()  # rounding moves a frame by less than a step
    wide = torch.tensor([0, *beyond(TemporalHashing(8, 4, distal, "printed"), 5000 * distal)]).diff()
    assert (wide[1:] < wide[:-1]).all()
    near_first = torch.tensor([0, *beyond(TemporalHashing(8, 4, distal, "mirrored"), 5000 * distal)]).diff()
    assert (near_first[1:] > near_first[:-1]).all()


@pytest.mark.parametrize(
    ("distal", "m", "root"),
    [(3, 1, 2), (8, 2, 2), (24, 4, 2), (7, 1, 3), (26, 2, 3), (124, 4, 3), (80, 2, 4), (15, 1, 4)],
)
@pytest.mark.parametrize("times", [1, 7, 41, 1000, 99_999])
def test_where_the_logarithms_divide_evenly_no_step_is_lost_to_rounding(
    distal: int, m: int, root: int, times: int
) -> None:
    # (m + 1)^root = M + 1, so log(m + 1) / log(M + 1) = 1 / root.
    assert (m + 1) ** root == distal + 1
    assert beyond(TemporalHashing(4, 4, distal), root * times)[m - 1] == times


def test_the_paper_s_own_numbers() -> None:
    hashing = TemporalHashing(proximal=54, stride=6, distal=9)
    assert (hashing.frames, hashing.actions) == (18, 63)
    near = [6, 12, 18, 24, 30, 36, 42, 48, 54]
    # 54 + floor(100 * log10(m + 1)), from a table of logarithms.
    far = [84, 101, 114, 123, 131, 138, 144, 149, 154]
    assert hashing.frame_offsets(torch.tensor([154]))[0].tolist() == near + far
    offsets, mask = hashing.action_offsets(torch.tensor([154]))
    assert offsets[0].tolist() == [*range(1, 55), *far]
    assert mask.all()


def test_at_the_border_of_the_near_part_all_far_frames_are_the_goal() -> None:
    hashing = TemporalHashing(8, 4, 2)
    assert hashing.frame_offsets(torch.tensor([8, 3]))[:, 2:].tolist() == [[8, 8], [3, 3]]
    assert hashing.frame_offsets(torch.tensor([3]))[0].tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize(
    "settings",
    [
        {"proximal": 0},
        {"proximal": -8},
        {"proximal": 9},
        {"proximal": 2},
        {"stride": 0},
        {"stride": -4},
        {"distal": -1},
        {"spacing": "linear"},
    ],
)
def test_what_is_no_plan_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"proximal|distal|spacing"):
        TemporalHashing(**settings)
