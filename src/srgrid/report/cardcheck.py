"""A card held against its run: every number of its grids and of its model-index is the run's, to the printed digits."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from srgrid.errors import SrgridError
from srgrid.records import CELL, TABLE_NAMES, tables_record
from srgrid.report.audit import by_cell
from srgrid.report.intervals import read_intervals
from srgrid.report.literature import PROTOCOL
from srgrid.report.published import published
from srgrid.report.standing import place_of
from srgrid.report.standing import printed as printed_networks
from srgrid.report.tables import Cell, Metrics, distinct, read_grid, run_metrics
from srgrid.report.views import verdict

_NUMBER = re.compile(r"[+\-−]?\d+(?:\.\d+)?|[+\-−]?∞")
_FRONT = re.compile(r"\A---\n(.*?)^---$", re.M | re.S)
_SCALE = re.compile(r"[x×]?\s*(\d{1,3})\s*[x×]?")
_GAIN = re.compile(r"gain of (.+?)(?:, [^,]*)?")

Compared = Iterator[tuple[str, str, object]]
"""Where a number is printed, the number, and the run's value."""


@dataclass(frozen=True)
class Checked:
    """How many numbers were compared, what is wrong with which, and columns with numbers that are not the run's."""

    compared: int
    wrong: tuple[str, ...]
    beside: tuple[str, ...]


def check_card(card: Path, run_dir: Path) -> Checked:
    """Hold a Markdown card, or any README with a model-index or tables of Dataset and Scale, against a run.

    A column is a method of the run, `METHOD, PROTOCOL`, Images, `gain of METHOD` or Published, as `srgrid card` prints
    them. A table is under the protocol that the heading above it names, else the run's first. A number may have fewer
    digits than the run's: then it is the run's, rounded. Raises SrgridError if the card cannot be read, holds nothing
    to compare, or the run's tables are missing or were edited.
    """
    try:
        text = Path(card).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SrgridError(f"{card}: cannot be read as a card ({error}); name a Markdown file") from None
    reader, count = _reader(Path(run_dir)), 0
    for where, printed, value in [*reader.index(text, card), *reader.tables(text)]:
        count += 1
        if not _prints(value, printed):
            reader.wrong.append(f"{where}: {printed}, the run has {value}")
    if not count and not reader.wrong:
        raise SrgridError(f"{card}: has no model-index, and no table that begins with Dataset and Scale; add one")
    return Checked(count, tuple(reader.wrong), tuple(dict.fromkeys(reader.beside)))


def _prints(value: object, printed: str) -> bool:
    """Whether a value, rounded to the digits of a printed number, is that number.

    One that lies halfway may go either way: tables hold it rounded already, and what was printed is the rounding of a
    binary fraction beside it.
    """
    text = printed.replace("−", "-").replace("∞", "Infinity")
    try:
        wanted, own = Decimal(text), Decimal(str(value))
    except InvalidOperation:
        return False
    if not wanted.is_finite() or not own.is_finite():
        return wanted == own
    step = Decimal(1).scaleb(-len(text.partition(".")[2]))
    return any(own.quantize(step, rule) == wanted for rule in (ROUND_HALF_UP, ROUND_HALF_DOWN))


def _reader(run_dir: Path) -> _Reader:
    metrics = run_metrics(tables_record(run_dir, TABLE_NAMES))
    grid = read_grid(run_dir / "grid.csv", metrics)
    ends = read_intervals(run_dir / "intervals.csv", grid, metrics).set_index(CELL).to_dict("index")
    cells = {}
    for row in grid.to_dict("records"):
        key = (str(row["dataset"]), int(row["scale"]), str(row["method"]), str(row["protocol"]))
        cells[key] = {**ends[key], **row}
    texts: dict[tuple[str, int], list[list[str]]] = {}
    scores = by_cell(grid)
    for p in published():
        own = scores.get((p.dataset, p.scale, p.method, p.protocol))
        words = [p.text, f"{p.text} {p.label}", f"{p.text} {p.label} under {p.protocol}"]
        words += [f"{one} {verdict(p, own)}" for one in words] if own else []
        words += [f"{p.method} {one}" for one in words]
        texts.setdefault((p.dataset, p.scale), []).extend(map(_NUMBER.findall, words))
    return _Reader(metrics, cells, distinct(grid, "method"), distinct(grid, "protocol"), texts)


@dataclass
class _Reader:
    """Finds the numbers of a card, and the run's values for them. published: numbers of texts, by dataset and scale."""

    metrics: Metrics
    cells: Mapping[Cell, Mapping[Any, Any]]  # what grid.csv and intervals.csv have
    methods: Sequence[str]
    protocols: Sequence[str]
    published: Mapping[tuple[str, int], Sequence[Sequence[str]]]
    wrong: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    def index(self, text: str, card: Path) -> Compared:
        """The numbers of the front matter's model-index."""
        head = _FRONT.match(text)
        try:
            loaded = yaml.load(head[1], yaml.BaseLoader) if head else None
            for entry in (loaded or {}).get("model-index") or ():
                for result in entry["results"]:
                    scale = re.search(r"x(\d+)$", result["dataset"].get("config") or result["task"]["name"])
                    row = (result["dataset"]["name"], int(scale[1]) if scale else 0, entry["name"])
                    for metric in result["metrics"]:
                        yield from self._indexed(row, metric)
        except (yaml.YAMLError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SrgridError(f"{card}: front matter: not as the Hub wants it ({error}); mend it") from None

    def _indexed(self, row: tuple[str, int, str], metric: Mapping[str, Any]) -> Compared:
        arguments, name = metric.get("args") or {}, metric["type"]
        cell = (*row, arguments.get("protocol", self.protocols[0]))
        where = f"model-index: {_named(cell)}"
        values = self.cells.get(cell, {})
        if name not in {one.name for one in self.metrics} or not values:
            lacking = "metric" if values else "cell"
            self.wrong.append(f"{where}: {name} {metric['value']}, the run has no such {lacking}")
            return
        yield f"{where}: {name}", metric["value"], values[name]
        if "images" in arguments:
            yield f"{where}: images", arguments["images"], values["images"]

    def tables(self, text: str) -> Compared:
        """The numbers of all tables that begin with a dataset and a scale."""
        head: list[str] = []
        protocol, inside = self.protocols[0], False
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("#"):
                protocol = next((name for name in self.protocols if name in line.split()), protocol)
            row = line.lstrip().startswith("|")
            if row and not inside:
                head = _cells(line)
            elif row and [name.lower() for name in head[:2]] == ["dataset", "scale"]:
                yield from self._row(f"line {number}", dict(zip(head, _cells(line), strict=False)), protocol)
            inside = row

    def _row(self, where: str, cells: Mapping[str, str], protocol: str) -> Compared:
        dataset, scale, *_ = [*cells.values(), "", ""]
        if set(dataset) <= set(":- "):
            return
        factor = _SCALE.fullmatch(scale)
        row = (dataset, int(factor[1]) if factor else 0)
        for column, text in list(cells.items())[2:]:
            if _NUMBER.search(text) and not text.startswith("missing"):
                yield from self._cell(f"{where}: {dataset} {scale} {column}", row, (column, text), protocol)

    def _cell(self, where: str, row: tuple[str, int], told: tuple[str, str], protocol: str) -> Compared:
        column, text = told
        own, _, under = column.rpartition(", ")
        if column.lower() == "published":
            yield from self._published(where, row, text)
            return
        gain = _GAIN.fullmatch(column)
        method = gain[1] if gain else own if under in self.protocols else column
        protocol = under if under in self.protocols else protocol
        if column.lower() == "images":
            method = next((name for name in self.methods if (*row, name, protocol) in self.cells), self.methods[0])
        elif method not in self.methods:
            self.beside.append(column)
            return
        placed = "(place" in text  # "37.65 (place 30, below carn-m 37.68)": among the literature, whatever the heading
        values = self.cells.get((*row, method, PROTOCOL if placed else protocol))
        if values is None:
            self.wrong.append(f"{where}: {text}, the run has no such cell")
            return
        if placed and "psnr" in values:
            yield from self._standing(where, row, text, values)
            return
        head = f"{self.metrics[0].name}{'_gain' if gain else ''}"
        first = ["images"] if column.lower() == "images" else [head] if gain else [m.name for m in self.metrics]
        scores, _, interval = text.partition("[")
        ends = [f"{head}_low", f"{head}_high"]
        for numbers, keys in ((_NUMBER.findall(scores), first), (_NUMBER.findall(interval), ends)):
            for place, number in enumerate(numbers):
                yield where, number, values[keys[place]] if place < len(keys) else "no such value"

    def _standing(self, where: str, row: tuple[str, int], text: str, values: Mapping[Any, Any]) -> Compared:
        """PSNR with its place among the literature's values."""
        own = str(place_of(float(values["psnr"]), printed_networks(*row)))
        if text != own:
            self.wrong.append(f"{where}: {text}, the run's is {own}")
        yield from ((where, number, number) for number in _NUMBER.findall(text))

    def _published(self, where: str, row: tuple[str, int], text: str) -> Compared:
        for part in text.split("<br>"):
            numbers = _NUMBER.findall(part)
            if numbers and numbers not in self.published.get(row, ()):
                self.wrong.append(f"{where}: {part}: no published value and its difference read so")
            yield from ((where, number, number) for number in numbers)


def _cells(line: str) -> list[str]:
    """The cells of a row of a table, without bold, code marks and escapes."""
    parts = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return [html.unescape(re.sub(r"\\([^\w\s])|[*`]", r"\1", part)).strip() for part in parts]


def _named(cell: Cell) -> str:
    dataset, scale, method, protocol = cell
    return f"{dataset} x{scale} {method} {protocol}"
