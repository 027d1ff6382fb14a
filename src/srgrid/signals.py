"""Ending on SIGTERM and SIGHUP as on an error: what is half-written is removed."""

from __future__ import annotations

import signal
from types import FrameType

_STOPPING = (signal.SIGTERM, signal.SIGHUP)


class Signalled(BaseException):
    """One of them came in; raised where the program is."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}; nothing half-written is left")
        self.exit_status = 128 + signum


def raise_when_stopped() -> None:
    """From now on they raise `Signalled`; one that the caller ignores (nohup) stays ignored."""
    for each in _STOPPING:
        if signal.getsignal(each) is signal.SIG_DFL:
            signal.signal(each, _raise)


def _raise(signum: int, frame: FrameType | None) -> None:
    for each in _STOPPING:
        signal.signal(each, signal.SIG_IGN)  # a second one must not break the cleaning up
    raise Signalled(signum)
