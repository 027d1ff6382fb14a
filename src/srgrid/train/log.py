"""The record of a training: log.jsonl, and the same numbers for TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Log:
    """Appends to the state folder's log; lines after the step gone on from are dropped first."""

    def __init__(self, folder: Path, step: int, tensorboard: bool) -> None:
        path = folder / "log.jsonl"
        kept = [line for line in _lines(path) if line["step"] <= step]
        path.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in kept))
        self.file = path.open("a", buffering=1)
        self.board: Any = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def add(self, step: int, seconds: float, **values: float) -> None:
        """Record values at a step."""
        self.file.write(json.dumps({"step": step, "seconds": round(seconds, 2), **values}, sort_keys=True) + "\n")
        if self.board:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close."""
        self.file.close()
        if self.board:
            self.board.close()


def read(folder: Path) -> list[dict[str, Any]]:
    """The log's lines: step, seconds, and loss + lr, or psnr."""
    return _lines(folder / "log.jsonl")


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:  # a line cut short by a kill: what follows it is written again
            break
    return found
