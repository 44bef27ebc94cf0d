"""Reads from an HDF5 file's bytes how it finds the chunks of a dataset, which h5py does not report.

Layouts up to HDF5 1.8, h5py's default, search a tree of chunk positions. Newer ones compute a chunk's place from the size
that the dataset may grow to, and HDF5 2.0 crashes if that size is false.
HDF5 File Format Specification 3.0: IV.A.1 (object headers), IV.A.2.i (data layout), IV.A.2.q (continuation).
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import h5py

_LAYOUT, _CONTINUATION = 0x08, 0x10
_SHARED = 0x02
_NEWEST_TREE = 3
"""Newest version of the layout message that knows only the tree."""
_MOST_BLOCKS, _MOST_BYTES = 64, 2**20


def finds_chunks_by_tree(dataset: Any) -> bool:
    """Whether HDF5 finds the chunks of ``dataset`` by a tree; False if that is not certain. Raises OSError."""
    file = dataset.file
    try:
        with Path(file.filename).open("rb") as raw:
            address = int(h5py.h5o.get_info(dataset.id).addr)
            versions = list(_layout_versions(raw, int(file.userblock_size), address))
    except (ValueError, struct.error):
        return False
    return len(versions) == 1 and versions[0] <= _NEWEST_TREE


def _layout_versions(raw: BinaryIO, base: int, address: int) -> Iterator[int]:
    """Yield the versions of all data layout messages of the object header at ``address``. Raises ValueError, struct.error."""
    superblock = _piece(raw, base, 16)
    if superblock[13 if superblock[8] < 2 else 9] != 8:
        raise ValueError("addresses of another width than 8 bytes")
    head = _piece(raw, base + address, 16)
    if head[0] == 1:
        form, block = "<HHB3x", _piece(raw, base + address + 16, struct.unpack_from("<I", head, 8)[0])
    elif head[:5] == b"OHDR\x02":
        flags = head[5]
        form = "<BHBxx" if flags & 0x04 else "<BHB"
        place = address + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
        width = 1 << (flags & 3)
        block = _piece(raw, base + place + width, int.from_bytes(_piece(raw, base + place, width), "little"))
    else:
        raise ValueError("an object header of another version")
    blocks, read = [block], 0
    for block in blocks:
        read += len(block)
        if read > _MOST_BYTES or len(blocks) > _MOST_BLOCKS:
            raise ValueError("an endless object header")
        for kind, flags, body in _messages(block, form):
            if kind == _LAYOUT:
                if flags & _SHARED:
                    raise ValueError("a layout that stands elsewhere")
                yield body[0] if body else 255
            elif kind == _CONTINUATION:
                place, size = struct.unpack_from("<QQ", body)
                more = _piece(raw, base + place, size)
                blocks.append(more if head[0] == 1 else more[4:-4])


def _messages(block: bytes, form: str) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, flags and body of each message. Raises ValueError for one that is longer than its block."""
    at, width = 0, struct.calcsize(form)
    while at + width <= len(block):
        kind, length, flags = struct.unpack_from(form, block, at)
        body = block[at + width : at + width + length]
        if len(body) != length:
            raise ValueError("a message that is cut off")
        yield kind, flags, body
        at += width + length


def _piece(raw: BinaryIO, place: int, size: int) -> bytes:
    """Return ``size`` bytes. Raises ValueError if there are fewer, or if ``size`` is too large."""
    if size > _MOST_BYTES or place >= 2**63:
        raise ValueError("a piece of absurd size")
    raw.seek(place)
    found = raw.read(size)
    if len(found) != size:
        raise ValueError("a piece that is cut off")
    return found
