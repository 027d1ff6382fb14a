"""The progress line of a training: live on a terminal, a line now and then in a log."""

from __future__ import annotations

import statistics
import sys
import time
from collections import deque
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from srgrid.progress import clock

LOG_EVERY_S = 15.0
LIVE_EVERY_S = 0.5


class Line:
    """Shows step, images/s, loss, PSNR and time left on stderr."""

    def __init__(self, label: str, quiet: bool = False, steps: int | None = None) -> None:
        """steps: of the whole training, where that is its budget."""
        self.label, self.quiet, self.steps = label, quiet, steps
        self.live = sys.stderr.isatty() and not quiet
        self.shown = time.monotonic()
        self.reached: float | None = None
        # Share of the budget per second between the last showings. Their median does not see the time that compiling
        # at the start or a validation takes.
        self.paces: deque[float] = deque(maxlen=20)
        self.bar = Progress(
            TextColumn(label),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self.task = self.bar.add_task(label, total=1.0, text="starting")

    def __enter__(self) -> Line:
        if self.live:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.bar.stop()

    def due(self, progress: float) -> bool:
        """Whether it is time to show something; time left is reckoned from the first call on, after the first step."""
        if self.reached is None:
            self.shown, self.reached = time.monotonic(), progress
        return not self.quiet and time.monotonic() - self.shown > (LIVE_EVERY_S if self.live else LOG_EVERY_S)

    def show(self, step: int, progress: float, rate: float, loss: float, psnr: float | None) -> None:
        """Show where the training is; `progress` is the share of the budget used up, `rate` in images/s."""
        now = time.monotonic()
        self.paces.append((progress - (self.reached or 0.0)) / (now - self.shown))
        pace = statistics.median(self.paces)
        left = f"  {clock((1 - progress) / pace)} left" if pace else ""
        quality = "" if psnr is None else f"  PSNR {psnr:.2f} dB"
        total = f" of {self.steps}" if self.steps else f" ({progress:.0%} of the time)"
        text = f"step {step}{total}  {rate:.1f} images/s  loss {loss:.5f}{quality}{left}"
        self.shown, self.reached = now, progress
        if self.live:
            self.bar.update(self.task, completed=progress, text=text)
        else:
            print(f"{self.label}: {text}", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """One line that stays."""
        if not self.quiet:
            (self.bar.console.print if self.live else _plain)(f"{self.label}: {text}")


def _plain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
