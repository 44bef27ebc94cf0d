import io
import signal

import pytest

from a2g_cli.session.interrupt import Interrupt

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
