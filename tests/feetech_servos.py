"""Six software servos on a pseudo terminal: LeRobot's own SO-101 class and Feetech's own SDK talk to them as to an arm.

The protocol is Feetech's STS: FF FF, id, length, instruction, parameters, checksum; memory as in LeRobot's control table.
"""

import os
import pty
import select
import sys
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MODEL, MIN, MAX, TORQUE, GOAL, PRESENT = 3, 9, 11, 40, 42, 56
STS3215 = 777
PING, READ, WRITE, SYNC_READ, SYNC_WRITE, EVERYBODY = 1, 2, 3, 0x82, 0x83, 0xFE
SPEED = 1500.0
"""[ticks/s]; a turn has 4096."""


class Servo:
    def __init__(self, low: int = 1024, high: int = 3072) -> None:
        self.memory = bytearray(128)
        self.put(MODEL, STS3215)
        self.put(MIN, low)
        self.put(MAX, high)
        for address in (GOAL, PRESENT):
            self.put(address, (low + high) // 2)
        self._since = time.monotonic()

    def put(self, address: int, value: int) -> None:
        self.memory[address : address + 2] = value.to_bytes(2, "little")

    def get(self, address: int) -> int:
        return int.from_bytes(self.memory[address : address + 2], "little")

    def move(self) -> None:
        now = time.monotonic()
        reach, self._since = SPEED * (now - self._since), now
        away = self.get(GOAL) - self.get(PRESENT)
        if self.memory[TORQUE]:
            self.put(PRESENT, self.get(PRESENT) + round(max(-reach, min(reach, away))))


class Servos:
    """Servos 1 to 6, answering on ``port`` until they are unplugged."""

    def __init__(self) -> None:
        self.servos = {number: Servo() for number in range(1, 7)}
        self._end, slave = pty.openpty()
        tty.setraw(slave)
        self._slave = slave
        self.port = os.ttyname(slave)
        self._stopping = threading.Event()
        self.silent = False
        """A pulled cable: nobody answers."""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        os.close(self._slave)
        os.close(self._end)

    def _serve(self) -> None:
        heard = bytearray()
        while not self._stopping.is_set():
            if not select.select([self._end], [], [], 0.02)[0]:
                continue
            heard += os.read(self._end, 4096)
            while len(heard) >= 4 and len(heard) >= 4 + heard[3]:
                packet, heard = bytes(heard[: 4 + heard[3]]), heard[4 + heard[3] :]
                assert packet[:2] == b"\xff\xff"
                assert packet[-1] == ~sum(packet[2:-1]) & 0xFF
                if not self.silent:
                    self._answer(packet[2], packet[4], packet[5:-1])

    def _answer(self, number: int, instruction: int, words: bytes) -> None:
        if instruction == SYNC_READ:
            for asked in words[2:]:
                self._say(asked, self._read(asked, words[0], words[1]))
        elif instruction == SYNC_WRITE:
            size = words[1] + 1
            for start in range(2, len(words), size):
                self._write(words[start], words[0], words[start + 1 : start + size])
        elif number in self.servos:
            if instruction == WRITE:
                self._write(number, words[0], words[1:])
            self._say(number, self._read(number, words[0], words[1]) if instruction == READ else b"")

    def _read(self, number: int, address: int, count: int) -> bytes:
        self.servos[number].move()
        return bytes(self.servos[number].memory[address : address + count])

    def _write(self, number: int, address: int, data: bytes) -> None:
        self.servos[number].move()
        self.servos[number].memory[address : address + len(data)] = data

    def _say(self, number: int, data: bytes) -> None:
        body = bytes([number, len(data) + 2, 0]) + data
        os.write(self._end, b"\xff\xff" + body + bytes([~sum(body) & 0xFF]))


@contextmanager
def servos() -> Iterator[Servos]:
    """Plug the servos in. The SDK spins while it waits: without short turns for other threads nobody would answer it."""
    from lerobot.motors.feetech import feetech

    plugged, turn, patience = Servos(), sys.getswitchinterval(), feetech.patch_setPacketTimeout

    def patient(port: Any, length: int) -> None:
        patience(port, length)
        port.packet_timeout += 1000  # [ms]; on a busy machine a thread is slower than a servo

    feetech.patch_setPacketTimeout = patient
    sys.setswitchinterval(0.0002)
    try:
        yield plugged
    finally:
        sys.setswitchinterval(turn)
        feetech.patch_setPacketTimeout = patience
        plugged.close()
