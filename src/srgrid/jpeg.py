"""Damage in a JPEG file that the decoder passes over.

libjpeg fills whatever it cannot decode and only warns; Pillow drops the warnings. Two things show damage all the same:
markers where none may be, and compressed data that runs out early or is left over when the picture is complete.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

START = b"\xff\xd8\xff"
_MARKER = re.compile(rb"\xff[^\x00\xff]")  # ff 00 is the byte ff, more ff are padding
_EOI, _SOS, _DRI, _DNL = 0xD9, 0xDA, 0xDD, 0xDC
_RESTARTS = range(0xD0, 0xD8)
_SEQUENTIAL = (0xC0, 0xC1)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES = frozenset({0xC4, 0xCC, 0xDB, _DRI, _DNL, _SOS, 0xFE, *range(0xE0, 0xF0)})  # between scans
_AHEAD = 8  # bytes that libjpeg reads ahead
_LAST = 4  # bytes; a whole picture ends in the very last one


@dataclass
class _Frame:
    kind: int = 0
    components: int = 0
    restart: int = 0  # whether restart markers are announced


def first_picture(data: bytes) -> Picture:
    """The first picture in a JPEG file, as a file to decode. Raises ValueError, saying where, for a damaged one."""
    frame, at, scans = _Frame(), 2, 0
    while True:
        marker, at = _marker(data, at)
        if marker == _EOI:
            if not scans:
                raise ValueError("it ends before its picture begins")
            return Picture(data[:at], None)
        if scans and marker not in _TABLES:
            raise ValueError(f"a stray marker {marker:02x} at byte {at - 2}")
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            raise ValueError(f"a torn segment at byte {at - 2}")
        if marker in _FRAMES:
            frame.kind, frame.components = marker, data[at + 7]
        elif marker == _DRI:
            frame.restart = int.from_bytes(data[at + 2 : at + 4], "big")
        single = marker == _SOS and frame.kind in _SEQUENTIAL and data[at + 2] == frame.components
        at += length
        if marker == _SOS:
            scans += 1
            at = _end_of_scan(data, at, frame)
            if single and scans == 1:
                return _only_scan(data, at)


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """The marker at a byte, and the byte after it."""
    start = at
    while data[at : at + 1] == b"\xff":
        at += 1
    if at == start or at >= len(data):
        raise ValueError(f"no marker at byte {start}, where one must be")
    return data[at], at + 1


def _end_of_scan(data: bytes, at: int, frame: _Frame) -> int:
    """The byte after a scan's compressed data. Raises ValueError for restart markers that are lost or out of turn."""
    for turn, found in enumerate(_MARKER.finditer(data, at)):
        marker = data[found.start() + 1]
        if marker not in _RESTARTS:
            end = found.start()
            while data[end - 1] == 0xFF:
                end -= 1
            return end
        if not frame.restart or marker != _RESTARTS[turn % 8]:
            raise ValueError(f"a stray restart marker at byte {found.start()}")
    raise ValueError("it has no end marker")


def _only_scan(data: bytes, end: int) -> Picture:
    marker, after = _marker(data, end)
    if marker == _DNL:
        return Picture(data[: data.index(b"\xff\xd9", after) + 2], None)
    if marker != _EOI:
        raise ValueError(f"a stray marker {marker:02x} at byte {after - 2}")
    return Picture(data[:end] + bytes(_AHEAD), max(0, end - _LAST))


class Picture(io.BytesIO):
    """A JPEG picture that can tell how much of its compressed data the decoder took.

    Where the picture is one scan, a few zeros follow its data instead of the end marker: a decoder that needs more
    fails instead of making samples up. `last` is where the data's final bytes begin; `left_over` says that the decoder
    was done without asking for them.
    """

    def __init__(self, data: bytes, last: int | None) -> None:
        super().__init__(data)
        self._last = last
        self._asked = last is None

    def read(self, size: int | None = -1, /) -> bytes:
        at = self.tell()
        if self._last is not None and at < self._last:
            whole = size is None or size < 0
            return super().read(self._last - at if whole else min(size or 0, self._last - at))
        self._asked = True
        return super().read(size)

    @property
    def left_over(self) -> bool:
        """Whether the decoder left compressed data unread."""
        return not self._asked
