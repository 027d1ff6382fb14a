"""costs.csv: what each column of a run costs, a row for each method and scale, and costs.json, its record.

Never a part of grid.csv: costs change from machine to machine, scores do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from math import isfinite
from pathlib import Path
from typing import Any

from srgrid.code import code_identity
from srgrid.cost import Cost, Priced
from srgrid.errors import SrgridError
from srgrid.records import check_files, file_digest, read_record, write_record
from srgrid.report.tables import read_table, write_csv
from srgrid.settings import Costs

COSTS, RECORD = "costs.csv", "costs.json"
COLUMNS = tuple(one.name for one in fields(Cost))
KEY = ("method", "scale")
AGAIN = "make it again (srgrid cost)"
_TIMED = ("seconds", "seconds_low", "seconds_high", "repeats", "measured_at", "device")
_COUNTED = ("parameters", "multiply_adds", "activations")


def write_costs(out: Path, priced: Sequence[Priced], how: Costs) -> None:
    """Write a table of costs and, beside it, its record (`.json`): what was asked for, which weights, which code."""
    write_csv(out, COLUMNS, [[_shown(value) for value in asdict(one.cost).values()] for one in priced])
    columns = {f"{one.cost.method} x{one.cost.scale}": {"weights_sha256": one.weights_sha256} for one in priced}
    record = {"sha256": {out.name: file_digest(out)}, "columns": columns, "settings": asdict(how)}
    write_record(out.with_suffix(".json"), "costs", record | {"code": code_identity("srgrid.cost")})


def _shown(value: object) -> str:
    """Integers whole, other numbers to 6 digits."""
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def read_costs(path: Path) -> list[Cost]:
    """The rows of costs.csv. Raises SrgridError for other columns, values out of range, and a column that is there
    twice; and for a row whose measured cells are there in part, or whose quartiles are out of order."""
    frame = read_table(path, COLUMNS, KEY, (), _VALUES)
    rows = [Cost(**{name: _given(name, row[name]) for name in COLUMNS}) for row in frame.to_dict("records")]
    for number, row in enumerate(rows, 2):
        if fault := _fault(row):
            raise SrgridError(f"{path}, row {number}: {fault}; {AGAIN}")
    return rows


def _given(name: str, value: Any) -> Any:
    return None if value == "" and name in _NUMBERS else value


def _fault(row: Cost) -> str:
    timed = [bool(getattr(row, name)) for name in _TIMED]
    if any(timed) != all(timed) or (row.memory_bytes is not None and row.seconds is None):
        return "measured in part"
    if row.seconds is not None and not (row.seconds_low or 0) <= row.seconds <= (row.seconds_high or 0):
        return "the median does not lie between the quartiles"
    if row.multiply_adds is not None and not row.counted_at:
        return "operations were counted at no size"
    if not row.note and None in (getattr(row, name) for name in _COUNTED):
        return "a cell is empty, and no note says why"
    return ""


def run_costs(run_dir: Path, methods: Mapping[str, Any]) -> tuple[list[Cost], Mapping[str, Any]]:
    """The costs of a run's columns and the code that found them; nothing if the run has none.

    methods: what made the SR images of each column, of the tables' record. Raises SrgridError if costs.csv was edited,
    lacks a column, or tells of other weights than the SR images were made with.
    """
    path = run_dir / COSTS
    if not path.exists() and not (run_dir / RECORD).exists():
        return [], {}
    record = read_record(run_dir / RECORD, "costs", AGAIN)
    check_files(run_dir, {COSTS: record["sha256"].get(COSTS, "")}, AGAIN)
    for key, made_by in methods.items():
        if key not in record["columns"]:
            raise SrgridError(f"{path}: has no {key}; {AGAIN}")
        used, known = (made_by or {}).get("weights_sha256"), record["columns"][key]["weights_sha256"]
        if used != known:
            raise SrgridError(f"{path}: tells of other weights than the SR images of {key} were made with; {AGAIN}")
    return [row for row in read_costs(path) if f"{row.method} x{row.scale}" in methods], record["code"]


def cost_table(rows: Sequence[Cost]) -> tuple[list[str], list[list[str]]]:
    """Costs as a card prints them: the headings of the columns that hold anything, and the rows."""
    printed = [_printed(row) for row in rows]
    names = [name for name in printed[0] if any(row[name] for row in printed)] if printed else []
    return names, [[row[name] for name in names] for row in printed]


def _printed(row: Cost) -> dict[str, str]:
    threads = f"threads: {row.threads}" if row.threads else ""
    seconds = "" if row.seconds is None else f"{row.seconds:.3g} [{row.seconds_low:.3g} to {row.seconds_high:.3g}]"
    return {
        "Method": row.method,
        "Scale": f"x{row.scale}",
        "Parameters": "" if row.parameters is None else f"{row.parameters:,}",
        "Multiply-adds, G": "" if row.multiply_adds is None else f"{row.multiply_adds / 1e9:.2f}",
        "Activations, M": "" if row.activations is None else f"{row.activations / 1e6:.2f}",
        "Seconds an image": seconds,
        "Memory, MiB": "" if row.memory_bytes is None else f"{row.memory_bytes / 2**20:.1f}",
        "Device": ", ".join(filter(None, [row.device, row.precision, threads])),
        "NTIRE score": "" if row.score is None else f"{row.score:.3f}",
        "Note": row.note,
    }


_Reader = tuple[Callable[[str], object], str]


def _pattern(pattern: str, expected: str) -> _Reader:
    return (lambda text: text if re.fullmatch(pattern, text) else None), f"{expected}, or nothing"


def _whole(text: str) -> object:
    if not text:
        return ""
    return int(text) if re.fullmatch(r"0|[1-9][0-9]{0,15}", text) else None


def _number(text: str) -> object:
    if text in ("", "inf"):
        return text and float(text)
    known = re.fullmatch(r"[0-9]+(\.[0-9]+)?(e[+-][0-9]{1,3})?", text)
    return float(text) if known and isfinite(float(text)) and float(text) > 0 else None


def _seconds(text: str) -> object:
    return None if text == "inf" else _number(text)


_WHOLE = (_whole, "a whole number from 0, or nothing")
_SIZE = _pattern(r"([1-9][0-9]{0,5}x[1-9][0-9]{0,5})?", "width x height")
_NUMBERS: dict[str, _Reader] = {
    **dict.fromkeys((*_COUNTED, "repeats", "memory_bytes", "threads"), _WHOLE),
    **dict.fromkeys(("seconds", "seconds_low", "seconds_high"), (_seconds, "seconds above 0, or nothing")),
    "score": (_number, "a number above 0, or nothing"),
}
_VALUES: dict[str, _Reader] = {
    **_NUMBERS,
    **dict.fromkeys(("counted_at", "measured_at"), _SIZE),
    **dict.fromkeys(("device", "torch"), (str, "a text")),
    "precision": _pattern("(fp32|bf16)?", "fp32 or bf16"),
}
