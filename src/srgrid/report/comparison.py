"""Scored columns of one or several runs, compared: only what was scored alike, unless it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srgrid.errors import SrgridError
from srgrid.metrics import Metric, get_metrics
from srgrid.records import TABLES, tables_record
from srgrid.report.differences import Difference, differences
from srgrid.report.tables import BASELINE, distinct, read_scores, run_metrics


@dataclass(frozen=True)
class Scored:
    """One method's scores, and the record of the tables they are from; None of a scores.csv that has none beside it."""

    label: str
    file: Path
    scores: pd.DataFrame
    metrics: Sequence[Metric]
    record: Mapping[str, Any] | None


def open_scored(text: str, run: Path | None = None) -> Scored:
    """A column by its name: METHOD of `run`; PATH:METHOD; or PATH alone, if it holds one method beside bicubic.

    A path is a run's folder or a scores.csv. Raises SrgridError if there is no such column, or the scores were edited
    since they were made.
    """
    path, method = _parts(text, run)
    file = path / "scores.csv" if path.is_dir() else path
    sealed = file.name == "scores.csv" and (file.parent / TABLES).exists()
    record = tables_record(file.parent, [file.name]) if sealed else None
    metrics = run_metrics(record) if record else _named_in(file)
    scores = read_scores(file, metrics)
    methods = distinct(scores, "method")
    if method is None:
        others = [name for name in methods if name != BASELINE]
        if len(others) != 1:
            raise SrgridError(f"{path}: holds {', '.join(methods)}; say which one, {path}:METHOD")
        method = others[0]
    if method not in methods:
        raise SrgridError(f"{file}: has no method {method!r}; it has {', '.join(methods)}")
    return Scored(text, file, scores[scores["method"] == method], metrics, record)


def _parts(text: str, run: Path | None) -> tuple[Path, str | None]:
    if Path(text).exists() and (run is None or Path(text).is_file() or (Path(text) / "scores.csv").exists()):
        return Path(text), None
    path, colon, method = text.rpartition(":")
    if colon and Path(path).exists():
        return Path(path), method
    if run is None:
        raise SrgridError(f"{text}: no such run or scores.csv; give PATH:METHOD, or a method's name and --run")
    return run, text


def _named_in(file: Path) -> list[Metric]:
    """The metrics that a table's head names."""
    try:
        with file.open(encoding="utf-8") as lines:
            head = lines.readline(10_000).rstrip("\r\n").split(",")
    except FileNotFoundError:
        raise SrgridError(f"{file}: does not exist; give a run's folder or its scores.csv") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SrgridError(f"{file}: cannot be read as a table of scores ({error})") from None
    names = head[head.index("image") + 1 :] if "image" in head else []
    return get_metrics(names or ["psnr", "ssim"])


@dataclass(frozen=True)
class Asked:
    """Which differences are asked for; what is empty or None is not restricted."""

    protocol: str | None = None  # the first that all columns have
    datasets: Sequence[str] = ()
    scales: Sequence[int] = ()
    metric: str | None = None
    anyway: bool = False  # compare what was not scored alike too


def compared(columns: Sequence[Scored], asked: Asked) -> tuple[list[Difference], list[str]]:
    """Every column minus each one after it, in every cell that is asked for, and what a reader must be told of them.

    Raises SrgridError if there is nothing to compare; and, unless `anyway`, where two columns were not scored on the
    same HR images, under one protocol and by the same metrics, or that is not on record.
    """
    labels = [column.label for column in columns]
    if len(columns) < 2 or len(set(labels)) < len(labels):
        raise SrgridError(f"{', '.join(labels) or 'nothing'}: give two columns or more, each once")
    protocol = _protocol(columns, asked.protocol)
    reasons = unlike(columns, protocol)
    if reasons and not asked.anyway:
        raise SrgridError(f"{'; '.join(reasons)}; score them alike, or give --anyway")
    scores = pd.concat([column.scores.assign(method=column.label) for column in columns], ignore_index=True)
    for name, wanted in (("dataset", asked.datasets), ("scale", asked.scales)):
        if unknown := set(wanted) - set(scores[name]):
            raise SrgridError(f"{name} {', '.join(map(str, unknown))}: not scored; there is "
                              f"{', '.join(map(str, distinct(scores, name)))}")  # fmt: skip
        scores = scores[scores[name].isin(wanted)] if wanted else scores
    shared = [metric for metric in columns[0].metrics if all(metric.name in column.scores for column in columns)]
    metrics = [metric for metric in shared if asked.metric in (None, metric.name)]
    found = differences(scores, metrics, [protocol], list(combinations(labels, 2)))
    if not found:
        raise SrgridError(f"{', '.join(labels)}: no cell under {protocol} that two of them have"
                          + (f", scored by {asked.metric}" if asked.metric else ""))  # fmt: skip
    return found, reasons


def _protocol(columns: Sequence[Scored], wanted: str | None) -> str:
    own: list[list[str]] = [distinct(column.scores, "protocol") for column in columns]
    shared = [name for name in own[0] if all(name in other for other in own) and wanted in (None, name)]
    if not shared:
        lists = "; ".join(f"{c.label}: {', '.join(names)}" for c, names in zip(columns, own, strict=True))
        raise SrgridError(f"protocol {wanted or 'of all columns'}: not scored by each ({lists}); score them alike")
    return shared[0]


_HEAD = ("", "images", "difference", "95 % interval", "p", "p (Holm)", "resolvable", "")


def lines(found: Sequence[Difference]) -> list[str]:
    """The differences by their first metric as a table to print."""
    metric = found[0].metric
    shown = [one for one in found if one.metric.name == metric.name]
    text = [f"{metric.heading} under {shown[0].protocol}. *: certain, p (Holm) below 0.05."]
    for pair in dict.fromkeys((one.method, one.other) for one in shown):
        rows = [_HEAD, *(_texts(one) for one in shown if (one.method, one.other) == pair)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        text += ["", f"{pair[0]} minus {pair[1]}"]
        for first, *others in rows:
            aligned = [f"{value:>{width}}" for value, width in zip(others, widths[1:], strict=True)]
            text.append("  ".join([f"{first:<{widths[0]}}", *aligned]).rstrip())
    return text


def _texts(one: Difference) -> tuple[str, ...]:
    digits = one.metric.printed + 1
    cell = (f"{one.dataset} x{one.scale}", str(one.images), f"{one.mean:+z.{digits}f}")
    if np.isnan(one.p):
        return (*cell, "none", "", "", "", "")
    interval = f"{one.low:+z.{digits}f} to {one.high:+z.{digits}f}"
    tests = (f"{value:.2g}" for value in (one.p, one.p_holm))
    return (*cell, interval, *tests, f"{one.resolvable:.{digits}f}", "*" if one.better else "")


def unlike(columns: Sequence[Scored], protocol: str) -> list[str]:
    """Why columns of several runs do not go together; empty if they do."""
    files = list({column.file.resolve(): column for column in columns}.values())
    if len(files) < 2:
        return []
    found = [f"{one.file}: what was scored is not on record (no {TABLES})" for one in files if one.record is None]
    for one, other in combinations([column for column in files if column.record is not None], 2):
        found += _apart(one, other, protocol)
    return found


def _apart(one: Scored, other: Scored, protocol: str) -> list[str]:
    own, its = one.record or {}, other.record or {}
    found = [f"HR images of {name}" for name, hr in own["hr"].items() if its["hr"].get(name, hr) != hr]
    rules = [_choices(record["protocols"].get(protocol, {})) for record in (own, its)]
    found += [f"protocol {protocol}"] if rules[0] != rules[1] else []
    versions = {metric.name: metric.version for metric in other.metrics}
    found += [f"version of {m.name}" for m in one.metrics if versions.get(m.name, m.version) != m.version]
    return [f"{one.file} and {other.file}: not the same {', '.join(found)}"] if found else []


def _choices(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """What a recorded protocol decides. Records of earlier versions name a kernel in place of the degradation."""
    said = {key: value for key, value in protocol.items() if key != "about"}
    if kernel := said.pop("lr_kernel", None):
        said["degradation"] = f"{kernel}-uncropped" if said["hr"] == "resize" else kernel
    return said
