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


@contextmanager
def leaving_out(folder: Path) -> Iterator[None]:
    """Meanwhile labels leave out the path of a folder that says nothing to a user."""
    _left_out.append(f"{folder}/")
    try:
        yield
    finally:
        _left_out.pop()


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`, showing how far along they are."""
    if total is None and isinstance(items, Sequence):
        total = len(items)
    for path in _left_out:
        label = label.replace(path, "")
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track

        yield from rich_track(items, description=label, total=total, console=Console(stderr=True), transient=True)
        return
    shown = time.monotonic()
    count = 0
    for count, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - shown > LOG_EVERY_S:
            shown = time.monotonic()
            print(f"{label}: {count}/{total if total is not None else '?'}", file=sys.stderr, flush=True)
    print(f"{label}: {count} done", file=sys.stderr, flush=True)
