"""Who asks the policy, and where: in the rollout's own thread while robots wait, beside it while they go on."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from types import TracebackType
from typing import Self

from a2g_cli.policies.base import Plan, PlanRequest, Policy


class PendingPlan:
    """A plan that is being made."""

    def __init__(self, batch: Future[list[Plan]], index: int) -> None:
        self._batch, self._index = batch, index

    def ready(self, seconds: float = 0.0) -> bool:
        """Whether ``__call__`` would return, or raise, at once; waits for that at most so long [s]."""
        return bool(wait([self._batch], max(0.0, seconds)).done)

    def __call__(self) -> Plan:
        """Return the plan, waiting for it. Raises what the policy raised."""
        return self._batch.result()[self._index]


class Planner:
    """Answers requests with promises.

    Where a robot goes on until its plan begins, a batch is made in a thread of its own, one batch at a time; otherwise it is
    made at once. Either way the plans are the same: a request holds everything that a plan depends on.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="planner")  # starts its thread when it is first used
        self._last: Future[list[Plan]] | None = None

    def ask(self, requests: Sequence[PlanRequest]) -> list[PendingPlan]:
        """Return one promise a request, in order. What is made at once raises here."""
        batch: Future[list[Plan]]
        if any(request.ahead for request in requests):
            batch = self._last = self._beside.submit(self._plan, requests)
        else:
            batch = Future()
            batch.set_result(self._plan(requests))
        return [PendingPlan(batch, i) for i in range(len(requests))]

    def end_episode(self, seed: int) -> None:
        """Tell the policy that the episode of ``seed`` is over, once no batch that it is part of is being made."""
        if self._last is None:
            self._policy.end_episode(seed)
        else:
            self._last.add_done_callback(lambda _: self._policy.end_episode(seed))

    def _plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        begun = time.perf_counter()
        plans = self._policy.plan(requests)
        seconds = time.perf_counter() - begun
        return [replace(plan, seconds=seconds) for plan in plans]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._beside.shutdown(cancel_futures=True)
