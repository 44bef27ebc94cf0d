import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Image
from a2g_cli.data.recording.reader import Recording, read_episode
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.encoding.augmentation import POLICY_RANGES, draw_appearances
from a2g_cli.encoding.frames import (
    encode_frames,
    encode_recording,
    encode_recordings,
    read_latents,
    recordings_hash,
    sample_frames,
    write_latents,
)
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.models.presets import Act2GoalConfig, micro


@pytest.fixture(scope="module")
def model(demonstrations: list[Path]) -> Act2Goal:
    torch.manual_seed(0)
    with Recording(demonstrations[0]) as recording:
        return Act2Goal(micro(recording.spec)).eval()


@torch.no_grad()
def test_every_frame_is_coded_as_it_is_when_acting(model: Act2Goal, demonstrations: list[Path]) -> None:
    segments = encode_recording(model, demonstrations[0])
    episode = read_episode(demonstrations[0])
    assert segments.length.tolist() == [len(episode)]
    assert segments.latents.shape == (len(episode) + 1, *model.frame_shape)
    assert segments.latents.dtype == torch.float16
    for i in (0, 7, len(episode)):
        image = to_tensor(torch.from_numpy(episode.observations[i].images["front"]))
        torch.testing.assert_close(
            segments.latents[i].float(), model.encode(image[None, None])[0], atol=5e-3, rtol=5e-3
        )
        assert segments.proprioception[i].tolist() == episode.observations[i].proprioception.tolist()
    # Row i leads from frame i to frame i + 1: what was really sent, not what was asked for.
    assert np.array_equal(segments.actions[:-1].numpy(), np.stack(episode.sent))


def test_recordings_keep_their_order_and_progress_is_told(model: Act2Goal, demonstrations: list[Path]) -> None:
    told: list[int] = []
    segments = encode_recordings(model, demonstrations[:3], told.append)
    assert told == [1, 2, 3]
    for i, path in enumerate(demonstrations[:3]):
        alone = encode_recording(model, path)
        first, length = int(segments.first[i]), int(segments.length[i])
        assert torch.equal(segments.latents[first : first + length + 1], alone.latents)
        assert torch.equal(segments.actions[first : first + length], alone.actions[:-1])


def test_long_videos_are_coded_piece_by_piece_to_the_same_latents(model: Act2Goal) -> None:
    video = np.random.default_rng(0).integers(0, 256, (600, 32, 32, 3), np.uint8)
    latents = encode_frames(model, video)
    assert latents.shape == (600, *model.frame_shape[1:])
    picked = [0, 255, 256, 511, 512, 599]
    torch.testing.assert_close(latents[picked], encode_frames(model, video[picked]), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("limit", [1, 6, 30, 96, 10_000])
def test_sampled_frames_are_of_all_recordings_and_never_twice_the_same(
    model: Act2Goal, demonstrations: list[Path], limit: int
) -> None:
    frames = sample_frames(model.config, demonstrations, limit, seed=0)
    each = max(1, limit // 6)
    with_all = sum(min(each, len(read_episode(path)) + 1) for path in demonstrations)
    assert frames.shape == (with_all, 32, 32, 3)
    assert frames.dtype == torch.uint8
    assert torch.equal(frames, sample_frames(model.config, demonstrations, limit, seed=0))


# -- recordings as a whole, and their cache -------------------------------------------------------------------------------


def test_recordings_are_told_apart_by_order_name_and_every_byte(demonstrations: list[Path], tmp_path: Path) -> None:
    known = recordings_hash(demonstrations)
    assert recordings_hash([Path(shutil.copy(path, tmp_path)) for path in demonstrations]) == known
    others = [demonstrations[:-1], demonstrations[::-1]]
    flipped = tmp_path / demonstrations[2].name
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)
    others.append([*demonstrations[:2], flipped, *demonstrations[3:]])
    assert len({known, *map(recordings_hash, others)}) == 4


def test_latents_are_read_back_by_their_key_alone(model: Act2Goal, demonstrations: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "run" / "latents.safetensors"
    segments = encode_recordings(model, demonstrations[:2])
    write_latents(segments, path, "these")
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    read = read_latents(path, "these")
    assert read is not None
    assert torch.equal(read.latents, segments.latents)
    assert torch.equal(read.length, segments.length)
    assert read.sampling_weights is None
    assert read_latents(path, "others") is None
    assert read_latents(tmp_path / "nowhere", "these") is None
    path.write_bytes(path.read_bytes()[:-100])
    assert read_latents(path, "these") is None


# -- copies that look otherwise -------------------------------------------------------------------------------------------


def test_copies_do_the_same_and_look_otherwise_each_all_along(model: Act2Goal, demonstrations: list[Path]) -> None:
    plain = encode_recordings(model, demonstrations[:2])
    copied = encode_recordings(model, demonstrations[:2], copies=2)
    assert copied.length.tolist() == plain.length.repeat_interleave(3).tolist()
    for episode in range(2):
        length = int(plain.length[episode])
        own = slice(int(plain.first[episode]), int(plain.first[episode]) + length + 1)
        rows = [slice(first, first + length + 1) for first in copied.first[3 * episode : 3 * episode + 3].tolist()]
        assert torch.equal(copied.latents[rows[0]], plain.latents[own])
        for row in rows:
            assert torch.equal(copied.actions[row], plain.actions[own])
            assert torch.equal(copied.proprioception[row], plain.proprioception[own])
        assert len({copied.latents[row].float().sum().item() for row in rows}) == 3
    # One look for the whole episode: images that are alike stay alike, now and goal above all.
    with Recording(demonstrations[0]) as recording:
        frame = recording.frames("front")[:1]
    appearance = draw_appearances(1, POLICY_RANGES, torch.Generator().manual_seed(5))
    still = encode_frames(model, np.repeat(frame, 4, 0), appearance)
    torch.testing.assert_close(still, still[:1].expand_as(still), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(still[0], encode_frames(model, frame)[0], atol=1e-3, rtol=1e-3)


def test_looks_are_the_seed_s_and_no_two_recordings_have_the_same(model: Act2Goal, demonstrations: list[Path]) -> None:
    twice = [demonstrations[0]] * 2
    one, same, other = (encode_recordings(model, twice, copies=1, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.latents, same.latents)
    first, second = (one.latents[one.first[i] :][: one.length[0] + 1] for i in (1, 3))
    assert not torch.equal(first, second)
    assert not torch.equal(first, other.latents[other.first[1] :][: other.length[1] + 1])


# -- refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"cameras": ("front", "side")}, "cameras"),
        ({"cameras": ("side",)}, "cameras"),
        ({"action_names": ("dx", "dy", "opening", "dz")}, "actions"),
        ({"proprioception_names": ("x",)}, "proprioception"),
        ({"rate": 30.0}, "control rate"),
    ],
)
def test_a_recording_that_does_not_fit_the_policy_is_refused_by_what_differs(
    model: Act2Goal, demonstrations: list[Path], changed: dict[str, Any], named: str
) -> None:
    config: Act2GoalConfig = replace(model.config, **changed)
    with pytest.raises(RecordingError, match=f"has {named} "):
        sample_frames(config, demonstrations, 10, 0)


@pytest.mark.parametrize(
    ("images", "has"),
    [
        ({}, "has none"),
        ({"side": np.zeros((32, 32, 3), np.uint8)}, "has none"),
    ],
    ids=["no-image", "of-another-camera"],
)
def test_a_goal_that_the_policy_cannot_look_at_is_refused(
    model: Act2Goal, demonstrations: list[Path], tmp_path: Path, images: dict[str, Image], has: str
) -> None:
    episode = read_episode(demonstrations[0])
    episode.goal = replace(episode.goal, images=images)
    with Recording(demonstrations[0]) as recording:
        path = write_episode(tmp_path / "aimless.hdf5", recording.spec, episode)
    with pytest.raises(RecordingError, match=rf"aimless\.hdf5 needs a goal photo for camera front, and {has}"):
        encode_recording(model, path)


@pytest.mark.parametrize("what", ["sent", "proprioception"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_recording_with_numbers_that_are_none_teaches_nothing(
    model: Act2Goal, demonstrations: list[Path], tmp_path: Path, what: str, value: float
) -> None:
    episode = read_episode(demonstrations[0])
    broken = episode.sent[3] if what == "sent" else episode.observations[3].proprioception
    poisoned = broken.copy()
    poisoned[1] = value
    if what == "sent":
        episode.sent[3] = poisoned
    else:
        episode.observations[3] = replace(episode.observations[3], proprioception=poisoned)
    with Recording(demonstrations[0]) as recording:
        path = write_episode(tmp_path / "poisoned.hdf5", recording.spec, episode)
    with pytest.raises(RecordingError, match=r"poisoned\.hdf5 .* NaN or infinite"):
        encode_recording(model, path)


def test_what_is_no_recording_is_refused(model: Act2Goal, tmp_path: Path) -> None:
    (tmp_path / "x.hdf5").write_bytes(b"nothing")
    with pytest.raises(RecordingError):
        encode_recordings(model, [tmp_path / "x.hdf5"])
