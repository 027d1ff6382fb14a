"""The progress line of a training: live on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

LOG_EVERY_S = 15.0
LIVE_EVERY_S = 0.5


class Line:
    """Shows step, images/s, loss, PSNR and time left on stderr."""

    def __init__(self, label: str, start: float = 0.0, quiet: bool = False) -> None:
        self.label, self.start, self.quiet = label, start, quiet
        self.live = sys.stderr.isatty() and not quiet
        self.shown = self.begun = time.monotonic()
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

    def due(self) -> bool:
        """Whether it is time to show something."""
        return not self.quiet and time.monotonic() - self.shown > (LIVE_EVERY_S if self.live else LOG_EVERY_S)

    def show(self, step: int, progress: float, rate: float, loss: float, psnr: float | None) -> None:
        """Show where the training is; `rate` in images/s."""
        now = time.monotonic()
        left = (now - self.begun) * (1 - progress) / max(progress - self.start, 1e-9)
        quality = "" if psnr is None else f"  PSNR {psnr:.2f} dB"
        text = f"step {step}  {rate:.1f} images/s  loss {loss:.5f}{quality}  {_clock(left)} left"
        self.shown = now
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


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
