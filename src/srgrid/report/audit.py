"""The audit: every published value beside the re-made one with a verdict, and what each protocol choice is worth.

Reads tables alone: the grid of a run, and scores of the bicubic baseline under the protocols of `srgrid.choices`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from srgrid.choices import choices
from srgrid.code import code_identity
from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.metrics import Score
from srgrid.records import file_digest, tables_record, write_record
from srgrid.report.cells import check_agreement, read_cells
from srgrid.report.published import Published, published
from srgrid.report.tables import BASELINE, CELL, read_grid, read_scores, run_metrics

REPRODUCED = "reproduced"
EXPLAINED = "explained"
DIFFERS = "not reproduced"
ABSENT = "not re-made"
AUDIT = "audit.json"
SOURCES = ("grid.csv", "scores.csv")
NEAR_DB, NEAR_SSIM = 0.03, 0.0008

AUDIT_COLUMNS = (
    *("source", "dataset", "scale", "method", "published", "protocol", "remade", "psnr_difference", "ssim_difference"),
    *("verdict", "why"),
)
EFFECT_COLUMNS = ("choice", "about", "dataset", "scale", "images", "psnr_before", "psnr_change", "ssim_change")
COLUMNS_COLUMNS = (
    *("dataset", "scale", "card_bicubic", "bicubic_luma8", "bicubic_super_image", "super_image_offset"),
    *("card_model", "rcan_paper", "card_minus_paper"),
)


class Verdict(NamedTuple):
    """What became of one published cell."""

    verdict: str
    protocol: str
    value: Score | None
    why: str


def audit_cells(grid: pd.DataFrame, choices_scores: pd.DataFrame | None = None) -> list[dict[str, Any]]:
    """One row for every published value whose data set and scale the grid holds.

    choices_scores: of bicubic under the choices' protocols, which can explain a value, too.
    """
    values = by_cell(grid)
    held = {(dataset, scale) for dataset, scale, _, _ in values}
    if choices_scores is not None:
        keys = ["dataset", "scale", "method", "protocol"]
        values |= by_cell(choices_scores.groupby(keys, sort=False)[list(Score._fields)].mean().reset_index())
    rows = []
    for cell in published():
        if (cell.dataset, cell.scale) not in held:
            continue
        found = judge(cell, values)
        row = dict.fromkeys(AUDIT_COLUMNS, "")
        row |= {"source": cell.title, "dataset": cell.dataset, "scale": str(cell.scale), "method": cell.method}
        row |= {"published": cell.text, "protocol": found.protocol, "verdict": found.verdict, "why": found.why}
        if found.value is not None:
            row["remade"] = f"{found.value.psnr:.3f}/{found.value.ssim:.5f}"
            row["psnr_difference"] = f"{found.value.psnr - cell.psnr:+z.3f}"
            row["ssim_difference"] = f"{found.value.ssim - cell.ssim:+z.5f}"
        rows.append(row)
    return rows


def judge(cell: Published, values: Mapping[tuple[str, int, str, str], Score]) -> Verdict:
    """Compare one published cell with the re-made ones of every protocol, its own protocol first."""
    own = values.get((cell.dataset, cell.scale, cell.method, cell.protocol))
    if own and as_printed(own, cell.text) == cell.text:
        return Verdict(REPRODUCED, cell.protocol, own, " ".join(["To every printed digit.", cell.note]).strip())
    where = (cell.dataset, cell.scale, cell.method)
    remade = {protocol: value for (*key, protocol), value in values.items() if tuple(key) == where}
    for protocol, value in remade.items():
        if as_printed(value, cell.text) == cell.text:
            why = f"The same digits come out under {protocol}, not under {cell.protocol}."
            return Verdict(EXPLAINED, protocol, value, f"{why} {cell.note}".strip())
    if own is None:
        why = f"This run has no {cell.method} of its own here. {cell.note}"
        return Verdict(ABSENT, cell.protocol, None, why.strip())
    if abs(own.psnr - cell.psnr) <= NEAR_DB and abs(own.ssim - cell.ssim) <= NEAR_SSIM:
        why = (
            f"Within {NEAR_DB} dB and {NEAR_SSIM} of it, not to every digit: the protocol is close to {cell.protocol}."
        )
        return Verdict(DIFFERS, cell.protocol, own, f"{why} {cell.note}".strip())
    return Verdict(DIFFERS, cell.protocol, own, f"{_reason(cell)} {cell.note}".strip())


def _reason(cell: Published) -> str:
    if cell.method == BASELINE:
        return "No protocol of this run gives the value."
    return "Other weights: the re-made model is trained here, on the data its provenance names."


def as_printed(value: Score, text: str) -> str:
    """A score with as many digits as the published text has ("33.64/0.9292")."""
    psnr_digits, ssim_digits = (len(part.partition(".")[2]) for part in text.split("/"))
    return f"{value.psnr:.{psnr_digits}f}/{value.ssim:.{ssim_digits}f}"


def measure_choices(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """What each choice moves the bicubic baseline by, per data set and scale. Raises SrgridError on missing scores."""
    bicubic = scores[scores["method"] == BASELINE]
    means = dict(list(bicubic.groupby(["protocol", "dataset", "scale"], sort=False)))
    cells = list(dict.fromkeys(zip(bicubic["dataset"], bicubic["scale"], strict=True)))
    rows = []
    for choice in choices():
        for dataset, scale in cells:
            before, after = (means.get((name, dataset, scale)) for name in (choice.before, choice.after))
            if before is None or after is None:
                lacking = choice.before if before is None else choice.after
                raise SrgridError(f"audit: no bicubic scores of {dataset} x{scale} under {lacking}; score it first")
            change = after[list(Score._fields)].mean() - before[list(Score._fields)].mean()
            cell = (choice.name, choice.about, dataset, str(scale), str(len(before)))
            moved = (f"{before['psnr'].mean():.3f}", f"{change['psnr']:+z.3f}", f"{change['ssim']:+z.5f}")
            rows.append(dict(zip(EFFECT_COLUMNS, (*cell, *moved), strict=True)))
    return rows


def compare_columns(grid: pd.DataFrame) -> list[dict[str, Any]]:
    """The card's two columns side by side: its bicubic values are luma8's, its model values are not.

    For each cell where the card prints a model value: bicubic as the card prints it, re-made under luma8 and under
    super-image, and how far the card's model stands from the RCAN paper's, which is trained longer.
    """
    values = by_cell(grid)
    texts = {(cell.source, cell.method, cell.dataset, cell.scale): cell for cell in published()}
    rows = []
    for (source, method, dataset, scale), model in texts.items():
        bicubic, paper = (
            texts.get(("card", BASELINE, dataset, scale)),
            texts.get(("rcan-paper", "rcan", dataset, scale)),
        )
        remade = [values.get((dataset, scale, BASELINE, protocol)) for protocol in ("luma8", "super-image")]
        if source != "card" or method == BASELINE or bicubic is None or paper is None or None in remade:
            continue
        luma8, super_image = (value for value in remade if value is not None)
        cell = (dataset, str(scale), bicubic.text, f"{luma8.psnr:.3f}/{luma8.ssim:.5f}")
        offset = (f"{super_image.psnr:.3f}/{super_image.ssim:.5f}", f"{super_image.psnr - luma8.psnr:+z.3f}")
        models = (model.text, paper.text, f"{model.psnr - paper.psnr:+z.2f}")
        rows.append(dict(zip(COLUMNS_COLUMNS, (*cell, *offset, *models), strict=True)))
    return rows


def write_audit(run_dir: Path, parts: Sequence[Path]) -> None:
    """Write audit.csv, effects.csv and columns.csv into `run_dir`, from its grid and the choices' score files.

    audit.json, their record, has their digests and those of the tables they were made from. Raises SrgridError when
    a table or score file was edited, the score files do not go together with the run's, or the run lacks PSNR or SSIM,
    which the published values are.
    """
    tables = tables_record(run_dir, SOURCES)
    metrics = run_metrics(tables)
    if lacking := set(Score._fields).difference(metric.name for metric in metrics):
        raise SrgridError(f"audit: the run was not scored by {', '.join(sorted(lacking))}; score it by them, too")
    grid, scored = read_grid(run_dir / "grid.csv", metrics), read_cells(parts)
    check_agreement(scored, tables)
    own = read_scores(run_dir / "scores.csv", metrics)
    scores = pd.concat([own, *(cell.scores for cell in scored)], ignore_index=True)
    if (repeated := scores.duplicated([*CELL, "image"])).any():
        raise SrgridError(f"audit: {' '.join(map(str, scores.loc[repeated, CELL].iloc[0]))} is there twice; keep one")
    made = {
        "audit.csv": (AUDIT_COLUMNS, audit_cells(grid, scores[scores["method"] == BASELINE])),
        "effects.csv": (EFFECT_COLUMNS, measure_choices(scores)),
        "columns.csv": (COLUMNS_COLUMNS, compare_columns(grid)),
    }
    for name, (columns, rows) in made.items():
        _write(run_dir / name, columns, rows)
    record = {
        "sha256": {name: file_digest(run_dir / name) for name in made},
        "from": {name: tables["sha256"][name] for name in SOURCES},
        "code": code_identity("srgrid.report.audit"),
    }
    write_record(run_dir / AUDIT, "audit", record)


def _write(out: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    with staged_file(out) as staged, staged.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def by_cell(grid: pd.DataFrame) -> dict[tuple[str, int, str, str], Score]:
    """PSNR and SSIM of every cell; of none where the grid lacks either."""
    if not set(Score._fields) <= set(grid.columns):
        return {}
    return {
        (str(r["dataset"]), int(r["scale"]), str(r["method"]), str(r["protocol"])): Score(r["psnr"], r["ssim"])
        for r in grid.to_dict("records")
    }
