"""Ways to spoil a sound file: its bytes, its JSON, its HDF5 structure, the records of a journal."""

import json
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from fuzz_sealed import spoil_headers

NUMBERS = (0, 1, -1, 2, 127, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, -(2**63), 10**30)
TEXTS = (
    "",
    "/",
    "..",
    "../../../etc/passwd",
    "/etc/passwd",
    "\0",
    "a" * 5000,
    "{0.__class__}",
    "é\ud800".encode("utf-8", "replace").decode(),
    "latest",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    *NUMBERS,
    0.5,
    1e308,
    -1e-300,
    float("nan"),
    float("inf"),
    *TEXTS,
    [],
    {},
    [[]],
    {"": 0},
)


def spoil(path: Path, rng: random.Random, trap: Path) -> str:
    """Change the file ``path`` and return how. ``trap`` is a place outside that nothing may open."""
    choices = [_bytes]
    if path.suffix == ".json":
        choices = [_bytes, _document, _document, _document]
    elif path.suffix == ".hdf5":
        choices = [_bytes, _structure, _structure, _sealed]
    elif path.suffix == ".partial":
        choices = [_bytes, _records, _records]
    elif path.suffix == ".safetensors":
        choices = [_bytes, _header, _header]
    elif path.suffix == ".toml":
        choices = [_bytes, _bytes, _bytes, _nested]
    how = rng.choice(choices)
    return f"{path.name}: {how(path, rng, trap) if how is _structure else how(path, rng)}"


def _bytes(path: Path, rng: random.Random, *_: object) -> str:
    data = bytearray(path.read_bytes())
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
        kind = rng.choice(("flip", "set", "cut", "drop", "repeat", "number", "zero"))
        at = rng.randrange(len(data) + 1)
        size = min(rng.choice((1, 2, 4, 8, 64, 1000)), len(data) - at)
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == "set" and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + size]
        elif kind == "repeat":
            data[at:at] = data[at : at + size] * rng.choice((1, 3, 50))
        elif kind == "number":
            width = rng.choice((1, 2, 4, 8))
            value = rng.choice(NUMBERS) % 256**width
            data[at : at + width] = value.to_bytes(width, rng.choice(("little", "big")))
        else:
            data[at : at + size] = bytes(size)
        done.append(f"{kind}@{at}")
    path.write_bytes(data)
    return ",".join(done)


def _header(path: Path, rng: random.Random) -> str:
    """Spoil the JSON before the numbers: shapes, places, what training keeps there."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    kept = header.get("__metadata__", {})
    if kept and rng.random() < 0.5:
        name = rng.choice(list(kept))
        try:
            inner = json.loads(kept[name])
            where = spoil_json(inner, rng)
            kept[name] = rng.choice((json.dumps(inner), json.dumps(inner), "[" * 100_000))
        except ValueError:
            where = spoil_json(kept, rng)
    else:
        where = spoil_json(header, rng)
    packed = json.dumps(header).encode()
    path.write_bytes(len(packed).to_bytes(8, "little") + packed + data[8 + size :])
    return where


def _nested(path: Path, rng: random.Random) -> str:
    text = rng.choice(
        ("x = " + "[" * 100_000, "x = " + "{a=" * 50_000, "[" + ".".join("a" * 30_000) + "]", "x = " + "1" * 10_000)
    )
    path.write_text(text)
    return text[:20]


def _document(path: Path, rng: random.Random) -> str:
    value = json.loads(path.read_text(encoding="utf-8"))
    if rng.random() < 0.05:
        path.write_text(rng.choice(("[" * 100_000, '{"a":' * 50_000, "1" * 10_000, "null", "[]", '"x"')))
        return "another document"
    where = spoil_json(value, rng)
    path.write_text(json.dumps(value), encoding="utf-8")
    return where


def spoil_json(value: Any, rng: random.Random) -> str:
    """Change something somewhere inside ``value``, an object or a list, and return where."""
    places = list(_places(value, ""))
    node, key, where = rng.choice(places)
    kind = rng.random()
    if kind < 0.2:
        del node[key]
        return f"{where} gone"
    old = node[key]
    if kind < 0.35 and isinstance(old, str) and old:
        at = rng.randrange(len(old))
        node[key] = old[:at] + rng.choice(TEXTS[:6]) + old[at + 1 :]
    elif kind < 0.45 and isinstance(old, list) and old:
        node[key] = old * rng.choice((2, 100))
    elif kind < 0.5 and isinstance(node, dict):
        node[rng.choice(TEXTS)] = old
    else:
        node[key] = rng.choice(VALUES)
    return f"{where} = {str(node.get(key) if isinstance(node, dict) else node[key])[:60]!r}"


def _places(value: Any, where: str) -> Any:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key, f"{where}/{key}"
        if isinstance(value[key], dict | list):
            yield from _places(value[key], f"{where}/{key}")


_SALT = 4
"""Bytes between a journal's first line and its records, which the chain of checksums begins with."""


def _records(path: Path, rng: random.Random) -> str:
    """Spoil a record of a journal and set its checksum right again: what somebody would do who means it."""
    data = path.read_bytes()
    begin = data.index(b"\n") + 1 + _SALT
    at, records = begin, []
    head = struct.Struct("<II")
    while at + head.size <= len(data):
        length, _ = head.unpack_from(data, at)
        records.append(bytearray(data[at + head.size : at + head.size + length]))
        at += head.size + length
    index = rng.randrange(len(records))
    record = records[index]
    kind = rng.choice(("json", "flip", "cut", "grow", "number", "swap", "drop"))
    if kind == "json":
        header = json.loads(records[0][1:].decode())  # the first byte is the record's kind
        attributes = header["attributes"]
        name = rng.choice(list(attributes))
        try:
            inner = json.loads(attributes[name])
            spoil_json(inner, rng)
            attributes[name] = json.dumps(inner)
        except ValueError:
            spoil_json(header, rng)
        records[0] = bytearray(b"H" + json.dumps(header).encode())
    elif kind == "flip" and record:
        record[rng.randrange(len(record))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del record[rng.randrange(len(record) + 1) :]
    elif kind == "grow":
        record += bytes(rng.choice((1, 4, 5000)))
    elif kind == "number" and len(record) > 4:
        place = rng.randrange(len(record) - 4)
        record[place : place + 4] = (rng.choice(NUMBERS) % 2**32).to_bytes(4, "little")
    elif kind == "swap":
        records[index] = record[:1] + zlib.compress(bytes(50_000_000), 9)  # a bomb where a frame may stand
    else:
        del records[index]
    packed, (before,) = b"", struct.unpack_from("<I", data, begin - _SALT)
    for one in records:
        before = zlib.crc32(one, zlib.crc32(struct.pack("<I", len(one)), before))
        packed += head.pack(len(one), before) + one
    path.write_bytes(data[:begin] + packed)
    return f"record {index} {kind}"


def _sealed(path: Path, rng: random.Random) -> str:
    # Files of the oldest layout, which h5py writes unless told otherwise, have no checksums: any bytes will do.
    return spoil_headers(path, rng) or _bytes(path, rng)


# -- HDF5 ---------------------------------------------------------------------------------------------------------------


def _structure(path: Path, rng: random.Random, trap: Path) -> str:
    done = []
    with h5py.File(path, "r+") as file:
        for _ in range(rng.choice((1, 1, 2))):
            names: list[str] = []
            try:
                file.visit(names.append)
                attributed = [name for name in ["/", *names] if len(file[name].attrs)]
                if attributed and (not names or rng.random() < 0.35):
                    done.append(_attribute(file[rng.choice(attributed)], rng))
                elif names:
                    done.append(_object(file, rng.choice(names), rng, trap))
            except (LookupError, ValueError, TypeError, OSError, RuntimeError, AttributeError) as error:
                done.append(f"half of it: {error}")  # what HDF5 refuses to write; what stands until then is tried
    return "; ".join(done)


def _attribute(node: Any, rng: random.Random) -> str:
    name = rng.choice(list(node.attrs))
    kind = rng.choice(("gone", "json", "json", "value", "array", "bytes", "empty", "long"))
    value = node.attrs[name]
    if kind == "gone":
        del node.attrs[name]
    elif kind == "json" and isinstance(value, str | bytes):
        try:
            inner = json.loads(value)
            spoil_json(inner, rng)
            node.attrs[name] = json.dumps(inner)
        except (ValueError, TypeError):
            node.attrs[name] = rng.choice(TEXTS[:5])
    elif kind == "array":
        node.attrs[name] = np.zeros((3, 2))
    elif kind == "bytes":
        node.attrs[name] = np.bytes_(b"\xff\xfe{")
    elif kind == "empty":
        node.attrs[name] = h5py.Empty("f4")
    elif kind == "long":
        node.attrs[name] = "[" * 60_000
    else:
        node.attrs[name] = rng.choice((0, -1, 2**62, 1.5, float("nan"), "", "{}", "[]", "null", True))
    return f"{node.name}@{name} {kind}"


def _object(file: Any, name: str, rng: random.Random, trap: Path) -> str:  # noqa: C901 - one list of ways
    node = file[name]
    old = node if isinstance(node, h5py.Dataset) and not node.is_virtual and node.shape else None
    shape, dtype = (old.shape, old.dtype) if old is not None else ((3, 4), np.dtype("f4"))
    kind = rng.choice(
        ("gone", "soft", "out", "virtual", "external", "group", "shape", "dtype", "filter", "chunk", "many")
    )
    del file[name]
    if kind == "soft":
        file[name] = h5py.SoftLink(rng.choice(("/", f"/{name}", "/data", "/nowhere")))
    elif kind == "out":
        file[name] = h5py.ExternalLink(rng.choice((str(trap), f"../{trap.name}", trap.name)), "/x")
    elif kind == "virtual":
        layout = h5py.VirtualLayout(shape, dtype)
        layout[...] = h5py.VirtualSource(str(trap), "x", shape, dtype)
        file.create_virtual_dataset(name, layout)
    elif kind == "external":
        size = max(1, int(np.prod(shape)) * dtype.itemsize)
        file.create_dataset(name, shape, dtype, external=[(str(trap), 0, size)])
    elif kind == "group":
        file.create_group(name)
    elif kind == "shape":
        made = rng.choice(((), (0,), (1,), shape[1:], (*shape, 1), (shape[0] + 1, *shape[1:]), (2**40,), (10**9, 3)))
        file.create_dataset(name, made, dtype, chunks=(1,) * len(made) if made and max(made) > 10**6 else None)
    elif kind == "dtype":
        made = rng.choice(
            ("f2", ">f8", "i8", "?", "c8", "S5", [("a", "u1"), ("b", "f4")], h5py.string_dtype(), h5py.ref_dtype)
        )
        file.create_dataset(name, shape, made)
    elif kind == "filter":
        how = rng.choice(({"scaleoffset": 0}, {"compression": "lzf"}, {"compression": "gzip"}, {"shuffle": True}))
        data = np.zeros(shape, dtype) if shape else 0
        file.create_dataset(name, shape, dtype, data=data, chunks=True, **how) if shape else file.create_dataset(
            name, data=0
        )
    elif kind == "chunk":
        # A few bytes stored, hundreds of megabytes unpacked.
        file.create_dataset(
            name, (1, *shape[1:]), dtype, chunks=(2**20, *shape[1:]), maxshape=(None, *shape[1:]), compression="gzip"
        )
    elif kind == "many":
        for index in range(rng.choice((1, 300))):
            file.create_group(f"{name}/demo_{index}")
    return f"{name} {kind}"
