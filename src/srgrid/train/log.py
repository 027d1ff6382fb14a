"""The record of a training: log.jsonl, and the same numbers for TensorBoard."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from srgrid.files import staged_file


class Log:
    """Appends to the state folder's log; lines after the step gone on from are dropped first."""

    def __init__(self, folder: Path, step: int, tensorboard: bool) -> None:
        path = folder / "log.jsonl"
        kept = [line for line in _lines(path) if line["step"] <= step]
        with staged_file(path) as staged:
            staged.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in kept))
        self.file = path.open("a", buffering=1)
        self.board: Any = None
        if tensorboard:
            self.board = _board(folder / "tensorboard", step)

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


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        print("srgrid: no TensorBoard files: install srgrid[train]; log.jsonl has the same numbers", file=sys.stderr)
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)


def read(folder: Path) -> list[dict[str, Any]]:
    """The log's lines: step, seconds, and loss + lr, or psnr."""
    return _lines(folder / "log.jsonl")


def _lines(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    text = path.read_text(errors="replace") if path.exists() else ""
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        entry = _entry(line)
        if entry is None:
            if number < len(lines) or text.endswith("\n"):  # else cut short by a kill: it is written again
                print(f"srgrid: {path}: line {number} is damaged; it and what follows is left out", file=sys.stderr)
            break
        found.append(entry)
    return found


def _entry(line: str) -> dict[str, Any] | None:
    """A line of the log, or None if it is not one: an object of finite numbers with a step."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or type(entry.get("step")) is not int:
        return None
    good = all(type(value) in (int, float) and abs(value) < math.inf for value in entry.values())
    return entry if good else None
