import numpy as np

from a2g_cli.simulator.disturbance import LONGEST, Disturbance


def draws(strength: float, knocks: bool) -> tuple[np.ndarray, int]:
    pushes = Disturbance(strength, np.random.default_rng(0), knocks)
    drawn = [pushes.next() for _ in range(5000)]
    return np.array([np.linalg.norm(push) for push, _ in drawn]), sum(knocked for _, knocked in drawn)


def test_a_task_that_cannot_bear_knocks_has_none() -> None:
    assert draws(1.0, knocks=False)[1] == 0
    assert 10 < draws(1.0, knocks=True)[1] < 60


def test_pushes_are_rare_bounded_and_grow_with_the_strength() -> None:
    strong, weak = draws(1.0, knocks=False)[0], draws(0.3, knocks=False)[0]
    assert 0.1 < (strong > 0).mean() < 0.6
    assert strong.max() <= LONGEST + 1e-12
    np.testing.assert_allclose(weak, 0.3 * strong)
