"""Calls the policy: in the rollout's thread while robots wait, in a thread of its own while they move."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from types import TracebackType
from typing import Self

from a2g_cli.policies.base import Plan, PlanRequest, Policy


class PendingPlan:
    """A plan that may not be ready yet."""

    def __init__(self, batch: Future[list[Plan]], index: int) -> None:
        self._batch, self._index = batch, index

    def ready(self, seconds: float = 0.0) -> bool:
        """Whether the plan is ready (or has failed); waits for it at most ``seconds`` [s]."""
        return bool(wait([self._batch], max(0.0, seconds)).done)

    def __call__(self) -> Plan:
        """Wait for the plan and return it. Raises what the policy raised."""
        return self._batch.result()[self._index]


class Planner:
    """Returns a pending plan for each request.

    If a robot moves on until its plan starts (``request.ahead``), the batch is planned in a thread of its own, one batch at a
    time; otherwise at once. The plans are the same: a request contains everything that a plan depends on.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="planner")  # the thread starts at the first use
        self._last: Future[list[Plan]] | None = None

    def ask(self, requests: Sequence[PlanRequest]) -> list[PendingPlan]:
        """Return one pending plan for each request, in order. Raises what the policy raises if it plans at once."""
        batch: Future[list[Plan]]
        if any(request.ahead for request in requests):
            batch = self._last = self._executor.submit(self._plan, requests)
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
        started = time.perf_counter()
        plans = self._policy.plan(requests)
        seconds = time.perf_counter() - started
        return [replace(plan, seconds=seconds) for plan in plans]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(cancel_futures=True)
