"""Progress on stderr: a live bar on a terminal, a few plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
LOG_EVERY_S = 10.0
_left_out: list[str] = []
_live: list[str] = []  # labels of bars on the terminal: one at a time, what runs inside it prints lines


@contextmanager
def leaving_out(folder: Path) -> Iterator[None]:
    """Meanwhile labels leave out the path of a folder that says nothing to a user."""
    _left_out.append(f"{folder}/")
    try:
        yield
    finally:
        _left_out.pop()


def track(items: Iterable[T], label: str, total: int | None = None, brief: bool = False) -> Iterator[T]:
    """Yield `items`, showing how far along they are. brief: say nothing in a log of what is done at once."""
    if total is None and isinstance(items, Sequence):
        total = len(items)
    for path in _left_out:
        label = label.replace(path, "")
    if sys.stderr.isatty() and not _live:
        yield from _bar(items, label, total)
        return
    start = shown = time.monotonic()
    count = 0
    for count, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - shown > LOG_EVERY_S:
            shown, brief = now, False
            left = f", {clock((now - start) / count * (total - count))} left" if total is not None else ""
            print(f"{label}: {count}/{total if total is not None else '?'}{left}", file=sys.stderr, flush=True)
    if not brief:
        print(f"{label}: {count} done", file=sys.stderr, flush=True)


def _bar(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import track as rich_track

    _live.append(label)
    try:
        yield from rich_track(items, description=label, total=total, console=Console(stderr=True), transient=True)
    finally:
        _live.remove(label)


def clock(seconds: float) -> str:
    """A time as 1:02:03, or 2:03 below an hour."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
