"""What a weights file is, told by its first bytes, never by its name. Nothing here imports torch."""

from __future__ import annotations

from typing import Literal

Kind = Literal["safetensors", "zip", "pickle", "onnx"]

START = 512
"""Bytes that `kind_of` and `look` want to see."""

_LOOKS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89HDF", "an HDF5 file, as Keras writes"),
    (b"GGUF", "a GGUF file"),
    (b"\x1f\x8b", "gzip-compressed: unpack it first"),
    (b"\xfd7zXZ", "xz-compressed: unpack it first"),
    (b"BZh", "bzip2-compressed: unpack it first"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run `git lfs pull`"),
    (b"SRPACK", "a training pack of srgrid"),
    (b"srgrid-checkpoint", "a checkpoint of a training state; give the weights that the training exported"),
)

# Tags of what may follow the version in an ONNX file: producer, domain, model's version, doc, graph, opsets, metadata.
_ONNX_TAGS = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72)


def kind_of(start: bytes) -> Kind | None:
    """The kind of a file that begins so; None of what holds no network."""
    safetensors = start[8:9] == b"{"
    onnx = start[:1] == b"\x08" and start[1:2] < b"\x20" and start[2:3] != b"" and start[2] in _ONNX_TAGS
    if onnx and not (safetensors and start[4:8] == bytes(4)):  # the length of a safetensors header, below 4 GiB
        return "onnx"
    if safetensors:
        return "safetensors"
    if start[:4] == b"PK\x03\x04":
        return "zip"
    return "pickle" if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") else None


def look(start: bytes) -> str:
    """What a file that is no weights file looks like."""
    if not start:
        return "it is empty"
    if start[257:262] == b"ustar":
        return "it looks like a tar archive: unpack it first"
    if start.lstrip()[:1] == b"<":
        return "it looks like a web page: the download went wrong"
    return next((f"it looks like {what}" for magic, what in _LOOKS if start.startswith(magic)), "unknown content")
