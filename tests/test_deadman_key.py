"""The dead-man's switch, at a real pseudo-terminal."""

import os
import pty
import time
from collections.abc import Iterator

import pytest

from a2g_cli.core.errors import UsageError
from a2g_cli.runtime import deadman
from a2g_cli.runtime.deadman import HoldKey


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def soon(what: object) -> bool:
    end = time.monotonic() + 20
    while not what():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize(("key", "typed"), [("k", b"k"), ("space", b" "), ("enter", b"\n"), ("é", "é".encode())])
def test_a_key_is_held_while_it_repeats(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch, key: str, typed: bytes
) -> None:
    ours, theirs = terminal
    monkeypatch.setattr(deadman, "PATIENCE", 0.2)
    with HoldKey(key, theirs) as held:
        assert not held()
        os.write(ours, b"xy")
        time.sleep(0.15)
        assert not held()
        os.write(ours, typed)
        assert soon(held)
        assert soon(lambda: not held())
        os.write(ours, typed)
        assert held.wait()


def test_whoever_waits_for_a_key_can_be_interrupted(terminal: tuple[int, int]) -> None:
    with HoldKey("k", terminal[1]) as held:
        assert not held.wait(lambda: True)


def test_the_terminal_is_as_before(terminal: tuple[int, int]) -> None:
    import termios

    before = termios.tcgetattr(terminal[1])
    with HoldKey("k", terminal[1]):
        assert termios.tcgetattr(terminal[1]) != before
    assert termios.tcgetattr(terminal[1]) == before


@pytest.mark.parametrize("key", ["", "ab", "\x03", "F1"])
def test_what_is_no_key_is_refused(terminal: tuple[int, int], key: str) -> None:
    with pytest.raises(UsageError, match="is not a key"):
        HoldKey(key, terminal[1])


def test_without_a_terminal_nobody_can_hold_a_key() -> None:
    read, write = os.pipe()
    try:
        with pytest.raises(UsageError, match="not a terminal"):
            HoldKey("k", read)
    finally:
        os.close(read)
        os.close(write)
