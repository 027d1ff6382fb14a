"""Training logs as the series of numbers that the page plots."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.records import flatten

CURVE_POINTS = 400


def read_curve(path: Path, name: str) -> dict[str, Any]:
    """A network's training log (one JSON object a line) as series of numbers over `step`, thinned evenly.

    At most 400 points of a series stay.
    A torn last line, as a killed training leaves it, is passed over; one before it raises SrgridError.
    """
    series: dict[str, list[tuple[float, float]]] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SrgridError(f"{path}: cannot be read ({error.strerror}); train again or remove the log.") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or not _finite(row.get("step")):
            if number == len(lines):
                break
            raise SrgridError(f"{path}, line {number}: damaged training log; train again or remove the log.")
        for key, value in flatten(row).items():
            if key not in ("step", "seconds") and _finite(value):
                series.setdefault(key, []).append((float(row["step"]), float(value)))
    return {"name": name, "series": {key: _thinned(series[key]) for key in sorted(series)}}


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Every k-th point, the last one among them."""
    stride = -(-len(points) // CURVE_POINTS)
    return points[(len(points) - 1) % stride :: stride]


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def last_step(curve: Mapping[str, Any]) -> float:
    """The step that a curve ends at; 0 of an empty one."""
    return max((points[-1][0] for points in curve["series"].values()), default=0.0)


def log_beside(weights: Path) -> Path:
    """Where the log of a training lies that weights were kept of: logs/NAME.jsonl beside NAME.safetensors."""
    return weights.parent / "logs" / f"{weights.stem}.jsonl"
