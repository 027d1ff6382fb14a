"""Stopping cleanly when a scheduler or a user asks for it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Interrupted(Exception):  # noqa: N818  (asked for, not an error)
    """Training was stopped by a signal after saving a checkpoint. `exit_status` is 128 + the signal's number."""

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.signum = signum
        self.exit_status = 128 + signum


class StopFlag:
    """The first SIGTERM or SIGINT that came in, or 0."""

    signum = 0


@contextlib.contextmanager
def listening() -> Iterator[StopFlag]:
    """While in the block, note SIGTERM and SIGINT instead of dying; a second one of the same kind kills as usual."""
    flag = StopFlag()
    before = {}

    def note(signum: int, frame: FrameType | None) -> None:
        flag.signum = flag.signum or signum
        signal.signal(signum, signal.SIG_DFL)

    with contextlib.suppress(ValueError):  # not the main thread: the caller handles signals
        for signum in (signal.SIGTERM, signal.SIGINT):
            before[signum] = signal.signal(signum, note)
    try:
        yield flag
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
