import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.data.relabelling import parse_mixture, relabel

RULES = ("final", "future", "successor")

mixtures = st.dictionaries(st.sampled_from(RULES), st.floats(0.01, 100), min_size=1).map(
    lambda shares: {name: share / sum(shares.values()) for name, share in shares.items()}
)
# (T, step) with 0 <= step < T
place = st.integers(1, 3000).flatmap(lambda length: st.tuples(st.just(length), st.integers(0, length - 1)))
places = st.lists(place, min_size=1, max_size=50)


def goals(mixture: dict[str, float], lengths: torch.Tensor, steps: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return relabel(mixture, lengths, steps, torch.Generator().manual_seed(seed))


@given(mixtures, places, st.integers(0, 2**32))
def test_a_goal_is_always_a_later_frame_of_the_same_episode(
    mixture: dict[str, float], places: list[tuple[int, int]], seed: int
) -> None:
    lengths, steps = torch.tensor(places).T
    chosen = goals(mixture, lengths, steps, seed)
    assert chosen.shape == steps.shape
    assert chosen.dtype == torch.long
    assert (chosen > steps).all()
    assert (chosen <= lengths).all()


@given(places)
def test_final_is_the_last_frame_and_successor_the_next(places: list[tuple[int, int]]) -> None:
    lengths, steps = torch.tensor(places).T
    assert torch.equal(goals({"final": 1.0}, lengths, steps), lengths)
    assert torch.equal(goals({"successor": 1.0}, lengths, steps), steps + 1)


def test_future_is_uniform_over_all_later_frames() -> None:
    count = 60_000
    lengths, steps = torch.full((count,), 12), torch.full((count,), 4)
    chosen = goals({"future": 1.0}, lengths, steps)
    shares = torch.bincount(chosen, minlength=13)[5:].double() / count
    assert shares.sum().item() == pytest.approx(1)
    # Five standard errors of a share of 1/8 in 60,000 draws.
    assert (shares - 1 / 8).abs().max() < 5 * (1 / 8 * 7 / 8 / count) ** 0.5


@given(st.integers(1, 100))
def test_with_one_step_left_every_rule_gives_the_same(length: int) -> None:
    for rule in RULES:
        assert goals({rule: 1.0}, torch.tensor([length]), torch.tensor([length - 1])).tolist() == [length]


def test_rules_are_drawn_by_their_shares_and_independently_of_the_step() -> None:
    count = 60_000
    lengths, steps = torch.full((count,), 1000), torch.arange(count) % 2
    chosen = goals({"final": 0.7, "successor": 0.3}, lengths, steps)
    assert set(chosen.unique().tolist()) == {1, 2, 1000}
    for parity in (0, 1):
        share = (chosen[steps == parity] == 1000).double().mean().item()
        assert abs(share - 0.7) < 5 * (0.7 * 0.3 / (count / 2)) ** 0.5


def test_the_generator_alone_decides() -> None:
    lengths, steps = torch.full((100,), 50), torch.arange(100) % 50
    mixture = {"future": 0.5, "final": 0.5}
    torch.manual_seed(1)
    first = goals(mixture, lengths, steps, seed=4)
    torch.manual_seed(2)
    assert torch.equal(goals(mixture, lengths, steps, seed=4), first)
    assert not torch.equal(goals(mixture, lengths, steps, seed=5), first)


@pytest.mark.parametrize(
    ("text", "mixture"),
    [
        ("final", {"final": 1.0}),
        ("final:2", {"final": 1.0}),
        ("final:0.6,future:0.4", {"final": 0.6, "future": 0.4}),
        (" final : 3 , successor:1 ", None),
        ("final:3, successor:1", {"final": 0.75, "successor": 0.25}),
        ("final,future,successor", dict.fromkeys(RULES, 1 / 3)),
        ("final:1,final:1,future:2", {"final": 0.5, "future": 0.5}),
    ],
)
def test_a_mixture_is_read_and_adds_up_to_one(text: str, mixture: dict[str, float] | None) -> None:
    if mixture is None:
        with pytest.raises(UnknownNameError):
            parse_mixture(text)
    else:
        assert parse_mixture(text) == pytest.approx(mixture)


@given(mixtures)
def test_what_is_written_is_what_is_read(mixture: dict[str, float]) -> None:
    text = ",".join(f"{name}:{share!r}" for name, share in mixture.items())
    assert parse_mixture(text) == pytest.approx(mixture)


@pytest.mark.parametrize(("text", "near"), [("futur", "future"), ("", "final"), ("final,", "final"), ("last", "known")])
def test_an_unknown_rule_is_refused_with_the_known_ones(text: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=near):
        parse_mixture(text)


@pytest.mark.parametrize("share", ["0", "-1", "nan", "inf", "-inf", "much", "1:2", "1e999"])
def test_a_share_that_is_no_positive_number_is_refused(share: str) -> None:
    with pytest.raises(UsageError, match="positive number"):
        parse_mixture(f"final:{share}")
