"""A finished run verified: its files, its inputs, cells made again, what is drawn, the card."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from srgrid.configuration import completed
from srgrid.errors import SrgridError
from srgrid.files import scratch_dir
from srgrid.progress import leaving_out
from srgrid.report.tables import Cell
from srgrid.verification.cells import Remake
from srgrid.verification.drawn import compare_card, compare_drawn
from srgrid.verification.found import Finding, Verified
from srgrid.verification.tables import check_run_files, read_run
from srgrid.verification.versions import compare_versions

SAMPLE = 4  # cells, if it is not said


def verify_run(
    run_dir: Path, sample: int | None = SAMPLE, seed: int = 0, mirror: Path | None = None, **compute: Any
) -> Verified:
    """Make cells of a finished run again from its provenance, and compare all that its folder has.

    sample: how many cells, drawn by `seed`; None: all, and the figures. mirror: images at hand, as `fetch` takes it.
    compute: device and threads, in place of the run's. Nothing is written into the folder. Raises SrgridError if it is
    no finished run.
    """
    run_dir = Path(run_dir)
    tables, provenance, found = read_run(run_dir)
    if not tables or not provenance:
        return Verified(run_dir, tuple(found), (0, 0))
    with scratch_dir(Path(tempfile.gettempdir())) as room, leaving_out(room):
        (room / "tables").mkdir()
        found += check_run_files(run_dir, tables, provenance, room / "tables")
        found += compare_card(run_dir, provenance, room / "tables")
        try:
            run = Remake(_config(provenance, mirror, compute), room, run_dir, tables)
            every = list(run.written)
        except (SrgridError, ValueError) as error:
            found.append(Finding("cells", "cannot be checked", str(error)))
            return Verified(run_dir, tuple(found), (0, 0))
        chosen = every if sample is None else draw_cells(every, sample, seed)
        found += remake(run, provenance, chosen, set(every))
    return Verified(run_dir, (*compare_versions(provenance, found), *found), (len(chosen), len(every)))


def _config(provenance: Mapping[str, Any], mirror: Path | None, compute: Mapping[str, Any]) -> dict[str, Any]:
    """The run's config, with images and device of here."""
    config = completed(provenance["config"])
    if mirror or not Path(config["mirror"]).is_dir():
        config["mirror"] = str(mirror or "")
    config["compute"] |= {key: value for key, value in compute.items() if value is not None}
    return config


def draw_cells(cells: Sequence[Cell], count: int, seed: int) -> list[Cell]:
    """As many of the cells, in their order."""
    if count >= len(cells):
        return list(cells)
    chosen = random.Random(seed).sample(range(len(cells)), count)
    return [cells[index] for index in sorted(chosen)]


def remake(run: Remake, provenance: Mapping[str, Any], cells: Sequence[Cell], every: set[Cell]) -> Iterator[Finding]:
    """Weights, inputs and cells; and the figure of each data set and scale whose cells are all among these."""
    yield from run.find(provenance, sorted({(method, scale) for _, scale, method, _ in cells}))
    rows = sorted(cells, key=lambda cell: cell[:2])
    seen: set[str] = set()
    for (name, scale), group in groupby(rows, key=lambda cell: cell[:2]):
        held = list(group)
        try:
            scored = {protocol for *_, protocol in held}
            for finding in run.inputs(name, scale, [rule for rule in run.protocols if rule.name in scored]):
                if finding.what not in seen:
                    seen.add(finding.what)
                    yield finding
        except SrgridError as error:
            yield Finding(f"{name} x{scale}", "cannot be checked", str(error).replace(f"{run.room}/", ""))
            continue
        for method in dict.fromkeys(cell[2] for cell in held):
            names = [protocol for _, _, own, protocol in held if own == method]
            yield from run.cells_of((name, scale, method), [p for p in run.protocols if p.name in names])
        if {cell for cell in every if cell[:2] == (name, scale)} <= set(held):
            yield from compare_drawn(run, provenance, name, scale)
        run.forget(name, scale)
