"""One cell's chain in words: from its printed numbers back to the images, by digests, and where these come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from srgrid.code import NOT_INSTALLED
from srgrid.data.registry import Dataset
from srgrid.errors import SrgridError
from srgrid.models.history import plain
from srgrid.records import tables_record
from srgrid.report.cardata import CardData, gather
from srgrid.report.origins import UNKNOWN, degradations, origins, sources_of
from srgrid.report.sources import sr_key
from srgrid.report.tables import BASELINE, CELL, Cell, number

_NUMERIC = ("python", "torch", "numpy", "scipy", "scikit-image", "pandas", "pillow")


def why(text: str, run_dir: Path) -> Iterator[str]:
    """The chain of a cell, "Set5 x4 rcan-bam-s rgb8", a line a link.

    Raises SrgridError if the run has no such cell, or its tables are missing or were edited.
    """
    data, tables = gather(run_dir), tables_record(run_dir)
    cell = _cell(text, data)
    for link, lines in _links(cell, data, tables):
        for index, line in enumerate(lines):
            yield f"{link if not index else '':<9}  {line}"


def _cell(text: str, data: CardData) -> Cell:
    words = text.split()
    held = {(str(d), int(s), str(m), str(p)) for d, s, m, p in data.grid[CELL].itertuples(index=False)}
    scale = words[1].strip("x×") if len(words) == 4 else ""
    cell = (words[0], int(scale), words[2], words[3]) if scale.isdecimal() and len(scale) < 4 else None
    if cell is None or cell not in held:
        lists = (", ".join(map(str, data.order[key])) for key in ("dataset", "scale", "method", "protocol"))
        names = "; ".join(lists)
        raise SrgridError(f"{text!r}: no cell of the run; write DATASET xSCALE METHOD PROTOCOL, of {names}")
    return cell


def _links(cell: Cell, data: CardData, tables: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    dataset, scale, method, protocol = cell
    found = {key: data.scores[key] == value for key, value in zip(CELL, cell, strict=True)}
    rows = data.scores[found["dataset"] & found["scale"] & found["method"] & found["protocol"]]
    images = [f"{row['image']} {_values(data, row)}" for row in rows.to_dict("records")]
    shown = "; ".join(images[:5]) + (f"; and {len(images) - 5} more" if len(images) > 5 else "")
    means = {metric.name: rows[metric.name].mean() for metric in data.metrics}
    files = ", ".join(f"{name} {digest[:12]}..." for name, digest in sorted(tables["sha256"].items()))
    yield "cell", [f"{dataset} x{scale} {method} under {protocol}: {_values(data, means)}", f"files: {files}"]
    yield "scores", [f"the mean over {len(images)} images: {shown}"]
    fields = {key: value for key, value in data.protocols[protocol].items() if key not in ("name", "about")}
    choices = ", ".join(f"{key} {value}" for key, value in fields.items())
    yield "protocol", [str(data.protocols[protocol]["about"]), choices]
    yield (
        "SR",
        [_made_by(method, data.made_by.get(f"{method} x{scale}")), _digest(tables.get("sr", {}).get(sr_key(*cell)))],
    )
    for origin in origins(data):
        if (origin.model.method, origin.model.scale) == (method, scale):
            facts = "; ".join(f"{label}: {fact}" for label, fact in origin.facts.items()) or "no training recorded"
            yield "weights", [f"{origin.model.path or origin.model.file}, sha256 {origin.model.sha256}", facts]
    kind = degradations(data)[protocol]
    steps = data.degradations[kind].record()["steps"] if kind in data.degradations else []
    made = ", ".join(f"{name} {argument}" for step in steps for name, argument in step.items())
    known = tables["lr"].get(f"{dataset} x{scale} under {protocol}")
    yield "LR", [f"degradation {kind}: {made or 'its steps are not on record'}", _digest(known)]
    yield "HR", [_digest(tables["hr"].get(dataset)), *_sources(data, dataset)]
    yield "made by", _program(data.provenance)


def _values(data: CardData, row: Mapping[Any, Any]) -> str:
    """As "PSNR 31.687312 dB, SSIM 0.887878"."""
    texts = ((m, number(float(row[m.name]), m.stored)) for m in data.metrics)
    return ", ".join(f"{m.label} {text} {m.unit}".rstrip() for m, text in texts)


def _digest(known: Mapping[str, Any] | None) -> str:
    return f"{known['images']} images, sha256 {known['sha256']}" if known else "no digest of them is on record"


def _made_by(method: str, made_by: Mapping[str, Any] | None) -> str:
    """What the manifest of SR images says."""
    if method == BASELINE:
        return "computed, no network"
    if made_by is None:
        return "given by hand: what made them is not on record"
    said = {key: made_by[key] for key in ("precision", "ensemble", "kind", "degradation", "computed") if key in made_by}
    return f"made by {made_by.get('model', UNKNOWN)}" + "".join(f", {key} {plain(said[key])}" for key in said)


def _sources(data: CardData, dataset: str) -> Iterator[str]:
    """Where the images of a data set come from, those that it is made from too; licence and papers."""
    entry = data.datasets.get(dataset)
    if entry is None:
        yield "a folder of images of one's own, taken as they are"
        return
    for name in (dataset, *([entry.parent] if entry.parent else []), *entry.parts):
        yield from _source(data.datasets[name])
    yield f"licence: {entry.licence}"
    if papers := ", ".join(found.short for found in sources_of(data, dataset)):
        yield f"cite: {papers}"


def _source(entry: Dataset) -> Iterator[str]:
    if entry.parent:
        steps = ", ".join(f"{step} {argument}" for step, argument in entry.steps)
        yield f"{entry.name} is {entry.parent} after {steps}"
    for source in entry.sources:
        where = source.url or source.page or f"{source.package}: {source.folder}/ of the installed package"
        yield f"{entry.name} from {where}" + (f", {source.checksum}" if source.checksum else "")


def _program(provenance: Mapping[str, Any]) -> list[str]:
    versions = provenance.get("versions") or {}
    packages = [f"{name} {versions[name]}" for name in _NUMERIC if versions.get(name, NOT_INSTALLED) != NOT_INSTALLED]
    hardware = provenance.get("hardware") or {}
    lines = [f"srgrid {versions.get('srgrid', UNKNOWN)}, commit {provenance.get('commit') or UNKNOWN}"]
    lines += [", ".join(packages)] if packages else []
    lines += [f"on {', '.join([str(hardware.get('cpu', UNKNOWN)), *hardware.get('gpus', [])])}"]
    return [*lines, f"again: {provenance['command']}"] if provenance.get("command") else lines
