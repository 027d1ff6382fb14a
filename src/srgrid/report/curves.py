"""Training logs as the series of numbers that the page plots."""

import glob
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.models.history import Training, part
from srgrid.records import flatten, read_object

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


def files_beside(weights: Path) -> list[Path]:
    """The log beside weights, and the records and logs of trainings before, as far as they are there (`read_given`)."""
    own, earlier = _log_beside(weights), _earlier(weights)
    return [*([own] if own.exists() else []), *earlier, *(record.with_suffix(own.suffix) for record in earlier)]


def read_given(weights: Path, name: str, training: Training) -> dict[str, Any] | None:
    """The curve of given weights' training, from logs/NAME.jsonl beside NAME.safetensors; None if that is another's.

    A log is a training's if it ends at its last step. What the training went on from comes before it, its steps counted
    on: logs/NAME_*.json are the records of such trainings, known by the digest of their weights, with logs beside them.
    """
    own = _ending(_log_beside(weights), name, training.steps)
    if own is None:
        return None
    records = [(file, read_object(file, "train again or remove it")) for file in _earlier(weights)]
    before = {str(record.get("weights_sha256")): (file, record) for file, record in records}
    rounds, init = [own], training.init
    while init and init in before:
        file, record = before.pop(init)
        made = part(record, "training")
        curve = _ending(file.with_suffix(".jsonl"), name, made.get("steps"))
        if curve is None:
            break
        rounds, init = [curve, *rounds], str(made.get("init") or "")
    return _joined(name, rounds)


def _log_beside(weights: Path) -> Path:
    return weights.parent / "logs" / f"{weights.stem}.jsonl"


def _earlier(weights: Path) -> list[Path]:
    """Records of other trainings under the weights' name: those that have a log beside them."""
    log = _log_beside(weights)
    found = sorted(log.parent.glob(f"{glob.escape(weights.stem)}_*.json"))
    return [record for record in found if record.with_suffix(log.suffix).exists()]


def _ending(log: Path, name: str, steps: object) -> dict[str, Any] | None:
    """The curve of a log that ends at that step; None of one that holds nothing."""
    curve = read_curve(log, name) if steps is not None and log.exists() else None
    last = max((points[-1][0] for points in curve["series"].values()), default=None) if curve else None
    return curve if last == steps else None


def _joined(name: str, rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Curves one after another, the steps of each counted on from the last of the one before."""
    series: dict[str, list[tuple[float, float]]] = {}
    done = 0.0
    for one in rounds:
        for key, points in one["series"].items():
            series.setdefault(key, []).extend((done + step, value) for step, value in points)
        done = max(points[-1][0] for points in series.values())
    return {"name": name, "series": {key: _thinned(series[key]) for key in sorted(series)}}
