import io
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from a2g_cli.runtime.interrupt import Ending, Interrupt

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_the_first_signal_asks_and_the_second_insists(first: signal.Signals, second: signal.Signals) -> None:
    told: list[bool] = []
    with Interrupt(lambda: told.append(True)) as interrupt:
        assert not interrupt()
        signal.raise_signal(first)
        assert interrupt.requested
        assert told == [], "a handler that prints may run inside another print"
        assert interrupt()
        assert interrupt()
        assert told == [True]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(second)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(second)
    assert told == [True]


def test_a_signal_in_the_middle_of_a_print_breaks_nothing() -> None:
    class Busy(io.RawIOBase):
        """A terminal at which Ctrl-C is pressed while it is written to."""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            signal.raise_signal(signal.SIGINT)
            return len(memoryview(data))  # type: ignore[arg-type]

    stream = io.TextIOWrapper(io.BufferedWriter(Busy()), write_through=True)
    with Interrupt(lambda: print("saving", file=stream)) as interrupt:
        stream.write("frame")
        stream.flush()
        assert interrupt.requested


@pytest.mark.parametrize("leave", [None, ValueError, KeyboardInterrupt])
def test_the_handlers_from_before_come_back_however_it_ends(leave: type[BaseException] | None) -> None:
    heard: list[int] = []
    before = {number: signal.signal(number, lambda n, _: heard.append(n)) for number in SIGNALS}
    try:
        try:
            with Interrupt() as interrupt:
                signal.raise_signal(signal.SIGINT)
                if leave is not None:
                    raise leave
        except (ValueError, KeyboardInterrupt):
            pass
        assert interrupt()  # still known after it is over
        assert heard == []
        for number in SIGNALS:
            signal.raise_signal(number)
        assert heard == SIGNALS
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_no_signal_no_request() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupt() as interrupt:
        pass
    assert not interrupt()
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_who_asked_to_outlive_the_terminal_does() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            signal.raise_signal(signal.SIGHUP)
        assert not interrupt()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with Interrupt() as interrupt:
            signal.raise_signal(signal.SIGHUP)
        assert interrupt()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def as_started() -> Iterator[None]:
    """The handlers of a program that was just started, whatever the tests run under."""
    fresh = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in fresh.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


CLOSED = [
    [signal.SIGHUP],
    [signal.SIGHUP, signal.SIGHUP, signal.SIGHUP],
    [signal.SIGHUP, signal.SIGTERM],
    [signal.SIGHUP, signal.SIGTERM, signal.SIGHUP],
    [signal.SIGTERM, signal.SIGHUP],
    [signal.SIGINT, signal.SIGHUP],
]
"""What a terminal that is closed may send, alone or after a person has asked for an ending."""


@pytest.mark.parametrize("sent", CLOSED, ids=repr)
def test_a_terminal_that_closes_asks_once_and_never_insists(sent: list[signal.Signals]) -> None:
    with as_started():
        with Interrupt() as interrupt:
            for number in sent:
                signal.raise_signal(number)
        assert interrupt()
        with Ending():
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(sent[0])
            for number in sent[1:]:  # what is open is being closed
                signal.raise_signal(number)
        if sent[0] == signal.SIGHUP:  # and the program says goodbye
            signal.raise_signal(signal.SIGHUP)


def test_what_an_episode_was_ended_by_is_known_while_the_robot_is_closed() -> None:
    with as_started(), Ending():
        with Interrupt():
            signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("second", SIGNALS)
def test_a_person_who_insists_is_heard_after_a_hang_up_too(second: signal.Signals) -> None:
    with as_started(), Interrupt():
        signal.raise_signal(signal.SIGHUP)
        if second == signal.SIGTERM:
            signal.raise_signal(second)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(second)


def test_a_command_that_nobody_ended_leaves_the_handlers_as_they_were() -> None:
    with as_started():
        before = [signal.getsignal(number) for number in (*SIGNALS, signal.SIGHUP)]
        with Ending():
            assert signal.getsignal(signal.SIGHUP) != signal.SIG_DFL
        assert [signal.getsignal(number) for number in (*SIGNALS, signal.SIGHUP)] == before
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with Ending():
            signal.raise_signal(signal.SIGHUP)
