"""Spoils HDF5's own metadata and sets its checksums right again: what somebody would do who means it.

Since 1.10, HDF5 keeps Bob Jenkins' ``lookup3`` hash behind every block of metadata, so that a flipped bit never gets far.
"""

import random
import struct
from collections.abc import Iterator
from pathlib import Path

_MASK = 0xFFFFFFFF
_NUMBERS = (0, 1, 65535, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


def spoil_headers(path: Path, rng: random.Random) -> str:
    """Change an object's header (shapes, types, filters, where chunks are) and return where; "" where there is none."""
    data = bytearray(path.read_bytes())
    headers = list(_headers(bytes(data)))
    if not headers:
        return ""
    begin, end = rng.choice(headers)
    done = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(begin + 4, end)
        kind = rng.random()
        if kind < 0.5:
            data[at] ^= 1 << rng.randrange(8)
        elif kind < 0.8:
            data[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        else:
            width = min(rng.choice((2, 4, 8)), end - at)
            data[at : at + width] = (rng.choice(_NUMBERS) % 256**width).to_bytes(width, "little")
        done.append(f"{at - begin}")
    data[end : end + 4] = lookup3(bytes(data[begin:end])).to_bytes(4, "little")
    path.write_bytes(data)
    return f"header at {begin}, bytes {','.join(done)}"


def _headers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where every object's header (version 2) begins, and where its checksum does."""
    begin = -1
    while (begin := data.find(b"OHDR", begin + 1)) >= 0:
        flags = data[begin + 5] if begin + 5 < len(data) else 0
        place = begin + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
        width = 1 << (flags & 3)
        end = place + width + int.from_bytes(data[place : place + width], "little")
        if end + 4 <= len(data) and lookup3(data[begin:end]) == int.from_bytes(data[end : end + 4], "little"):
            yield begin, end


def lookup3(data: bytes) -> int:
    """Return the hash of ``data``."""
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    blocks = max(0, (len(data) - 1) // 12)
    for index in range(blocks):
        x, y, z = struct.unpack_from("<III", data, 12 * index)
        a, b, c = (a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK
        for first, second in ((4, 6), (8, 16), (19, 4)):
            a = ((a - c) & _MASK) ^ _rotated(c, first)
            c = (c + b) & _MASK
            b = ((b - a) & _MASK) ^ _rotated(a, second)
            a = (a + c) & _MASK
            a, b, c = c, a, b  # each turn begins with another of the three
    rest = data[12 * blocks :]
    if not rest:
        return c
    x, y, z = struct.unpack("<III", rest.ljust(12, b"\0"))
    a, b, c = (a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK
    c = ((c ^ b) - _rotated(b, 14)) & _MASK
    a = ((a ^ c) - _rotated(c, 11)) & _MASK
    b = ((b ^ a) - _rotated(a, 25)) & _MASK
    c = ((c ^ b) - _rotated(b, 16)) & _MASK
    a = ((a ^ c) - _rotated(c, 4)) & _MASK
    b = ((b ^ a) - _rotated(a, 14)) & _MASK
    return ((c ^ b) - _rotated(b, 24)) & _MASK


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _MASK
