"""A small, real run directory: photographs, LR images by imresize, bicubic, and a stand-in for a model."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from skimage import data

from srgrid import images, scoring
from srgrid.code import code_identity
from srgrid.files import write_manifest
from srgrid.metrics import PSNR_SSIM, Metric
from srgrid.protocols import PROTOCOLS as RULES
from srgrid.records import SELECTION, TABLE_NAMES, file_digest, read_object, write_record
from srgrid.report import figures
from srgrid.report.grid import grid, make_grid
from srgrid.report.intervals import intervals
from srgrid.report.previews import previews
from srgrid.report.selection import Wanted, select
from srgrid.report.sources import open_cell
from srgrid.resize import imresize, modcrop

PROTOCOLS = ("rgb8", "luma8")
MODEL = "rcan-bam-s"
LACKING = (MODEL, 4, "luma8")
NAMES = ("astronaut", "chelsea", "coffee", "camera")


def make_run(
    folder: Path,
    dataset: str = "photos",
    names: tuple[str, ...] = NAMES,
    scales: tuple[int, ...] = (2, 4),
    metrics: Sequence[Metric] = PSNR_SSIM,
    protocols: Sequence[str] = PROTOCOLS,
    whole: bool = True,
    part: tuple[slice, slice] = (slice(60, 192), slice(100, 244)),
) -> Path:
    """Write scores, grid, intervals, figures, previews, provenance and a training log; return the run directory.

    The model sees a part of HR, so that it gains on most images; on the last one it is bicubic blurred: a loss.
    It has no x4 of the luma8 protocol: a missing cell.
    """
    photos = [data.astronaut(), data.chelsea(), data.coffee(), data.camera()]
    for scale in scales:
        for name, photo in zip(names, photos, strict=True):
            hr = modcrop(photo[part], scale)
            bicubic = imresize(imresize(hr, 1 / scale), scale)
            mixed = 0.5 * hr + 0.5 * bicubic if name != names[-1] else imresize(imresize(bicubic, 0.5), 2)
            srs = {"bicubic": bicubic, MODEL: np.floor(mixed + 0.5).astype(np.uint8)}
            images.write(folder / "HR" / f"{name}.png", photo[part])
            for method, sr in srs.items():
                images.write(folder / "SR" / method / f"x{scale}" / f"{name}.png", sr)
        for method in ("bicubic", MODEL):
            describe_sr(folder, method, scale)
    cells = [(m, s, p) for s in scales for m in ("bicubic", MODEL) for p in protocols if (m, s, p) != LACKING]
    parts = [score_cell(folder, dataset, *cell, metrics) for cell in cells]
    order = {"dataset": [dataset], "scale": list(scales), "method": ["bicubic", MODEL], "protocol": list(protocols)}
    make_grid(parts, folder, order)
    for scale in scales:
        draw(folder, dataset, scale, whole=whole)
    write_provenance(folder, order)
    return folder


def describe_sr(folder: Path, method: str, scale: int, **changes: object) -> None:
    """The manifest of a method's SR images at a scale."""
    made_by = {"step": "upscale", "model": method, "scale": scale, "kind": "8bit", "inputs": {}}
    if method != "bicubic":
        digest = f"{scale + 16:x}" * 32
        made_by |= {"weights_sha256": digest, "precision": "fp32", "ensemble": False, "device": "cpu"}
    made_by |= {"code": code_identity("srgrid.upscale")}
    where = folder / "SR" / method / f"x{scale}"
    write_manifest(where, made_by | changes, images.describe_folder(where))


def score_cell(
    folder: Path, dataset: str, method: str, scale: int, protocol: str, metrics: Sequence[Metric] = PSNR_SSIM
) -> Path:
    """Score one cell as `srgrid score` does."""
    part = folder / "scores" / protocol / f"x{scale}_{method}.csv"
    sr = folder / "SR" / method / f"x{scale}"
    rows = scoring.score_dirs(sr, folder / "HR", scale, RULES[protocol], metrics)
    cell = {"dataset": dataset, "scale": scale, "method": method, "protocol": protocol}
    scoring.write_cell(part, rows, cell, RULES[protocol], sr, metrics)
    return part


def write_tables(folder: Path, scores: str, **changes: object) -> None:
    """Tables of scores that nobody scored, with a record that says nothing of how they came about."""
    (folder / "scores.csv").write_text(scores, encoding="utf-8")
    grid(folder / "scores.csv", folder / "grid.csv")
    intervals(folder / "scores.csv", folder / "intervals.csv")
    record_tables(folder, **changes)


def record_tables(folder: Path, **changes: object) -> None:
    """Seal whatever tables lie in a folder."""
    digests = {name: file_digest(folder / name) for name in TABLE_NAMES if (folder / name).exists()}
    empty = {"methods": {}, "lr": {}, "hr": {}, "protocols": {}, "code": {}, "devices": {}}
    write_record(folder / "tables.json", "tables", {**empty, "sha256": digests, **changes})


def edit_record(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a record and seal it again: what srgrid itself would have written."""
    record = read_object(path, "")
    del record["record_sha256"]
    change(record)
    write_record(path, record["kind"], record)


def draw(
    folder: Path,
    dataset: str,
    scale: int,
    wanted: Wanted = Wanted(count=4),  # noqa: B008 (frozen)
    *,
    whole: bool = True,
) -> None:
    srs = {method: folder / "SR" / method / f"x{scale}" for method in ("bicubic", MODEL)}
    cell = open_cell(folder / "scores.csv", folder / "HR", srs, dataset=dataset, scale=scale, protocol="rgb8")
    selection = select(cell, wanted)
    selection.write(folder / "figures" / f"x{scale}{SELECTION}")
    figures.draw(selection, cell, folder / "figures" / f"x{scale}.png", whole)
    previews(selection, cell, folder / "previews" / f"x{scale}", whole)


def write_provenance(folder: Path, order: dict[str, list[object]]) -> None:
    keys = {"datasets": "dataset", "scales": "scale", "methods": "method", "protocols": "protocol"}
    config = {key: order[column] for key, column in keys.items()} | {
        "run": "test",
        "train": {"images": ["sample-train"]},
    }
    training = {
        "provenance": {
            "steps": 600,
            "recipe": {"batch": 8, "patch": 24, "lr": 0.004, "seed": 0},
            "data": {"images": 5, "sha256": "d" * 64},
        },
        "parameters": 423_000,
        "measured": {"measured": {"seconds": 61.5, "device": "cpu"}},
    }
    record = {
        "command": "snakemake --cores 2 --configfile config/test.yaml",
        "commit": "0" * 40,
        "config": config,
        "missing": [{"method": MODEL, "scale": 4, "protocol": "luma8", "reason": "the x4 weights were lost at sea"}],
        "outputs": {name: file_digest(folder / name) for name in TABLE_NAMES},
        "weights": {
            f"{MODEL} x{s}": {"method": MODEL, "scale": s, "file": f"{MODEL}_x{s}.safetensors", **training,
                              "sha256": f"{s + 16:x}" * 32}
            for s in order["scale"]
        },
    }  # fmt: skip
    write_record(folder / "provenance.json", "provenance", record)
    log = folder / "state" / f"{MODEL}_x2" / "log.jsonl"
    log.parent.mkdir(parents=True)
    lines = [
        json.dumps({"step": k, "loss": 1 / (k + 1), "lr": 1e-3 * (1 - k / 1000), "seconds": k * 0.1})
        for k in range(1, 1000)
    ]
    log.write_text("\n".join([*lines, '{"step": 1000, "lo']), encoding="utf-8")
