"""Seeded damage. Every mutator takes a random generator and a valid file's bytes, and returns other bytes."""

from __future__ import annotations

import binascii
import copy
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

Mutator = Callable[[Random, bytes], bytes]

NUMBERS: list[Any] = [
    *(0, 1, -1, 2, 2.5, -0.0, 255, 256, 65535, 2**31 - 1, 2**31, 2**32, 2**63, 10**30, 1e-320, 1e308),
    *(float("nan"), float("inf"), float("-inf")),
]
TEXTS = [
    *("", " ", "0", "-1", "1e9", "nan", "inf", "007", "true", "null", "=1+1", "@x", "2020-01-01", "x" * 300),
    *("a\n", "a\r", "a\n\nb", "a\tb", "a\x00b", "\x1b[2J", "cafe\u0301", "\u202egnp", "\ufeffx", "\U0001f600"),
    *(
        "../../x",
        "/etc/passwd",
        "C:\\x",
        ".",
        "..",
        "{x}",
        "{0.__class__}",
        "{:9999999999}",
        "%s",
        "*",
        "[",
        "(",
        "a+b",
    ),
    *("x|y", "<script>", "`$(id)`", "'", '"', "\\"),
]
OTHERS: list[Any] = [None, True, False, [], {}, [[]], {"": None}, [1, 2], ["a", "a"], {"a": {"b": {"c": []}}}]
WORDS = [str(value).encode() for value in (*NUMBERS, *TEXTS)] + [b"\xff\xfe", b"\x80", b"\r\n", b","]


# Bytes of any kind


def flips(rng: Random, data: bytes) -> bytes:
    """One to eight flipped bits."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8)) if data else 0):
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def head_flips(rng: Random, data: bytes) -> bytes:
    """Flipped bits among the first 200 bytes, where headers are."""
    return flips(rng, data[:200]) + data[200:]


def cut(rng: Random, data: bytes) -> bytes:
    """A part of the file: its beginning, mostly."""
    end = rng.choice((0, 1, len(data) - 1, rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    return data[: max(0, end)] if rng.random() < 0.8 else data[end:]


def doubled(rng: Random, data: bytes) -> bytes:
    """A part of the file twice, or all of it, or something after its end."""
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return rng.choice((data[:b] + data[a:b] + data[b:], data + data, data + bytes(rng.randrange(100)), data + b"\nx"))


def spliced(rng: Random, data: bytes) -> bytes:
    """A part of the file over another part of it, or noise or zeros over it."""
    a, b, to = (rng.randrange(len(data) + 1) for _ in range(3))
    part = data[min(a, b) : max(a, b)][:500]
    part = rng.choice((part, bytes(len(part)), rng.randbytes(min(len(part), 64))))
    return data[:to] + part + data[to + len(part) :]


def sizes(rng: Random, data: bytes) -> bytes:
    """A binary number among the first 300 bytes replaced by one at the edge of its type."""
    width, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
    value = rng.choice(
        (0, 1, 2, 1 << 7, 1 << (8 * width - 1), (1 << (8 * width - 1)) - 1, (1 << 8 * width) - 1, 1 << 20)
    )
    number = (value & ((1 << 8 * width) - 1)).to_bytes(width, order)
    at = rng.randrange(max(1, min(len(data), 300)))
    return data[:at] + number + data[at + width :]


def written_numbers(rng: Random, data: bytes) -> bytes:
    """A number or word written in the first 2,000 bytes as text, or anywhere, replaced by a hostile one."""
    head = data[: rng.choice((2000, len(data)))]
    ends = [i for i in range(1, len(head)) if head[i - 1 : i].isalnum() != head[i : i + 1].isalnum()]
    if len(ends) < 2:
        return data
    k = rng.randrange(len(ends) - 1)
    return data[: ends[k]] + rng.choice(WORDS) + data[ends[k + 1] :]


def lines(rng: Random, data: bytes) -> bytes:
    """Lines dropped, doubled, swapped, joined, or of other ends."""
    parts = data.split(b"\n")
    k, j = rng.randrange(len(parts)), rng.randrange(len(parts))
    how = rng.randrange(5)
    if how == 0:
        del parts[k]
    elif how == 1:
        parts.insert(j, parts[k])
    elif how == 2:
        parts[k], parts[j] = parts[j], parts[k]
    elif how == 3:
        return data.replace(b"\n", rng.choice((b"\r", b"\r\n", b"\n\n", b" ")), rng.choice((1, -1)))
    else:
        parts[k] = rng.choice(WORDS)
    return b"\n".join(parts)


BYTES: tuple[Mutator, ...] = (flips, head_flips, cut, doubled, spliced, sizes)
TEXT: tuple[Mutator, ...] = (flips, cut, doubled, spliced, written_numbers, written_numbers, lines)


# Trees of values: JSON, YAML


def tree(rng: Random, value: Any) -> Any:
    """A tree with one place changed: another value, a lost, added, renamed or doubled entry, deeper nesting."""
    made = copy.deepcopy(value)
    places = list(_places(made))
    if not places:
        return rng.choice(OTHERS)
    holder, key = rng.choice(places)
    how = rng.random()
    if how < 0.6:
        holder[key] = hostile(rng, holder[key])
    elif how < 0.7:
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(key, rng.choice((copy.deepcopy(holder[key]), hostile(rng, holder[key]))))
    elif how < 0.85:
        holder[rng.choice(TEXTS)] = holder.pop(key)
    else:
        holder[rng.choice(TEXTS)] = hostile(rng, holder[key])
    return made


def hostile(rng: Random, value: Any) -> Any:
    """A value in place of another: of its own type at the edge, of another type, or of another shape."""
    how = rng.random()
    if how < 0.4:
        return rng.choice(NUMBERS if isinstance(value, (int, float)) else TEXTS)
    if how < 0.8:
        return copy.deepcopy(rng.choice(rng.choice((NUMBERS, TEXTS, OTHERS))))
    if how < 0.9:
        return rng.choice(([value], {"x": value}, str(value), [value] * 3))
    return _nested(rng.choice((20, 300)))


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def _places(value: Any) -> Any:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def json_tree(rng: Random, data: bytes) -> bytes:
    """A JSON file with a changed tree; still JSON."""
    try:
        return json.dumps(tree(rng, json.loads(data))).encode()
    except (ValueError, RecursionError):  # an earlier mutation broke it
        return data


def yaml_tree(rng: Random, data: bytes) -> bytes:
    """A YAML file with a changed tree; still YAML."""
    try:
        return yaml.safe_dump(tree(rng, yaml.safe_load(data)), allow_unicode=True).encode()
    except (ValueError, yaml.YAMLError, RecursionError):
        return data


# Formats whose own checks would refuse plain damage at the door


def png_fields(rng: Random, data: bytes) -> bytes:
    """A PNG with a changed chunk (size, depth, colour, contents) whose checksum is right."""
    chunks, at = [], 8
    while at + 8 <= len(data):
        length = struct.unpack(">I", data[at : at + 4])[0]
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += 12 + length
    if not chunks:
        return data
    chunk = rng.choice((chunks[0], rng.choice(chunks)))
    chunk[1] = rng.choice((sizes, flips, cut, doubled))(rng, chunk[1])
    if rng.random() < 0.3:
        extra = [rng.choice((b"tRNS", b"gAMA", b"acTL", b"eXIf", b"tEXt", b"zTXt", b"iCCP", b"PLTE")), rng.randbytes(8)]
        chunks.insert(rng.randrange(len(chunks) + 1), extra)
    body = (struct.pack(">I", len(b)) + n + b + struct.pack(">I", binascii.crc32(n + b)) for n, b in chunks)
    return data[:8] + b"".join(body)


def framed_json(start: int, pad: int = 1) -> Mutator:
    """A mutator of a JSON head of declared length (8 bytes, little endian, at `start`), with the right length."""

    def change(rng: Random, data: bytes) -> bytes:
        try:
            end = start + 8 + struct.unpack("<Q", data[start : start + 8])[0]
            head = json.loads(data[start + 8 : end])
            about = head.get("__metadata__")
            if isinstance(about, dict) and rng.random() < 0.6:  # safetensors: a JSON text in the JSON
                key, text = next(iter(about.items()))
                about[key] = json.dumps(tree(rng, json.loads(text)))
            else:
                head = tree(rng, head)
        except (AttributeError, StopIteration, TypeError, ValueError, struct.error, RecursionError):
            return data  # an earlier mutation broke it
        raw = json.dumps(head).encode()
        raw += b" " * (-(start + 8 + len(raw)) % pad)
        return data[:start] + struct.pack("<Q", len(raw)) + raw + data[end:]

    return change


def archive_names(rng: Random, data: bytes) -> bytes:
    """Another archive of the same files, sound in itself, with hostile names, sizes and kinds of entries."""
    name = rng.choice(
        ("a/x.png", "x.png", "a/../x.png", "/x.png", "a\\x.png", "CON.png", "x" * 300 + ".png", "a/b.gif")
    )
    name = rng.choice((name, rng.choice(TEXTS) + ".png", rng.choice(TEXTS)))
    out = io.BytesIO()
    if data[:2] == b"PK":
        with zipfile.ZipFile(out, "w", rng.choice((0, zipfile.ZIP_DEFLATED))) as pack:
            for k in range(rng.choice((1, 2))):
                info = zipfile.ZipInfo(name if k == 0 else rng.choice((name, "y.png")))
                info.external_attr = rng.choice((0, 0o120777, 0o100644, 0o010644)) << 16
                pack.writestr(info, b"x" * rng.choice((0, 1, 1000)))
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w", format=rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))) as tar:
        entry = tarfile.TarInfo(name)
        entry.type = rng.choice((tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE))
        entry.size = rng.choice((0, 1, 700)) if entry.type == tarfile.REGTYPE else 0
        entry.linkname = rng.choice(("", "x.png", "/etc/passwd"))
        if rng.random() < 0.3:
            entry.pax_headers = {rng.choice(("path", "size", "GNU.sparse.size")): rng.choice(TEXTS).replace("\x00", "")}
        tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    return out.getvalue()
