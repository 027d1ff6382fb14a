"""Printed claims against scores under many protocols: under which, if any, a claim comes out to its printed digits."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from pathlib import Path

from srgrid.errors import SrgridError

_VALUE = re.compile(r"([0-9]{1,2}\.[0-9]{1,4})(?:\s*dB)?(?:\s*[/|,]\s*(0?\.[0-9]{2,6}))?")
_KEYS = {"dataset": "dataset", "data set": "dataset", "set": "dataset", "scale": "scale", "method": "method",
         "model": "method", "value": "value", "psnr": "psnr", "ssim": "ssim"}  # fmt: skip
_MARKUP = re.compile(
    r"\\(?:textbf|underline|textcolor\{\w+\}|multirow\{\d+\}\{\*\})\{([^{}]*)\}|[*_`$]|\\times|\[[^\]]*\]"
)
_EMPTY = ("", "-", "--", "–", "none", "missing", "n/a")
READERS = (".md", ".csv", ".tex")


@dataclass(frozen=True)
class Claim:
    """A printed value of a cell, as it is printed: PSNR, and SSIM where it is printed too."""

    dataset: str
    scale: int
    method: str
    psnr: str
    ssim: str = ""

    @classmethod
    def of(cls, text: str, dataset: str, scale: int, method: str) -> Claim:
        """A claim such as "32.63/0.9002" or "32.63". Raises SrgridError for any other text."""
        found = _VALUE.fullmatch(text.strip())
        if not found:
            raise SrgridError(f'{text!r}: no claim; write PSNR/SSIM as printed, such as "32.63/0.9002", or PSNR alone')
        return cls(dataset, scale, method, found[1], found[2] or "")

    def __str__(self) -> str:
        return f"{self.psnr}/{self.ssim}" if self.ssim else self.psnr


@dataclass(frozen=True)
class Found:
    """What one protocol gives for a claim. how: "rounded", "cut off" (its further digits), or "" if it differs."""

    protocol: str
    psnr: float
    ssim: float
    how: str
    apart: tuple[float, float]  # what was scored, minus what was claimed


def held_against(claim: Claim, values: Mapping[str, tuple[float, float]]) -> list[Found]:
    """What each protocol gives, the nearest first. values: PSNR and SSIM, to all stored digits, by protocol.

    A claim comes out if both values, rounded to the printed digits, are it, or both with the further digits cut off.
    """
    found = []
    for protocol, (psnr, ssim) in values.items():
        pairs = [(claim.psnr, psnr)] + ([(claim.ssim, ssim)] if claim.ssim else [])
        ways = {"rounded": ROUND_HALF_UP, "cut off": ROUND_FLOOR}
        how = next((way for way, rule in ways.items() if all(_printed(v, text, rule) for text, v in pairs)), "")
        apart = (psnr - float(claim.psnr), ssim - float(claim.ssim) if claim.ssim else 0.0)
        found.append(Found(protocol, psnr, ssim, how, apart))
    # 0.01 dB and 0.0003 count alike: about as much as they move together.
    return sorted(found, key=lambda one: (not one.how, abs(one.apart[0]) + abs(one.apart[1]) * 33))


def _printed(value: float, text: str, rule: str) -> bool:
    if not math.isfinite(value):
        return False
    step = Decimal(1).scaleb(-len(text.partition(".")[2]))
    return Decimal(repr(value)).quantize(step, rule) == Decimal(text)


@dataclass(frozen=True)
class TableRow:
    """A row of a printed table: its cells by the names of the head's columns."""

    where: str  # for messages
    dataset: str
    scale: int
    cells: Mapping[str, str]


def read_table(path: Path) -> list[TableRow]:
    """The rows of a table: Markdown (.md), CSV (.csv) or LaTeX (.tex).

    Its head names the columns, dataset and scale among them. An empty dataset or scale is that of the row above. Raises
    SrgridError, naming the file and the line, for a table that is not so.
    """
    if path.suffix not in READERS:
        raise SrgridError(f"{path}: claims are read from {', '.join(READERS)}; save the table as one of them")
    try:
        text = path.read_text(encoding="utf-8")
        lines = list(_rows(text, path.suffix))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SrgridError(f"{path}: cannot be read as a table ({error})") from None
    rows: list[TableRow] = []
    head: list[str] = []
    above = {"dataset": "", "scale": ""}
    for number, cells in lines:
        names = [_KEYS.get(cell.lower(), cell) for cell in cells]
        if {"dataset", "scale"} <= set(names):
            head, above = names, {"dataset": "", "scale": ""}
        elif len(cells) == len(head) and not all(set(cell) <= set(":- ") for cell in cells):
            row = dict(zip(head, cells, strict=True))
            above |= {key: row[key] for key in above if row[key]}
            rows.append(_row(f"{path}, line {number}", row | above))
        elif head and path.suffix == ".csv" and cells:
            raise SrgridError(f"{path}, line {number}: {len(cells)} values for {len(head)} columns; mend the table")
    if not rows:
        raise SrgridError(f"{path}: no table with columns dataset and scale; give it such a head")
    return rows


def _row(where: str, cells: Mapping[str, str]) -> TableRow:
    scale = re.fullmatch(r"[x×]?\s*([2-8])\s*[x×]?", cells["scale"])
    if not scale or not cells["dataset"]:
        raise SrgridError(
            f"{where}: dataset {cells['dataset']!r}, scale {cells['scale']!r}; expected a name, and x2 to x8"
        )
    return TableRow(where, cells["dataset"], int(scale[1]), cells)


def claims_of(rows: Iterable[TableRow], methods: Sequence[str]) -> list[Claim]:
    """What a table claims of these methods.

    The table has a column method, and value ("32.63/0.9002") or psnr (and ssim); or one column for each method. Raises
    SrgridError, naming the line, for a value that is none, and if there is no value of these methods.
    """
    claims = []
    for row in rows:
        own = row.cells.get("method")
        value = row.cells.get("value") or "/".join(filter(None, (row.cells.get(key) for key in ("psnr", "ssim"))))
        texts = {name: row.cells.get(name, "") for name in methods} if own is None else {own: value}
        for method, text in texts.items():
            if method in methods and text.lower() not in _EMPTY:
                try:
                    claims.append(Claim.of(text, row.dataset, row.scale, method))
                except SrgridError as error:
                    raise SrgridError(f"{row.where}: {error}") from None
    if not claims:
        raise SrgridError(f"the table has no value of {', '.join(methods)}; name the columns as there, NAME=MODEL")
    return claims


def _rows(text: str, suffix: str) -> Iterable[tuple[int, list[str]]]:
    """Rows of cells with their line numbers, markup taken off."""
    if suffix == ".csv":
        rows: Iterable[tuple[int, list[str]]] = enumerate(csv.reader(io.StringIO(text)), 1)
    elif suffix == ".md":
        lines = enumerate(map(str.strip, text.splitlines()), 1)
        rows = ((n, line.strip("|").split("|")) for n, line in lines if line.startswith("|"))
    else:
        lines = enumerate(text.splitlines(), 1)
        rows = ((n, re.split(r"(?<!\\)&", line.partition(r"\\")[0])) for n, line in lines if "&" in line)
    for number, cells in rows:
        yield number, [_MARKUP.sub(lambda found: found[1] or "", cell).replace("\\_", "_").strip() for cell in cells]
